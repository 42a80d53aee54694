"""R1, R2: checking the audit chain beside the bare hashing of its rows, and what `patchline --help` takes."""

import sys
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure, compared
from bench.programs import BIN
from bench.register_work import prepare
from bench.timing import Side, in_turn, median


def run(folder: Path, events: int, rounds: int) -> Iterator[Figure]:
    """Measure with so many events."""
    prepare(folder, events)
    sides = [Side(name, [name, str(folder)], inside=True) for name in ("audit-verify", "audit-hash")]
    samples = in_turn(sides, rounds)
    what = f"audit verify of {events:,} events"
    yield compared("R1", f"{what} / reading and hashing them", samples, ("audit-verify", "audit-hash"))
    took = samples["audit-verify"]
    details = {"wall s": median(took, "wall"), "peak MiB": median(took, "peak")}
    yield Figure("R1", what, median(took, "cpu"), "cpu s", 10.0, details=details)
    sides = [Side("help", [str(BIN / "patchline"), "--help"]), Side("python", [sys.executable, "-c", "pass"])]
    samples = in_turn(sides, rounds)
    more = median(samples["help"], "cpu") - median(samples["python"], "cpu")
    yield Figure("R2", "patchline --help beyond Python's own start", more, "cpu s", 0.25)
