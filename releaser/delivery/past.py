"""The history of a customer's downloads: each attempt once, however many facts there are about it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from patchline.patches.statements import time_text
from patchline.releaser.fleet.downloads import BEGUN, BROKEN_OFF, DONE
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import Download
from patchline.releaser.tables.hotfixes import Revision


@dataclass(frozen=True)
class Past:
    """A download.

    Attributes:
        number: by which pages go on.
        site: its name, None where nobody said for which it was.
        outcome: `done`, `begun`, `broken-off`, or why it was refused.
        begun, at: when it was begun, and of when that outcome is.
        extent: how many bytes of the file came by then, None where that is not known.
    """

    number: int
    site: str | None
    label: str
    file: str | None
    how: str
    by: str | None
    outcome: str
    begun: datetime
    at: datetime
    extent: int | None

    def as_document(self) -> dict[str, Any]:
        """Return it for programs."""
        return {**vars(self), "begun": time_text(self.begun), "at": time_text(self.at)}


def listed(session: Session, customer: str, most: int, before: int | None = None) -> list[Past]:
    """Return a customer's downloads, the newest first; in two statements."""
    query = (
        select(Download, Revision.hotfix, Revision.number, Site.name)
        .join(Revision, Revision.id == Download.revision)
        .outerjoin(Site, Site.id == Download.site)
        .where(Download.customer == customer)
        .where(or_(Download.attempt.is_(None), Download.outcome.not_in((DONE, BROKEN_OFF))))
    )
    if before is not None:
        query = query.where(Download.id < before)
    rows = session.execute(query.order_by(Download.id.desc()).limit(most)).all()
    attempts = [row.Download.attempt for row in rows if row.Download.outcome == BEGUN]
    later = select(Download).where(Download.attempt.in_(attempts), Download.outcome != BEGUN).order_by(Download.id)
    ends: dict[str | None, Download] = {}
    for one in session.scalars(later):
        if ends.get(one.attempt) is None or one.outcome == DONE:
            ends[one.attempt] = one
    return [_past(row, ends.get(row.Download.attempt)) for row in rows]


def _past(row: Any, end: Download | None) -> Past:
    first: Download = row.Download
    last = end or first
    extent = last.extent if first.attempt is not None else None
    label = f"{row.hotfix}-r{row.number}"
    return Past(first.id, row.name, label, first.file, first.how, first.by, last.outcome, first.at, last.at, extent)
