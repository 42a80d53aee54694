"""What a lender does: lends what was asked for, at once or ahead, and gives more time.

All of it is only written down here; the broker, or the lender's own login to Vault, does it (`releaser.loans.caring`).
"""

from collections.abc import Mapping
from datetime import datetime

from patchline.patches.errors import RefusedError, StateError, UsageError
from patchline.patches.statements import time_text
from patchline.releaser.loans.asking import LONGEST, LONGEST_TEXT, check_free, lock_setup, locked
from patchline.releaser.loans.looking import Seen, booked, the_loan
from patchline.releaser.loans.noting import note
from patchline.releaser.loans.states import HELD, LoanAction, LoanState, check_step
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change
from patchline.releaser.setups.keeping import KEEPERS, Known, the_setup
from patchline.releaser.tables.loans import LoanPart


def _lending(change: Change, seen: Seen, action: LoanAction) -> None:
    """Refuse somebody who may not lend this.

    Raises:
        RefusedError: so it is.
        StateError: it is not the moment.
    """
    require_role(change.session, change.by, *KEEPERS)
    if change.by == seen.loan.borrower:
        raise RefusedError("loan-self", f"{change.by} asked for loan {seen.loan.id}, and somebody else lends it")
    check_step(action, seen.stands(change.now), seen.loan.id)


def approve(change: Change, identifier: str, done: Mapping[str, str] | None = None, *, own: bool = True) -> Seen:
    """Lend what was asked for: at once, or when its time comes.

    Args:
        change: by the lender.
        identifier: of the loan.
        done: what the lender did by hand, by endpoint; for those that are lent by hand, when it is lent first.
        own: the lender makes it by their own login to Vault; else it is left to the broker.

    Raises:
        NotFoundError: there is no such loan.
        RefusedError: who acts may not lend, or asked for it; or it takes the lender's own login.
        StateError: it is not the moment, or somebody has the setup still.
        UsageError: what was done by hand is not said, or said of other endpoints.
    """
    seen = locked(change, identifier)
    loan = seen.loan
    _lending(change, seen, LoanAction.APPROVE)
    if loan.due <= change.now:
        raise StateError("loan-state", f"the time of loan {loan.id} is over")
    if loan.state == LoanState.ISSUING:
        return _take_up(change, seen, own=own)
    known = the_setup(change.session, seen.setup)
    by_hand = {endpoint.name for endpoint, _ in known.endpoints if endpoint.strategy == "by-hand"}
    told = _told(done or {}, by_hand)
    loan.approved, loan.lender, loan.trouble = change.now, change.by, None
    loan.with_login = takes_own_login(known)
    if loan.with_login and not own:
        raise RefusedError("loan-login", f"{seen.setup} is lent by the lender's own login to Vault alone")
    there = {endpoint.name for _, endpoint in seen.parts}
    change.session.add_all(
        LoanPart(loan=loan.id, endpoint=one.id, strategy=one.strategy, state="waiting", told=told.get(one.name))
        for one, _ in known.endpoints
        if one.name not in there
    )
    note(change, loan, LoanAction.APPROVE, f"{change.by} lends {seen.setup}", {"by_hand": told})
    if loan.starts <= change.now:
        begin(change, seen)
    change.session.flush()
    return the_loan(change.session, identifier)


def _take_up(change: Change, seen: Seen, *, own: bool) -> Seen:
    """Let a lender's own login make what waits for one: its time came after it was lent, or the lender was cut off.

    Raises:
        StateError: the broker makes it, or it is being made.
    """
    if not own or not waits_for_login(seen):
        raise StateError("loan-state", f"loan {seen.loan.id} is issuing already")
    seen.loan.lender = change.by
    note(change, seen.loan, LoanAction.APPROVE, f"{change.by} lends {seen.setup}", {"by_hand": {}})
    return seen


def waits_for_login(seen: Seen) -> bool:
    """Tell whether nothing of a loan was made yet, and only a lender's own login makes it."""
    issuing = seen.loan.state == LoanState.ISSUING and seen.loan.with_login
    return issuing and all(part.state == "waiting" for part, _ in seen.parts)


def takes_own_login(known: Known) -> bool:
    """Tell whether lending a setup takes the lender's own login to Vault: it is sensitive, or an account is shared."""
    return known.setup.sensitive or any(one.strategy == "shared-account" for one, _ in known.endpoints)


def begin(change: Change, seen: Seen) -> None:
    """Let a loan's credentials be made, its time having come.

    Raises:
        StateError: the loan before is not back.
    """
    for other in booked(change.session, seen.loan.setup):
        if other.id != seen.loan.id and other.state in HELD:
            raise StateError("loan-taken", f"{seen.setup} is {other.state} for team {other.team}: loan {other.id}")
    seen.loan.state, seen.loan.trouble = LoanState.ISSUING, None


def _told(done: Mapping[str, str], by_hand: set[str]) -> dict[str, str]:
    """Return what people did by hand, each for the right endpoint."""
    for name, text in done.items():
        if name not in by_hand:
            raise UsageError("loan-done", f"endpoint {name[:80]!r} is not lent by hand")
        if not text.strip() or len(text) > LONGEST_TEXT or not text.isprintable():
            raise UsageError("loan-done", f"what was done at {name} has 1 to {LONGEST_TEXT} printable characters")
    if missing := sorted(by_hand - set(done)):
        raise UsageError("loan-done", f"{missing[0]} is lent by hand, and nobody says what was done there")
    return dict(done)


def extend(change: Change, identifier: str, due: datetime) -> Seen:
    """Move the due date of a loan; the broker lets Vault do the same.

    Raises:
        NotFoundError: there is no such loan.
        RefusedError: who acts may not lend, or has it.
        StateError: it is not the moment, or somebody else has booked the setup.
        UsageError: the date is no later one, or too late.
    """
    seen = locked(change, identifier)
    loan = seen.loan
    _lending(change, seen, LoanAction.EXTEND)
    if due <= max(loan.due, change.now):
        raise UsageError("loan-window", f"loan {loan.id} is due on {time_text(loan.due)}; name a later moment")
    if due - (loan.issued or loan.starts) > LONGEST:
        raise UsageError("loan-window", f"a loan lasts at most {LONGEST.days} days; return it, and ask for a new one")
    lock_setup(change, loan.setup)
    check_free(change, loan.setup, seen.setup, loan.starts, due, but=loan.id)
    loan.due, loan.extended, loan.reminded = due, loan.extended + 1, None
    note(change, loan, LoanAction.EXTEND, f"due on {time_text(due)}", {"due": time_text(due)})
    return seen
