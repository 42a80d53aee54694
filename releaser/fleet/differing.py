"""What differs between two sites: baseline, hotfixes in force, the fixes these bring, and how well each is known."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.errors import UsageError
from patchline.releaser.fleet.levels import Level, There
from patchline.releaser.tables.hotfixes import RevisionFix


@dataclass(frozen=True)
class Side:
    """One of the two.

    Attributes:
        only: hotfixes in force here and not on the other side, the unknown ones among them.
        fixes: mended in full here and not there.
    """

    level: Level
    only: tuple[There, ...]
    fixes: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """What differs.

    Attributes:
        both: labels of hotfixes in force on both sides.
        comparable: whether something is known of both.
    """

    first: Side
    second: Side
    both: tuple[str, ...]

    @property
    def comparable(self) -> bool:
        """Whether something is known of both."""
        return self.first.level.baseline is not None and self.second.level.baseline is not None

    @property
    def same(self) -> bool:
        """Whether both have the same baseline and hotfixes."""
        levels = (self.first.level, self.second.level)
        same_baseline = levels[0].baseline == levels[1].baseline and levels[0].site.product == levels[1].site.product
        return self.comparable and same_baseline and not self.first.only and not self.second.only


def difference(session: Session, first: Level, second: Level) -> Difference:
    """Compare two sites.

    Raises:
        UsageError: it is one site.
    """
    if first.site.id == second.site.id:
        raise UsageError("options", f"{first.site.name} is compared with itself")
    labels = [{one.label for one in level.there} for level in (first, second)]
    fixes = _fixes(session, [*first.there, *second.there])
    mended = [
        frozenset[str]().union(*(fixes.get(one.revision, frozenset()) for one in level.there))
        for level in (first, second)
    ]
    return Difference(
        _side(first, labels[1], mended[0] - mended[1]),
        _side(second, labels[0], mended[1] - mended[0]),
        tuple(sorted(labels[0] & labels[1])),
    )


def _side(level: Level, others: set[str], fixes: frozenset[str]) -> Side:
    return Side(level, tuple(one for one in level.there if one.label not in others), tuple(sorted(fixes)))


def _fixes(session: Session, there: Sequence[There]) -> dict[int | None, frozenset[str]]:
    ids = sorted({one.revision for one in there if one.revision is not None})
    query = select(RevisionFix.revision, RevisionFix.fix).where(RevisionFix.revision.in_(ids))
    found: dict[int | None, frozenset[str]] = {}
    for row in session.execute(query.where(RevisionFix.coverage == "full")):
        found[row.revision] = found.get(row.revision, frozenset()) | {row.fix}
    return found
