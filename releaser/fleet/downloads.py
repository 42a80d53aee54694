"""Who has fetched something, whether or not it was applied since: a download says nothing of a site's level."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.orm import Session

from patchline.patches.errors import UsageError
from patchline.releaser.fleet.matching import retired
from patchline.releaser.fleet.questions import check_limit
from patchline.releaser.fleet.subjects import Subject
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import Applied, Download

DONE, BEGUN, BROKEN_OFF = "done", "begun", "broken-off"
_SITE: ColumnElement[int] = func.coalesce(Download.site, 0)


@dataclass(frozen=True)
class Downloaded:
    """A revision that somebody has fetched.

    Attributes:
        site: for which, None where nobody said.
        at: when it was last fetched.
        applied: the site has it in force, as far as is known; None where the site is not known.
    """

    customer: str
    site: str | None
    label: str
    at: datetime
    applied: bool | None


@dataclass(frozen=True)
class Page:
    """Some downloads, by customer; `after` is where the next page begins, None on the last one."""

    rows: tuple[Downloaded, ...]
    after: str | None


def downloaded(session: Session, subject: Subject, *, limit: int | None = 100, after: str | None = None) -> Page:
    """Return who has fetched what counts or mends in part, each site and revision once.

    Raises:
        UsageError: the limit is out of bounds, or the page is none.
    """
    check_limit(limit)
    told = {**subject.less, **subject.full}
    query = fetching(list(told))
    if after is not None:
        query = query.where(tuple_(Download.customer, _SITE, Download.revision) > tuple_(*_read(after)))
    if limit is not None:
        query = query.limit(limit + 1)
    found = query.subquery()
    there = (Applied.site == found.c.site) & (Applied.revision == found.c.revision)
    rows = session.execute(
        select(found, Site.name, Applied.revision.is_not(None).label("applied"))
        .outerjoin(Site, Site.id == found.c.site)
        .outerjoin(Applied, there)
        .order_by(found.c.customer, found.c.site, found.c.revision)
    ).all()
    shown = rows if limit is None else rows[:limit]
    return Page(
        tuple(
            Downloaded(row.customer, row.name, told[row.revision].label, row.at, row.applied if row.name else None)
            for row in shown
        ),
        f"{shown[-1].customer}:{shown[-1].site}:{shown[-1].revision}" if len(shown) < len(rows) else None,
    )


def fetching(revisions: Sequence[int]) -> Select[str, int, int, datetime]:
    """Return the statement for who has fetched these revisions, each customer, site and revision once."""
    return (
        select(Download.customer, _SITE.label("site"), Download.revision, func.max(Download.at).label("at"))
        .where(Download.revision.in_(revisions), Download.outcome == DONE, _SITE.not_in(retired()))
        .group_by(Download.customer, _SITE, Download.revision)
        .order_by(Download.customer, _SITE, Download.revision)
    )


def _read(after: str) -> tuple[str, int, int]:
    customer, _, rest = after.partition(":")
    site, _, revision = rest.partition(":")
    if not (site.isdecimal() and revision.isdecimal()):
        raise UsageError("page", f"{after!r} is not where a page ended")
    return customer, int(site), int(revision)
