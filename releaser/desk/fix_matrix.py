"""Which fix is in which baseline of a product, and how that is known: one row a fix, one column a baseline."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from patchline.releaser.fleet.hotfix_states import RevisionFacts
from patchline.releaser.fleet.shelves import Place, Shelf, shelf
from patchline.releaser.issues import Status
from patchline.releaser.states import OFFERED, State

MOST_BASELINES, MOST_FIXES = 12, 200
_ENDED = (State.REJECTED, State.ABANDONED, State.RECALLED)
_MARKS = {
    Status.AFFECTED: ("affected", "no fix yet"),
    Status.NO_FIX_PLANNED: ("affected", "no fix planned"),
    Status.NOT_AFFECTED: ("not needed", "not affected"),
}


@dataclass(frozen=True)
class Cell:
    """How a baseline stands to a fix.

    Attributes:
        word: `fixed`, `under way`, `in the baseline`, `not needed`, `affected` or `unknown`.
        hotfix: label of the hotfix, where there is one.
        told: how that is known.
    """

    word: str
    told: str
    hotfix: str | None = None


_UNKNOWN = Cell("unknown", "nobody has said")


@dataclass(frozen=True)
class Matrix:
    """The fixes of a product by baseline; the newest baseline first."""

    product: str
    baselines: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    more_fixes: int

    @property
    def open(self) -> int:
        """How many fixes a baseline lacks that is said to be affected, or of which nobody has said anything."""
        return sum(cell.word in ("affected", "unknown") for _, cells in self.rows for cell in cells)


def matrix(session: Session, product: str, labels: Sequence[str]) -> Matrix:
    """Return which fix is in which baseline.

    Args:
        session: to read from.
        product: whose.
        labels: of its baselines, the newest first.
    """
    baselines = tuple(labels[:MOST_BASELINES])
    places: list[Place] = [(product, label) for label in baselines]
    kept = shelf(session, places, [], [], None)
    fixes = sorted({fix for fix in _fixes(kept, places)}, reverse=True)
    rows = tuple((fix, tuple(_cell(fix, place, kept) for place in places)) for fix in fixes[:MOST_FIXES])
    return Matrix(product, baselines, rows, max(0, len(fixes) - MOST_FIXES))


def _fixes(kept: Shelf, places: Iterable[Place]) -> Iterable[str]:
    for place in places:
        yield from (fix for fact in _facts(kept, place) for fix in fact.fixes)
        yield from kept.contained.get(place, ())
        yield from (mark.issue for mark in kept.marks.get(place, ()))


def _facts(kept: Shelf, place: Place) -> list[RevisionFacts]:
    """Return the revisions for a baseline that have not ended for nothing, the newest last."""
    return [fact for fact in (kept.facts[id_] for id_ in kept.at(place)) if fact.state not in _ENDED]


def _cell(fix: str, place: Place, kept: Shelf) -> Cell:
    bringing = [fact for fact in _facts(kept, place) if fix in fact.fixes]
    out = [fact for fact in bringing if fact.state in OFFERED]
    if out:
        return Cell("fixed", str(out[-1].state), out[-1].label)
    if fix in kept.contained.get(place, frozenset()):
        return Cell("in the baseline", "a campaign found its commits there")
    if bringing:
        return Cell("under way", str(bringing[-1].state), bringing[-1].label)
    for mark in kept.marks.get(place, ()):
        if mark.issue == fix and mark.status in _MARKS:
            word, told = _MARKS[mark.status]
            return Cell(word, mark.reason or told)
    return _UNKNOWN


def document(found: Matrix) -> dict[str, Any]:
    """Return it for programs."""
    return {
        "product": found.product,
        "baselines": list(found.baselines),
        "fixes": [
            {"fix": fix, **{label: vars(cell) for label, cell in zip(found.baselines, cells, strict=True)}}
            for fix, cells in found.rows
        ],
        "more_fixes": found.more_fixes,
    }
