"""The page `docs/performance.md`: the latest figures with date, machine and versions."""

import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import datetime
from importlib import metadata
from pathlib import Path

from bench.figures import Figure, table

_PROGRAMS = (["git", "--version"], ["rsync", "--version"], ["openssl", "version"], ["gzip", "--version"])
_LIBRARIES = ("gitpython", "zlib-ng", "cryptography", "tuf")


def facts(now: datetime, extent: str) -> dict[str, str]:
    """Return what the figures depend on."""
    found = {"date": f"{now:%Y-%m-%d}", "extent": extent, "machine": _machine(), "python": platform.python_version()}
    found["load"] = " ".join(f"{load:.1f}" for load in os.getloadavg()) + " over the last 1, 5 and 15 minutes"
    for line in _PROGRAMS:
        found[line[0]] = subprocess.run(line, check=True, capture_output=True, text=True).stdout.splitlines()[0].strip()
    return found | {name: metadata.version(name) for name in _LIBRARIES}


def _machine() -> str:
    processors = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = processors[0].partition(":")[2].strip() if processors else platform.machine()
    return f"{os.cpu_count()} cores, {model}, {platform.system()} {platform.release()}"


def written(found: dict[str, str], figures: Sequence[Figure]) -> str:
    """Return the page."""
    lines = [f"- {name}: {text}" for name, text in found.items()]
    return f"{_HEAD}\n{chr(10).join(lines)}\n\n{table(figures, markdown=True)}\n{_FOOT}"


_HEAD = """# Performance

Written by `make bench`. Every figure is a ratio to a peer that ran in turn in the same benchmark (A B A B, median of
the ratios within a round), since absolute times mean nothing on a shared machine; or a bound on memory. `least` and
`most` are the ratios of single rounds: far apart they say how restless the machine was. CPU counts children. Of our
programs Python's own start and imports are left out, and stand beside as `with start-up` (A3 says what they take).
"""

_FOOT = """
- B1, B3, B4: both sides of each change are read and hashed, as a manifest states the digest of every earlier content;
  the floor (`git diff-tree` piped to `git cat-file --batch --buffer` piped to `cat`) reads the same.
- B2: `git archive --format=zip` packs the new side alone, without digests; scan and simulation are printed apart.
- A1: `rsync -a -I --backup --fsync` of the same files; ours verifies signatures and digests, keeps a journal, a ledger
  and the earlier contents, and looks at every file afterwards. A1 and A2 count wall: what they wait for is the disk.
- A2: the rollbacks come after all the applies they are compared with, and not in turn with them, since on ext4 a new
  file costs more where many were removed within the last minute.
- C1 to C3: python-tuf bare neither checks what it publishes on top of, nor locks, nor makes anything durable; as a
  client it keeps no memory of its own. Both read a folder.
- Why a goal is missed: docs/decisions, "Where speed ends".
- R1: the floor reads the same rows and hashes each body, in one loop of Python's own sqlite3; ours follows the chain
  (a second digest an event), finds what was changed, and knows both databases.
- N1: `zipfile` inflates and hashes the same members and keeps nothing; ours writes them into the register's database.
- N2: the floor of B1 and `git archive` for each bundle of the campaign; ours merges, registers and reads back as well.
- S2: one process, the register open; S3 and S4: one OpenBao and one PostgreSQL for both sides. Ours also writes each
  step into the register and the audit chain, durably, and locks the loan.
- Q1, Q2, W1, W2: 5,000 customers, 2,000 hotfixes of 20 products, 25 applied at a site; each asked 40 times with other
  parameters, the slowest in twenty, all rows read. Q1 is the statement alone, W1 and W2 the whole command in a process
  that has loaded its code: opening the register, connecting, and compiling each statement for the first time. On SQLite
  all the work is this process's, and its CPU is told; on PostgreSQL the server does it, and the wall is told.
- Q2: the driver alone gives back the same rows of the same statement, written and bound beforehand.
- W1 beside peers, as published and not measured here: Bodhi took 25 s and some 10,800 statements for a search of updates
  (bodhi #5646), Pulp 15 to 20 s for an artifact at 2.5 million rows (pulpcore #3802).
- Growth: the exponent between two sizes; 1 follows the size, 0 does not grow.
- Memory: peak of the largest process.
"""
