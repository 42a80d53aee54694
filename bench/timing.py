"""Measuring sides in turn: A B A B …, CPU seconds with children, wall, peak memory; ratios within the same round.

The machine may be shared, so nothing absolute means anything; only what ran side by side is compared.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Sample:
    """What one run took.

    Attributes:
        cpu, wall: seconds; those of children are in the CPU.
        peak: MiB of its largest process; `own` without those it started.
        whole: CPU seconds with Python's own start and imports, which `cpu` leaves out of our programs.
        parts: what was measured apart, by name.
    """

    cpu: float
    wall: float
    peak: float
    whole: float
    own: float = 0.0
    parts: dict[str, dict[str, float]] = field(default_factory=dict)


def nothing() -> None:
    """Prepare nothing."""


@dataclass(frozen=True)
class Side:
    """One of the programs that are compared.

    Attributes:
        line: the command; its output is shown only when it fails.
        before: what is prepared before each run, unmeasured.
        inside: a command of our programs, to be measured apart from Python's own start.
    """

    name: str
    line: Sequence[str]
    before: Callable[[], None] = nothing
    environment: Mapping[str, str] | None = None
    inside: bool = False

    def run(self) -> Sample:
        """Run it once."""
        self.before()
        if not self.inside:
            return _run(self.line, self.environment)
        with tempfile.NamedTemporaryFile() as file:
            outside = _run([*_inside(file.name), *self.line], self.environment)
            found = json.loads(Path(file.name).read_text())
        return Sample(found["cpu"], found["wall"], found["peak"], outside.cpu, found["own"], found["parts"])


def _inside(figures: str) -> list[str]:
    return [sys.executable, "-m", "bench.inside", figures]


def _run(line: Sequence[str], environment: Mapping[str, str] | None) -> Sample:
    started = time.perf_counter()
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(list(line), stdin=subprocess.DEVNULL, stdout=told, stderr=told, env=environment)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            told.seek(0)
            raise SystemExit(f"{' '.join(line)} ended with {process.returncode}: {told.read().decode()[-2000:]}")
    cpu = used.ru_utime + used.ru_stime
    return Sample(cpu, wall, used.ru_maxrss / 1024, cpu)


Samples = dict[str, list[Sample]]


def in_turn(sides: Sequence[Side], rounds: int) -> Samples:
    """Run every side once in each round, after one round that does not count."""
    for side in sides if rounds > 1 else ():
        side.run()
    samples: Samples = {side.name: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            samples[side.name].append(side.run())
    return samples


def median(samples: Sequence[Sample], what: str) -> float:
    """Return the median of `cpu`, `wall`, `whole`, `peak` or `own`."""
    return statistics.median(getattr(sample, what) for sample in samples)


def ratio(ours: Sequence[Sample], peers: Sequence[Sample], what: str) -> float:
    """Return the median of the ratios of the same rounds."""
    return statistics.median(ratios(ours, peers, what))


def ratios(ours: Sequence[Sample], peers: Sequence[Sample], what: str) -> list[float]:
    """Return the ratio of each round."""
    pairs = zip(ours, peers, strict=True)
    return [getattr(one, what) / max(getattr(other, what), 1e-4) for one, other in pairs]


def exponent(small: float, large: float, factor: float) -> float:
    """Return how a cost grows with size: 1 when it grows as size does, 0 when it does not grow."""
    return log(max(large, 1e-6) / max(small, 1e-6)) / log(factor)


@dataclass(frozen=True)
class Timed:
    """What some work took, in milliseconds of wall and of this process's CPU, and how many rows it gave on average."""

    wall: tuple[float, ...]
    cpu: tuple[float, ...]
    rows: float


def timed(work: Callable[[Any], int], given: Sequence[Any]) -> Timed:
    """Return what the work takes with each of what is given, after one that does not count."""
    work(given[0])
    wall, cpu, rows = [], [], []
    for one in given:
        started, before = time.perf_counter(), time.process_time()
        rows.append(work(one))
        wall.append((time.perf_counter() - started) * 1000)
        cpu.append((time.process_time() - before) * 1000)
    return Timed(tuple(sorted(wall)), tuple(sorted(cpu)), statistics.mean(rows))
