"""Emergency releases that nobody has ratified: they end by themselves at the sites, so somebody must be told before.

Each site counts its own hours from when it first saw the release; here they are counted from the publication, which is
the earliest that any site can have begun.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.releaser.hotfixes import label
from patchline.releaser.states import OFFERED
from patchline.releaser.tables.hotfixes import Revision


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
    found = [
        Unratified(label(one), one.published + timedelta(hours=one.emergency_hours or 0))
        for one in session.scalars(query)
        if one.published is not None
    ]
    return sorted(found, key=lambda one: (one.ends, one.label))
