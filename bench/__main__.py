"""Measure everything beside its peers: `python -m bench [--tiny | --full]`, or `make bench`.

Prints a table, writes `bench/results/*.json` and, unless tiny, `docs/performance.md`.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import (
    applying,
    building,
    catalogue,
    channel,
    check_ins,
    downloads,
    fleet,
    history,
    inputs,
    kits,
    levels,
    lists,
    loans,
    memory,
    page,
    register,
    reports,
    serving,
    vault,
    verifying,
)
from bench.figures import Figure, table
from bench.inputs import Range
from bench.programs import Vendor


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    name: str
    rounds: int
    hashed: int
    applied: list[tuple[int, int, float | None]]
    memory: int
    changes: int
    listed: tuple[int, int] = (1_000, 10_000)
    kit: tuple[int, int] = (4, 4 << 20)
    events: int = 100_000
    tried: tuple[int, int] = (50, 500)
    sites: tuple[int, ...] = (10_000,)
    questions: int = 40
    reports: tuple[int, int] = (500, 10_000)
    cut_off: tuple[int, int] = (20 << 20, 1_000)
    lent: tuple[int, int] = (500, 2_000)
    served: tuple[int, int, int, int] = (100 << 20, 80, 50, 8)
    checking_in: tuple[int, int] = (100, 8)


TINY = Extent(
    name="tiny",
    rounds=1,
    hashed=1 << 20,
    applied=[(10, 2_000, None), (20, 10_000, None)],
    memory=8 << 20,
    changes=1,
    listed=(2, 20),
    kit=(2, 20_000),
    events=100,
    tried=(1, 2),
    sites=(200,),
    questions=2,
    reports=(20, 60),
    lent=(3, 10),
    served=(1 << 20, 4, 3, 1),
    checking_in=(3, 1),
)
QUICK = Extent("quick", 5, 256 << 20, [(50, 20_000, None), (500, 20_000, 0.4), (200, 1_000_000, 0.85)], 256 << 20, 3)
FULL = Extent(
    "full", 9, 1 << 30, QUICK.applied, 2 << 30, 30, kit=(40, 52 << 20), events=1_000_000, sites=(10_000, 100_000)
)


def ranges(extent: Extent, folder: Path) -> list[Range]:
    """Return what is built and verified, smallest first."""
    if extent is not TINY:
        return [inputs.made_of(inputs.SMALL), inputs.made_of(inputs.LARGE), *inputs.given()]
    made = []
    for name, count in (("few", 5), ("many", 50)):
        repository = folder / name
        inputs.started(repository)
        for seed, tag in enumerate(("r0", "r1")):
            for path in repository.glob("folder-*"):
                shutil.rmtree(path)
            applying.files(repository, count, 1_000, seed)
            inputs.commit(repository, tag)
        made.append(Range(name, repository, "r0", "r1"))
    return made


def measure(extent: Extent, folder: Path) -> Iterator[Figure]:
    """Measure everything."""
    vendor = Vendor(folder / "vendor", "bench")
    vendor.settle()
    sources = ranges(extent, folder / "repositories")
    yield from building.run(vendor, folder / "build", sources, extent.rounds)
    yield from verifying.hashing(folder / "hash", extent.hashed, extent.rounds)
    yield from verifying.verifying(vendor, folder / "verify", sources, extent.rounds)
    yield from applying.run(vendor, folder / "apply", extent.applied, extent.rounds)
    yield from verifying.start(extent.rounds)
    yield from channel.run(folder / "channel", extent.listed, extent.rounds)
    yield from lists.run(folder / "lists", extent.listed, extent.rounds)
    yield from kits.run(folder / "kits", *extent.kit, min(extent.rounds, 3))
    yield from downloads.run(folder / "downloads", *extent.cut_off, min(extent.rounds, 3), 2)
    yield from history.run(vendor, folder / "history", extent.changes, extent.rounds)
    yield from fleet.run(folder / "fleet", extent.sites, extent.questions)
    yield from register.run(folder / "register", extent.events, min(extent.rounds, 3))
    yield from reports.run(folder / "reports", *extent.reports)
    yield from serving.run(folder / "serving", *extent.served)
    yield from check_ins.run(folder / "check-ins", *extent.checking_in)
    yield from levels.run(folder / "levels", extent.tried, min(extent.rounds, 3))
    yield from vault.run(extent.rounds)
    yield from loans.run(folder / "loans", extent.lent, extent.rounds)
    yield from memory.run(vendor, folder / "memory", extent.memory)
    many = catalogue.TINY if extent is TINY else catalogue.QUICK
    yield from catalogue.run(vendor, folder / "catalogue", many, min(extent.rounds, 3))


def main() -> int:
    """Run what the options ask for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tiny", dest="extent", action="store_const", const=TINY, help="seconds; proves nothing")
    parser.add_argument("--full", dest="extent", action="store_const", const=FULL, help="more rounds, 2 GiB of payload")
    parser.add_argument("--results", type=Path, default=Path("bench/results"), help="folder of the results")
    parser.add_argument("--work", type=Path, help="folder on the disk to measure; by default that for temporary files")
    options = parser.parse_args()
    extent, now = options.extent or QUICK, datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.work) as name:
        found = []
        for figure in measure(extent, Path(name)):
            print("  ".join(figure.row()), flush=True)
            found.append(figure)
    print(f"\n{table(found, markdown=False)}")
    facts = page.facts(now, extent.name)
    options.results.mkdir(parents=True, exist_ok=True)
    document = {"facts": facts, "figures": [figure.as_document() for figure in found]}
    (options.results / f"{now:%Y%m%dT%H%M%SZ}-{extent.name}.json").write_text(json.dumps(document, indent=1) + "\n")
    if extent is not TINY:
        Path("docs/performance.md").write_text(page.written(facts, found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
