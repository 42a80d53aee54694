"""K1, K2: a kit of many hotfixes made and taken in, beside `zip -0` and `sha256sum` over the same files."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure, compared
from bench.kit_work import prepare
from bench.timing import Samples, Side, in_turn, median

_GOALS = {"K1": 30.0, "K2": 10.0}


def run(folder: Path, count: int, size: int, rounds: int) -> Iterator[Figure]:
    """Measure; the goals are for 2 GiB, and counted only there.

    Args:
        folder: to work in.
        count: how many hotfixes.
        size: bytes of each.
        rounds: how often each side runs.
    """
    prepare(folder, count, size)
    kit, packed = folder / "kit", folder / "peer.zip"

    def fresh() -> None:
        shutil.rmtree(kit, ignore_errors=True)

    ours = Side("ours", ["kit-make", str(folder)], fresh, inside=True)
    zipped = ["bash", "-c", 'cd "$0" && zip -q -0 -r "$1" targets && sha256sum "$1" && sync "$1"']
    peer = Side(
        "zip -0, sha256sum", [*zipped, str(folder / "store"), str(packed)], lambda: packed.unlink(missing_ok=True)
    )
    yield from _figures("K1", "make", count, size, in_turn([ours, peer], rounds))
    packed.unlink()
    sums = ["bash", "-c", 'cd "$0" && find . -type f -print0 | xargs -0 sha256sum']
    sides = [Side("ours", ["kit-take", str(folder)], inside=True), Side("sha256sum", [*sums, str(kit)])]
    yield from _figures("K2", "verify", count, size, in_turn(sides, rounds))
    shutil.rmtree(folder)


def _figures(number: str, what: str, count: int, size: int, samples: Samples) -> Iterator[Figure]:
    (ours, peer), total = samples, count * size
    told = f"{what} a kit of {count} hotfixes, {total / (1 << 30):.2g} GiB"
    yield compared(number, f"{told} / {peer}", samples, (ours, peer), counts="wall")
    goal = _GOALS[number] if total >= 2 << 30 else None
    details = {"wall s": median(samples[ours], "wall"), "peak MiB": median(samples[ours], "peak")}
    yield Figure(number, told, median(samples[ours], "cpu"), "cpu s", goal, details=details)
