"""What was said of a site's level, in time: which report answers a question on a date, and what follows from it.

Two dates, two questions: `at` is the site's own time, or as people told it; `known_at` is when it had reached us.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.releaser.fleet.folding import Level, level_of
from patchline.releaser.fleet.reading import InForce
from patchline.releaser.fleet.verdicts import GENUINE
from patchline.releaser.tables.fleet import EvidenceGrade, Report


@dataclass(frozen=True)
class Said:
    """A report of a site that counts, or what somebody told, without what it says."""

    id: int
    site: int
    made: datetime
    received: datetime
    via: str
    evidence: EvidenceGrade
    taken_by: str


@dataclass(frozen=True)
class Then:
    """What was so at a moment, as far as is known.

    Attributes:
        level: None where nothing that was said reaches that moment.
        as_of: the time of the report that it stands on.
        later: the time of a later report that tells of what was applied by then; None where none was needed.
        gone_by: by label, when a later report had it no more.
    """

    level: Level | None
    evidence: EvidenceGrade
    as_of: datetime | None
    report: int | None = None
    later: datetime | None = None
    gone_by: Mapping[str, datetime] | None = None


NOTHING = Then(None, EvidenceGrade.NEVER, None)


def said(session: Session, sites: Collection[int], known_at: datetime | None = None) -> dict[int, list[Said]]:
    """Return by site what counts of all that was said, by its own time; with a date only what had come by then."""
    query = (
        select(Report.id, Report.site, Report.made, Report.received, Report.via, Report.evidence, Report.taken_by)
        .where(Report.site.in_(sites), Report.verdict.in_(GENUINE))
        .order_by(Report.made, Report.id)
    )
    if known_at is not None:
        query = query.where(Report.received <= known_at)
    found: dict[int, list[Said]] = {site: [] for site in sites}
    for row in session.execute(query).mappings():
        found[row["site"]].append(Said(**{**row, "evidence": EvidenceGrade(row["evidence"])}))
    return found


def levels_said(session: Session, reports: Collection[int]) -> dict[int, Level]:
    """Return what reports say, in one statement."""
    query = select(Report.id, Report.via, Report.document).where(Report.id.in_(reports))
    return {row.id: level_of(row.via, row.document) for row in session.execute(query)} if reports else {}


def around(reports: Sequence[Said], at: datetime) -> tuple[Said | None, Said | None]:
    """Return the last report that was made by a moment, and the first one after it."""
    before = [one for one in reports if one.made <= at]
    after = [one for one in reports if one.made > at]
    return (before[-1] if before else None), (after[0] if after else None)


def then(reports: Sequence[Said], levels: Mapping[int, Level], at: datetime) -> Then:
    """Tell what was so at a moment: what the last report before says, and what the next one says of the time before it.

    Args:
        reports: of one site, by their own time.
        levels: what those say that `around` returns for the moment.
        at: the moment.
    """
    base, following = around(reports, at)
    later = levels[following.id] if following else None
    early = [one for one in (later.hotfixes if later else ()) if one.applied is not None and one.applied <= at]
    if base is None:
        if following is None or later is None or not early:
            return NOTHING
        return Then(_made_of(later, early), following.evidence, following.made, following.id, following.made)
    level = levels[base.id]
    if following is None or later is None or later.baseline != level.baseline:
        return Then(level, base.evidence, base.made, base.id)
    known = {one.label for one in level.hotfixes}
    new = [one for one in early if one.label not in known and one.applied is not None and one.applied > base.made]
    there = {one.label for one in later.hotfixes}
    gone = {one.label: following.made for one in level.hotfixes if one.label not in there}
    if not new:
        return Then(level, base.evidence, base.made, base.id, gone_by=gone)
    return Then(_made_of(level, [*level.hotfixes, *new]), base.evidence, base.made, base.id, following.made, gone)


def _made_of(level: Level, hotfixes: Sequence[InForce]) -> Level:
    """Return a level that nobody reported as such, so without a digest."""
    label = "+".join([level.baseline or "?", *sorted(one.label for one in hotfixes)])
    return Level(level.baseline, label, None, tuple(hotfixes))
