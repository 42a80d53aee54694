"""C1, C2, C3: publishing one more hotfix into a channel of many, refreshing it cold and warm, beside python-tuf bare."""

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.channel_work import prepare
from bench.figures import Figure, compared
from bench.timing import Samples, Side, exponent, in_turn, median


def run(folder: Path, counts: tuple[int, int], rounds: int) -> Iterator[Figure]:
    """Measure at two sizes, the goals being for the larger one.

    Args:
        folder: to work in.
        counts: how many hotfixes are listed.
        rounds: how often each side runs.
    """
    publishing, warm = {}, {}
    for count in counts:
        place = folder / str(count)
        prepare(place, count)
        largest = count == max(counts)
        for kind in ("cold", "warm"):
            samples = _refreshed(place, kind, rounds)
            number, goal = ("C2", 0.5) if kind == "cold" else ("C3", 0.3)
            yield from _figures(number, f"{kind} refresh of {count:,} hotfixes", samples, goal if largest else None)
            warm[count] = median(samples["ours"], "cpu")
        samples = _published(place, rounds)
        yield from _figures("C1", f"publish one of {count:,} hotfixes", samples, 2.0 if largest else None)
        publishing[count] = median(samples["ours"], "cpu")
    for number, what, costs in (("C1", "publishing", publishing), ("C3", "a warm refresh", warm)):
        growth = exponent(*(costs[count] for count in counts), counts[1] / counts[0])
        yield Figure(number, f"growth of {what}, {counts[1] / counts[0]:g} times the hotfixes", growth, "")


def _figures(number: str, what: str, samples: Samples, goal: float | None) -> Iterator[Figure]:
    yield compared(number, f"{what} / python-tuf bare", samples, ("ours", "python-tuf"))
    details = {"wall s": median(samples["ours"], "wall"), "peak MiB": median(samples["ours"], "peak")}
    yield Figure(number, what, median(samples["ours"], "cpu"), "cpu s", goal, details=details)


def _refreshed(place: Path, kind: str, rounds: int) -> Samples:
    def before(cache: Path) -> None:
        if kind == "cold":
            shutil.rmtree(cache, ignore_errors=True)
        cache.mkdir(exist_ok=True)

    sides = []
    for side, name in (("ours", "channel-refresh"), ("python-tuf", "tuf-refresh")):
        # The last cold refresh leaves what a warm one finds.
        cache = place / f"cache of {name}"
        sides.append(Side(side, [name, str(place), str(cache)], partial(before, cache), inside=True))
    return in_turn(sides, rounds)


def _published(place: Path, rounds: int) -> Samples:
    kept = place / "kept"
    shutil.copytree(place / "store", kept)

    def before() -> None:
        shutil.rmtree(place / "store")
        shutil.copytree(kept, place / "store")

    names = (("ours", "channel-publish"), ("python-tuf", "tuf-publish"))
    return in_turn([Side(side, [name, str(place)], before, inside=True) for side, name in names], rounds)
