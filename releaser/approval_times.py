"""How long approvals took: from the last time that a revision was put into review until it was approved."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from patchline.patches.statements import time_text
from patchline.releaser.states import Action, State
from patchline.releaser.tables.hotfixes import Hotfix, Revision, Step

_MOST = 1000


@dataclass(frozen=True)
class Took:
    """How long the approval of one revision took."""

    label: str
    severity: str
    product: str
    begun: datetime
    approved: datetime

    @property
    def days(self) -> float:
        """So long, in days."""
        return (self.approved - self.begun) / timedelta(days=1)

    def as_document(self) -> dict[str, Any]:
        """Return it for programs."""
        moments = {"begun": time_text(self.begun), "approved": time_text(self.approved)}
        return {"revision": self.label, "severity": self.severity, "product": self.product, **moments}


def approval_times(session: Session, since: datetime, product: str | None = None) -> Sequence[Took]:
    """Return what was approved since then, the newest first, a thousand at most; in one statement."""
    begun, approved = aliased(Step), aliased(Step)
    last = (
        select(func.max(begun.at))
        .where(begun.revision == approved.revision, begun.number < approved.number)
        .where(begun.action == Action.SUBMIT)
        .correlate(approved)
        .scalar_subquery()
    )
    before = aliased(Step)
    already = (
        select(before.number)
        .where(before.revision == approved.revision, before.number < approved.number, before.state == State.APPROVED)
        .correlate(approved)
        .exists()
    )
    query = (
        select(Revision.number, Hotfix.id, Hotfix.severity, Hotfix.product, last.label("begun"), approved.at)
        .select_from(approved)
        .join(Revision, Revision.id == approved.revision)
        .join(Hotfix, Hotfix.id == Revision.hotfix)
        .where(approved.state == State.APPROVED, approved.at >= since, ~already)
        .order_by(approved.at.desc(), approved.revision.desc())
        .limit(_MOST)
    )
    query = query if product is None else query.where(Hotfix.product == product)
    return [
        Took(f"{row.id}-r{row.number}", row.severity, row.product, row.begun, row.at)
        for row in session.execute(query)
        if row.begun is not None
    ]
