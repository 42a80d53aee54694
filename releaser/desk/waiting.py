"""Who is waited for: of each revision that is under way, since when it stands so, and who makes the next step."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from patchline.patches.statements import time_text
from patchline.patches.wording import counted
from patchline.releaser.hotfixes import label
from patchline.releaser.states import Action, State
from patchline.releaser.tables.hotfixes import Approval, Hotfix, Revision, Step
from patchline.releaser.tables.people import Role

UNDER_WAY = (State.DRAFT, State.BUILT, State.IN_REVIEW, State.APPROVED, State.HELD)
_STANDING = (Action.EDIT, Action.EVIDENCE)
"""Steps after which a revision stands as long as it did before."""
MOST = 500
_NEXT = {
    State.DRAFT: "builds it",
    State.BUILT: "signs and submits it",
    State.APPROVED: "publishes it",
    State.HELD: "lifts the hold, or two persons recall it",
}


@dataclass(frozen=True)
class Stand:
    """How a revision stands.

    Attributes:
        since: when it came into its state.
        who: is waited for: a person's id, `approvers`, `a release manager`, or None when nobody is.
        what: the next step, in words behind `who`.
    """

    state: str
    since: datetime
    who: str | None
    what: str

    @property
    def words(self) -> str:
        """Who does what next."""
        return f"{self.who} {self.what}" if self.who else "nobody"


@dataclass(frozen=True)
class Item:
    """A revision under way, and how it stands."""

    hotfix: Hotfix
    revision: Revision
    stand: Stand

    @property
    def label(self) -> str:
        """Its name."""
        return label(self.revision)

    def is_for(self, person: str, roles: Collection[str]) -> bool:
        """Tell whether this person makes the next step; approvals are another matter."""
        if State(self.revision.state) in (State.APPROVED, State.HELD):
            return Role.RELEASE_MANAGER in roles
        return self.stand.who == person


def stands(session: Session, revisions: Sequence[Revision]) -> dict[int, Stand]:
    """Return how revisions stand, by their numbers in the database."""
    ids = [revision.id for revision in revisions]
    last = select(Step.revision, func.max(Step.number)).where(
        Step.revision.in_(ids), Step.action.not_in(tuple(str(action) for action in _STANDING))
    )
    query = select(Step).where(tuple_(Step.revision, Step.number).in_(last.group_by(Step.revision)))
    steps = {step.revision: step for step in session.scalars(query)}
    votes = select(Approval.revision, func.count(Approval.person.distinct())).where(Approval.revision.in_(ids))
    voted = {row[0]: row[1] for row in session.execute(votes.group_by(Approval.revision))}
    return {one.id: _stand(one, steps.get(one.id), voted.get(one.id, 0)) for one in revisions}


def _stand(revision: Revision, step: Step | None, voted: int) -> Stand:
    state = State(revision.state)
    since, by = (step.at, step.person) if step is not None else (revision.added, revision.added_by)
    if state is State.IN_REVIEW:
        who, what = "approvers", f"sign it ({counted(voted, 'approval')} so far)"
    elif state in (State.APPROVED, State.HELD):
        who, what = "a release manager", _NEXT[state]
    elif state in _NEXT:
        who, what = by, _NEXT[state]
    else:
        return Stand(state, since, None, "")
    return Stand(state, since, who, what)


def under_way(session: Session) -> list[Item]:
    """Return every revision that is under way, the one that has waited longest first."""
    query = (
        select(Hotfix, Revision)
        .join(Revision, Revision.hotfix == Hotfix.id)
        .where(Revision.state.in_(UNDER_WAY))
        .order_by(Revision.id)
        .limit(MOST)
    )
    pairs = [(row.Hotfix, row.Revision) for row in session.execute(query)]
    found = stands(session, [revision for _, revision in pairs])
    items = [Item(hotfix, revision, found[revision.id]) for hotfix, revision in pairs]
    return sorted(items, key=lambda one: (one.stand.since, one.label))


def document(one: Item) -> dict[str, Any]:
    """Return it for programs."""
    return {
        "hotfix": one.hotfix.id,
        "revision": one.revision.number,
        "title": one.hotfix.title,
        "severity": one.hotfix.severity,
        "product": one.hotfix.product,
        "baseline": one.hotfix.baseline,
        "state": one.revision.state,
        "since": time_text(one.stand.since),
        "waits_for": one.stand.who,
        "to": one.stand.what,
    }
