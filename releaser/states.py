"""The life of a revision: its states, and the one table of what may be done in which of them, and by whom.

Everything that changes a state, and everything that tells what may be done next, asks this table; `docs/states.md` is
made from it, and the database's triggers refuse every change of state that it does not know.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from patchline.patches.errors import RefusedError, StateError
from patchline.releaser.tables.people import Role


class State(StrEnum):
    """Where a revision stands."""

    DRAFT = "draft"
    BUILT = "built"
    IN_REVIEW = "in-review"
    APPROVED = "approved"
    PUBLISHED = "published"
    HELD = "held"
    RECALLED = "recalled"
    REJECTED = "rejected"
    ABANDONED = "abandoned"


OFFERED = (State.PUBLISHED, State.HELD)
"""States in which the channel lists a revision; of a held one it says beside that nobody may apply it."""
ENDED = (State.PUBLISHED, State.HELD, State.RECALLED, State.REJECTED, State.ABANDONED)
"""States after which the hotfix may get its next revision."""


class Action(StrEnum):
    """What people do with a revision."""

    NEW = "new"
    EDIT = "edit"
    BUILD = "build"
    EVIDENCE = "evidence"
    SUBMIT = "submit"
    APPROVE = "approve"
    REJECT = "reject"
    ABANDON = "abandon"
    PUBLISH = "publish"
    RATIFY = "ratify"
    HOLD = "hold"
    LIFT = "lift"
    PROPOSE = "propose-recall"
    RECALL = "recall"
    REINSTATE = "reinstate"
    REGISTER = "register"


@dataclass(frozen=True)
class Transition:
    """One row of the table.

    Attributes:
        before: the state it starts from, None for what is not there yet.
        after: the state it leads to.
        roles: of these roles one must be held; empty for everybody whom the register knows.
        holds: what must be true, in words.
        records: what is written down beside the step and its audit event.
    """

    action: Action
    before: State | None
    after: State
    roles: frozenset[Role]
    holds: str
    records: str


_MAKERS = frozenset({Role.ENGINEER, Role.RELEASE_MANAGER})
_RELEASERS = frozenset({Role.RELEASE_MANAGER})
_ANYBODY: frozenset[Role] = frozenset()

_NEW = "the baseline is registered; the hotfix is new, or its last revision has ended"
_BUILT = "id, product, baseline and revision of the bundle are the register's; base and source are the baseline's"
_SUBMIT = "a builder of the newest policy signed the provenance, which names the bundle and all evidence"
_VOTE = "the envelope verifies under the newest policy; not by a contributor, builder, submitter or editor; first vote"
_ENOUGH = "a site's own count says that it is enough, for every customer it is for"
_PUBLISH = "the count still says enough; it fits everything published; the embargo is over; no recall is proposed"
_RECALL = "two persons with active approver's keys signed one recall; its replacement is published and not recalled"
_VOID = "as for a published one, and the recall says void: nothing that was approved just disappears"
_LIFT = "what fewer than two persons signed counts as withdrawn"
_REINSTATE = "the approval quorum signed a reinstatement that names every recall of it"

TABLE = (
    Transition(Action.NEW, None, State.DRAFT, _MAKERS, _NEW, "its number; who made it is an editor"),
    Transition(Action.EDIT, State.DRAFT, State.DRAFT, _MAKERS, "nobody else edited it meanwhile", "the editor"),
    Transition(Action.EDIT, State.BUILT, State.BUILT, _MAKERS, "nobody else edited it meanwhile", "the editor"),
    Transition(Action.BUILD, State.DRAFT, State.BUILT, _MAKERS, _BUILT, "digests, fixes, paths; the editor"),
    Transition(Action.BUILD, State.BUILT, State.BUILT, _MAKERS, _BUILT, "digests, fixes, paths anew; the editor"),
    Transition(Action.EVIDENCE, State.BUILT, State.BUILT, _ANYBODY, "JUnit XML within bounds", "counts and setup"),
    Transition(Action.SUBMIT, State.BUILT, State.IN_REVIEW, _MAKERS, _SUBMIT, "contributors, frozen; the embargo"),
    Transition(Action.APPROVE, State.IN_REVIEW, State.IN_REVIEW, _ANYBODY, _VOTE, "the envelope"),
    Transition(Action.APPROVE, State.IN_REVIEW, State.APPROVED, _ANYBODY, f"{_VOTE}; {_ENOUGH}", "the envelope"),
    Transition(Action.APPROVE, State.APPROVED, State.APPROVED, _ANYBODY, _VOTE, "the envelope"),
    Transition(Action.REJECT, State.IN_REVIEW, State.REJECTED, _MAKERS, "a reason is given", "the reason"),
    Transition(Action.ABANDON, State.DRAFT, State.ABANDONED, _MAKERS, "a reason is given", "the reason"),
    Transition(Action.ABANDON, State.BUILT, State.ABANDONED, _MAKERS, "a reason is given", "the reason"),
    Transition(Action.ABANDON, State.IN_REVIEW, State.ABANDONED, _MAKERS, "a reason is given", "the reason"),
    Transition(Action.PUBLISH, State.APPROVED, State.PUBLISHED, _RELEASERS, _PUBLISH, "the release zip's digest"),
    Transition(Action.RATIFY, State.PUBLISHED, State.PUBLISHED, _ANYBODY, _VOTE, "the envelope; ratified or not yet"),
    Transition(Action.RATIFY, State.HELD, State.HELD, _ANYBODY, _VOTE, "the envelope; ratified or not yet"),
    Transition(Action.HOLD, State.PUBLISHED, State.HELD, _MAKERS, "a reason is given", "the reason; a new recall list"),
    Transition(Action.LIFT, State.HELD, State.PUBLISHED, _RELEASERS, _LIFT, "a new recall list"),
    Transition(Action.PROPOSE, State.PUBLISHED, State.HELD, _MAKERS, "one person signed a recall", "the statement"),
    Transition(Action.PROPOSE, State.HELD, State.HELD, _MAKERS, "one person signed a recall", "the statement"),
    Transition(Action.PROPOSE, State.APPROVED, State.APPROVED, _MAKERS, "one person signed it, void", "the statement"),
    Transition(Action.RECALL, State.PUBLISHED, State.RECALLED, _MAKERS, _RECALL, "statements; a new recall list"),
    Transition(Action.RECALL, State.HELD, State.RECALLED, _MAKERS, _RECALL, "statements; a new recall list"),
    Transition(Action.RECALL, State.APPROVED, State.RECALLED, _MAKERS, _VOID, "statements; a new recall list"),
    Transition(Action.RECALL, State.RECALLED, State.RECALLED, _MAKERS, "another statement", "the statement"),
    Transition(Action.REINSTATE, State.RECALLED, State.RECALLED, _MAKERS, "not all signed yet", "the statement"),
    Transition(Action.REINSTATE, State.RECALLED, State.PUBLISHED, _MAKERS, _REINSTATE, "statements; a new recall list"),
    Transition(Action.REINSTATE, State.RECALLED, State.APPROVED, _MAKERS, f"{_REINSTATE}; it was void", "the same"),
    Transition(Action.REGISTER, None, State.PUBLISHED, _MAKERS, "it was shipped before Patchline", "legacy; its fixes"),
)


def rows(action: Action) -> tuple[Transition, ...]:
    """Return the rows of an action."""
    return tuple(row for row in TABLE if row.action is action)


def possible(state: State) -> tuple[Action, ...]:
    """Return what may be done in a state, each once, in the table's order."""
    return tuple(dict.fromkeys(row.action for row in TABLE if row.before is state))


def permitted(state: State, roles: Collection[str]) -> tuple[Action, ...]:
    """Return what somebody who holds these roles may do in a state."""
    return tuple(
        action for action in possible(state) if not rows(action)[0].roles or not rows(action)[0].roles.isdisjoint(roles)
    )


def transition(action: Action, before: State | None, after: State, roles: Collection[str], label: str) -> Transition:
    """Return the row for a step that somebody wants to make.

    Args:
        action: what they want to do.
        before: the state it is in.
        after: the state it is to be in.
        roles: of the person.
        label: of the revision, for messages.

    Raises:
        StateError: this is not done in that state.
        RefusedError: the person lacks the role.
    """
    check_may(action, roles, label)
    check_moment(action, before, label)
    for row in rows(action):
        if row.before is before and row.after is after:
            return row
    raise StateError("hotfix-state", f"{label} is {before}; {action} does not make it {after}")


def check_may(action: Action, roles: Collection[str], label: str) -> None:
    """Raise RefusedError unless one of the roles may take an action."""
    needed = rows(action)[0].roles
    if needed and needed.isdisjoint(roles):
        names = " or ".join(sorted(needed))
        raise RefusedError("role", f"{action} of {label} takes the role {names}")


def check_moment(action: Action, before: State | None, label: str) -> None:
    """Raise StateError unless an action is taken in a state."""
    found = [row.before for row in rows(action)]
    if before not in found:
        wanted = " or ".join(dict.fromkeys(str(state) for state in found if state is not None))
        raise StateError("hotfix-state", f"{label} is {before}; {action} takes one that is {wanted}")
