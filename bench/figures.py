"""What a benchmark found: one line beside its goal, in the table, the JSON results and the page."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from bench.timing import Sample, Samples, median, ratio, ratios


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        number: of the table in the design, such as `A1`.
        what: what is compared, with the size of the input.
        unit: `x` for a ratio to the peer, else what the value counts.
        goal: the most (or, with `at_least`, the least) the value should be; None where there is no goal.
        counts: which of CPU and wall the goal is for.
    """

    number: str
    what: str
    value: float
    unit: str = "x"
    goal: float | None = None
    at_least: bool = False
    counts: str = ""
    details: dict[str, float] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        """Tell whether the goal is met."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def as_document(self) -> dict[str, object]:
        """Return the figure for the results."""
        return {**asdict(self), "met": self.met}

    def row(self) -> list[str]:
        """Return the cells of its row."""
        goal = "" if self.goal is None else f"{'≥' if self.at_least else '≤'} {self.goal:g}"
        verdict = {None: "", True: "met", False: "missed"}[self.met]
        details = ", ".join(f"{name} {value:.3g}" for name, value in self.details.items())
        return [self.number, self.what, f"{self.value:.2f} {self.unit}", self.counts, goal, verdict, details]


HEADINGS = ["#", "what", "measured", "of", "goal", "", "beside"]


def compared(
    number: str,
    what: str,
    samples: Samples,
    names: tuple[str, str],
    *,
    counts: str = "cpu",
    goal: float | None = None,
    at_least: bool = False,
    start_up: bool = False,
) -> Figure:
    """Return the ratio of two sides, with the medians of both beside it, and with `start_up` the ratio of all they took."""
    ours, peers = samples[names[0]], samples[names[1]]
    other = "wall" if counts == "cpu" else "cpu"
    value = ratio(peers, ours, counts) if at_least else ratio(ours, peers, counts)
    every = ratios(peers, ours, counts) if at_least else ratios(ours, peers, counts)
    details = {"least": min(every), "most": max(every), f"{other} ratio": ratio(ours, peers, other)}
    if start_up:
        details["cpu ratio with start-up"] = ratio(ours, peers, "whole")
    for name, found in zip(names, (ours, peers), strict=True):
        details |= {f"{name} cpu s": median(found, "cpu"), f"{name} wall s": median(found, "wall")}
    return Figure(number, what, value, goal=goal, at_least=at_least, counts=counts, details=details)


def part(samples: Sequence[Sample], name: str) -> float:
    """Return the median CPU seconds of a part that is printed apart."""
    values = sorted(sample.parts[name]["cpu"] for sample in samples)
    return values[len(values) // 2]


def table(figures: Sequence[Figure], *, markdown: bool) -> str:
    """Return the figures as a table for a terminal or a page."""
    rows = [figure.row() for figure in figures]
    if markdown:
        lines = [HEADINGS, ["---"] * len(HEADINGS), *rows]
        return "\n".join(f"| {' | '.join(row)} |" for row in lines)
    widths = [max(len(row[at]) for row in [HEADINGS, *rows]) for at in range(len(HEADINGS) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in [HEADINGS, *rows]
    )
