"""What happened lately at a customer, of all its sites together: what was fetched, and what people told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.releaser.tables.customers import Declared, Site
from patchline.releaser.tables.fleet import Download
from patchline.releaser.tables.hotfixes import Revision


@dataclass(frozen=True)
class Fetched:
    """A download, done or not; the site is None where nobody said for which."""

    label: str
    site: str | None
    at: datetime
    how: str
    outcome: str


@dataclass(frozen=True)
class Event:
    """Something that was told of a site."""

    site: str
    kind: str
    at: datetime
    text: str
    reference: str | None


def downloads(session: Session, customer: str, limit: int) -> Sequence[Fetched]:
    """Return the newest downloads of a customer."""
    query = (
        select(Revision.hotfix, Revision.number, Site.name, Download.at, Download.how, Download.outcome)
        .select_from(Download)
        .join(Revision, Revision.id == Download.revision)
        .outerjoin(Site, Site.id == Download.site)
        .where(Download.customer == customer)
        .order_by(Download.at.desc(), Download.id.desc())
        .limit(limit)
    )
    return [
        Fetched(f"{row.hotfix}-r{row.number}", row.name, row.at, row.how, row.outcome) for row in session.execute(query)
    ]


def events(session: Session, customer: str, limit: int) -> Sequence[Event]:
    """Return the newest events that were told of a customer's sites."""
    query = (
        select(Site.name, Declared.kind, Declared.at, Declared.text, Declared.reference)
        .join(Declared, Declared.site == Site.id)
        .where(Site.customer == customer)
        .order_by(Declared.at.desc(), Declared.id.desc())
        .limit(limit)
    )
    return [Event(*row) for row in session.execute(query)]
