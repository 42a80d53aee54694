"""Q3: one revision against every known level: sites of 500 customers with 12 levels each, no two the same."""

from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure
from bench.levels_work import prepare
from bench.timing import Side, exponent, in_turn, median

_LEVELS = 12
_GOAL = 60.0


def run(folder: Path, customers: tuple[int, int], rounds: int) -> Iterator[Figure]:
    """Measure with two numbers of customers."""
    sides = []
    for count in customers:
        prepare(folder / str(count), count, _LEVELS)
        sides.append(Side(str(count), ["simulate-levels", str(folder / str(count))], inside=True))
    samples = in_turn(sides, rounds)
    few, many = (samples[str(count)] for count in customers)
    details = {
        "cpu s": median(many, "cpu"),
        "peak MiB": median(many, "peak"),
        "exponent": exponent(median(few, "cpu"), median(many, "cpu"), customers[1] / customers[0]),
    }
    what = f"simulation against {customers[1]} customers with {_LEVELS} levels, all different, 20 hotfixes each"
    yield Figure("Q3", what, median(many, "wall"), "wall s", _GOAL, counts="wall", details=details)
