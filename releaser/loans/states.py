"""The life of a loan: its states, and the one table of what is done in which of them, and by whom.

Everything that changes a loan asks this table; `docs/states.md` is made from it, and the database's triggers refuse every
change of state that it does not know. Two states follow from the clock alone and stand in no row: due soon, and overdue.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from patchline.patches.errors import StateError


class LoanState(StrEnum):
    """Where a loan stands; a setup without one is free."""

    FREE = "free"
    RESERVED = "reserved"
    ISSUING = "issuing"
    ON_LOAN = "on-loan"
    DUE_SOON = "due-soon"
    OVERDUE = "overdue"
    REVOKING = "revoking"
    RETURNED = "returned"
    QUARANTINED = "quarantined"
    CANCELLED = "cancelled"


STORED = tuple(state for state in LoanState if state not in ("free", "due-soon", "overdue"))
"""What a row may say."""
HELD = (LoanState.ISSUING, LoanState.ON_LOAN, LoanState.REVOKING, LoanState.QUARANTINED)
"""States in which credentials may be alive; a setup has at most one loan in them."""
ENDED = (LoanState.RETURNED, LoanState.CANCELLED)
WARNINGS = (timedelta(hours=24), timedelta(hours=2))
"""How long before it is due people are reminded."""
_LENT = (LoanState.ON_LOAN, LoanState.DUE_SOON, LoanState.OVERDUE)


class LoanAction(StrEnum):
    """What is done with a loan."""

    REQUEST = "request"
    APPROVE = "approve"
    CANCEL = "cancel"
    LAPSE = "lapse"
    ISSUE = "issue"
    FAIL = "fail"
    OPEN = "open"
    REMIND = "remind"
    EXTEND = "extend"
    RETURN = "return"
    PROVE = "prove"
    QUARANTINE = "quarantine"


@dataclass(frozen=True)
class LoanTransition:
    """One row of the table.

    Attributes:
        who: does it.
        holds: what must be true, in words.
        records: what is written down beside the loan's event and the audit event.
    """

    action: LoanAction
    before: LoanState
    after: LoanState
    who: str
    holds: str
    records: str


_BORROWER, _LENDER, _BROKER = (
    "the borrower",
    "a keeper of setups, not the borrower",
    "the broker, or the lender's login",
)
_EITHER, _CLOCK = "the borrower, or a keeper of setups", "the clock"
_WINDOW = "another team asks; nobody else has the setup in that time, as the database insists"
_START = "its time has come, and nobody else holds the setup"
_MADE = "each endpoint has a login that differs from every one of the team's, and was seen to work"
_DEAD = "the loan's token is gone, and each login of it was seen to fail"


def _rows(action: LoanAction, before: tuple[LoanState, ...], after: LoanState, *words: str) -> list[LoanTransition]:
    return [LoanTransition(action, one, after, words[0], words[1], words[2]) for one in before]


_S, _A = LoanState, LoanAction
LOAN_TABLE = (
    *_rows(_A.REQUEST, (_S.FREE,), _S.RESERVED, _BORROWER, _WINDOW, "team, purpose, time, SSH key"),
    *_rows(_A.APPROVE, (_S.RESERVED,), _S.RESERVED, _LENDER, "it was booked ahead", "the lender"),
    *_rows(_A.APPROVE, (_S.RESERVED,), _S.ISSUING, _LENDER, _START, "the lender; one part for each endpoint"),
    *_rows(
        _A.APPROVE, (_S.ISSUING,), _S.ISSUING, _LENDER, "it waits for the lender's own login to Vault", "the lender"
    ),
    *_rows(_A.CANCEL, (_S.RESERVED,), _S.CANCELLED, _EITHER, "a reason is given", "the reason"),
    *_rows(_A.LAPSE, (_S.RESERVED,), _S.CANCELLED, _CLOCK, "nobody lent it until its end", ""),
    *_rows(_A.ISSUE, (_S.ISSUING,), _S.ON_LOAN, _BROKER, _MADE, "accessor, leases, versions; the level there"),
    *_rows(_A.FAIL, (_S.ISSUING,), _S.RESERVED, _BROKER, "all that was made for it is proved gone", "why"),
    *_rows(_A.OPEN, _LENT, _S.ON_LOAN, _BORROWER, "the wrapping was made for it, and is opened first", "when"),
    *_rows(_A.REMIND, (_S.ON_LOAN,), _S.DUE_SOON, _CLOCK, "it is due in 24 hours, or in 2", "once each"),
    *_rows(_A.REMIND, (_S.ON_LOAN, _S.DUE_SOON), _S.OVERDUE, _CLOCK, "it is due", "the broker ends it"),
    *_rows(_A.EXTEND, _LENT, _S.ON_LOAN, _LENDER, "nobody has booked it; Vault grants the time", "the new due date"),
    *_rows(_A.RETURN, (*_LENT, _S.ISSUING), _S.REVOKING, _EITHER, "or the broker, when it is overdue", "who and when"),
    *_rows(_A.PROVE, (_S.REVOKING, _S.QUARANTINED), _S.RETURNED, _BROKER, _DEAD, "level and drift since it was lent"),
    *_rows(
        _A.QUARANTINE, (_S.REVOKING,), _S.QUARANTINED, _BROKER, "no proof was had in a day", "what stands in the way"
    ),
)


def check_step(action: LoanAction, before: LoanState, loan: str) -> None:
    """Refuse an action in a state that does not know it.

    Raises:
        StateError: so it is.
    """
    known = [row.before for row in LOAN_TABLE if row.action is action]
    if before not in known:
        wanted = " or ".join(dict.fromkeys(known))
        raise StateError("loan-state", f"loan {loan} is {before}; {action} takes one that is {wanted}")


def stands(state: str, due: datetime, now: datetime) -> LoanState:
    """Return where a loan stands, by its row and the clock."""
    if state != LoanState.ON_LOAN:
        return LoanState(state)
    if now >= due:
        return LoanState.OVERDUE
    return LoanState.DUE_SOON if now >= due - WARNINGS[0] else LoanState.ON_LOAN
