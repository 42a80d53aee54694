"""Emergency releases, and those that nobody has ratified: they end by themselves at the sites, so somebody must be told before.

Each site counts its own hours from when it first saw the release; here they are counted from the publication, which is
the earliest that any site can have begun.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.releaser.hotfixes import label
from patchline.releaser.states import OFFERED
from patchline.releaser.tables.hotfixes import Approval, Revision


@dataclass(frozen=True)
class Unratified:
    """An emergency release that still waits for the ordinary approvals.

    Attributes:
        label: of the revision.
        ends: from when on sites may refuse it.
    """

    label: str
    ends: datetime


def unratified(session: Session) -> list[Unratified]:
    """Return those that are offered, the one that ends first before the others."""
    query = select(Revision).where(
        Revision.state.in_(OFFERED), Revision.emergency_hours.is_not(None), Revision.ratified.is_(None)
    )
    pairs = [(label(one), ends(one)) for one in session.scalars(query)]
    found = [Unratified(named, end) for named, end in pairs if end is not None]
    return sorted(found, key=lambda one: (one.ends, one.label))


def ends(revision: Revision) -> datetime | None:
    """Return from when on sites may refuse an emergency release; None before it was published."""
    if revision.published is None or revision.emergency_hours is None:
        return None
    return revision.published + timedelta(hours=revision.emergency_hours)


@dataclass(frozen=True)
class Emergency:
    """An emergency release, ratified or not.

    Attributes:
        label: of the revision.
        published: when it went out.
        hours: for how long each site may take it.
        approved_by: whose emergency approvals counted.
        ratified: when the ordinary approvals were enough.
    """

    label: str
    published: datetime
    hours: int
    approved_by: tuple[str, ...]
    ratified: datetime | None

    @property
    def ends(self) -> datetime:
        """From when on sites may refuse it, if it is not ratified."""
        return self.published + timedelta(hours=self.hours)

    def stands(self, now: datetime) -> str:
        """Return `ratified`, `unratified` or `expired`."""
        if self.ratified is not None:
            return "ratified"
        return "expired" if self.ends <= now else "unratified"


def emergencies(session: Session, most: int) -> list[Emergency]:
    """Return the emergency releases that went out, those that wait first, then the newest."""
    query = select(Revision).where(Revision.emergency_hours.is_not(None), Revision.published.is_not(None))
    order = (Revision.ratified.is_not(None), Revision.published.desc())
    rows = session.scalars(query.order_by(*order).limit(most)).all()
    voted: dict[int, list[str]] = {}
    votes = select(Approval.revision, Approval.person).where(Approval.kind == "emergency")
    for revision, person in session.execute(votes.where(Approval.revision.in_([row.id for row in rows]))):
        voted.setdefault(revision, []).append(person)
    return [
        Emergency(
            label(row), row.published, row.emergency_hours or 0, tuple(sorted(voted.get(row.id, ()))), row.ratified
        )
        for row in rows
        if row.published is not None
    ]
