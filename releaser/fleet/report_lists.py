"""Lists of the reports that were taken, the newest first, without what they say."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.errors import UsageError
from patchline.releaser.fleet.verdicts import Verdict
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import Report


@dataclass(frozen=True)
class Row:
    """A report, or what somebody told.

    Attributes:
        site: None while nobody knows whose it is; `identity` is what it says itself.
    """

    number: int
    site: str | None
    identity: str | None
    verdict: Verdict
    evidence: str
    via: str
    made: datetime
    received: datetime
    taken_by: str


def listed(session: Session, verdict: str | None, limit: int, after: str | None = None) -> Sequence[Row]:
    """Return what was taken with a verdict, or with any, older than the one of the number `after`.

    Raises:
        UsageError: there is no such verdict, or `after` is no number.
    """
    if verdict is not None and verdict not in tuple(Verdict):
        raise UsageError("page", f"{verdict[:40]!r} is no verdict: {', '.join(Verdict)}")
    if after is not None and not (after.isascii() and after.isdecimal() and len(after) < 19):
        raise UsageError("page", f"{after[:40]!r} is not where a page ended")
    columns = (Report.identity, Report.verdict, Report.evidence, Report.via, Report.made, Report.received)
    query = select(Report.id, Site.name, *columns, Report.taken_by).outerjoin(Site, Site.id == Report.site)
    query = query.where(Report.verdict == verdict) if verdict is not None else query
    query = query.where(Report.id < int(after)) if after is not None else query
    rows = session.execute(query.order_by(Report.id.desc()).limit(limit))
    return [Row(row[0], row[1], row[2], Verdict(row[3]), *row[4:]) for row in rows]
