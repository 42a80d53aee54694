"""Handing a loan's credentials over: a wrapping that opens once, and soon, and whose theft shows.

Either the lender's command prints the wrapping's token for the borrower, or the borrower's command asks for one through
the register, and the broker seals it to that command's key.
"""

from datetime import datetime, timedelta

from patchline.patches.errors import RefusedError, StateError
from patchline.releaser.loans.asking import locked
from patchline.releaser.loans.cases import Hands
from patchline.releaser.loans.looking import Seen
from patchline.releaser.loans.noting import note, stepping
from patchline.releaser.loans.sealing import seal
from patchline.releaser.loans.states import LoanAction, LoanState, check_step
from patchline.releaser.register import Change
from patchline.releaser.tables.loans import Loan, LoanHandover
from patchline.vault.loan_credentials import WRAPPED

_LIFE = timedelta(seconds=WRAPPED)


def ask(change: Change, identifier: str, key: str | None) -> LoanHandover:
    """Ask for a hand-over; who acts is the borrower, or with no key the lender.

    Raises:
        NotFoundError: there is no such loan.
        RefusedError: who acts is neither, or the key is none.
        StateError: it is not on loan.
    """
    seen = locked(change, identifier)
    _check_borrower(change, seen, by_lender=key is None)
    check_step(LoanAction.OPEN, seen.stands(change.now), identifier)
    if key is not None:
        seal(key, "", identifier)  # Whoever makes it finds out too late that it is no key.
    row = LoanHandover(loan=identifier, key=key, asked=change.now, asked_by=change.by)
    change.session.add(row)
    change.session.flush()
    note(change, seen.loan, "hand-over", f"{change.by} asks for a hand-over", {"handover": row.id})
    return row


def _check_borrower(change: Change, seen: Seen, *, by_lender: bool = False) -> None:
    who = (seen.loan.borrower, seen.loan.lender) if by_lender else (seen.loan.borrower,)
    if change.by not in who:
        raise RefusedError("loan-borrower", f"loan {seen.loan.id} is {seen.loan.borrower}'s")


def fulfil(hands: Hands, seen: Seen) -> None:
    """Make the hand-overs that were asked for through the register.

    Raises:
        VaultError: Vault cannot be asked; they wait.
    """
    for row in seen.handovers:
        if row.key is None or row.accessor is not None or row.refused is not None:
            continue
        now = hands.clock()
        if now - row.asked > _LIFE:
            with stepping(hands.register, seen.loan, now) as change:
                change.session.get_one(LoanHandover, row.id).refused = "nobody made it in time"
            continue
        _make(hands, seen, row)


def _make(hands: Hands, seen: Seen, row: LoanHandover) -> str:
    wrapping = hands.vault.wrap(seen.setup, seen.loan.id)
    with stepping(hands.register, seen.loan, hands.clock()) as change:
        mine = change.session.get_one(LoanHandover, row.id)
        mine.accessor, mine.expires = wrapping.accessor, change.now + _LIFE
        mine.sealed = seal(row.key, wrapping.token, seen.loan.id) if row.key is not None else None
        note(change, change.session.get_one(Loan, seen.loan.id), "delivered", "a wrapping that opens once was made")
    return wrapping.token


def make_now(hands: Hands, seen: Seen, row: LoanHandover) -> str:
    """Make a hand-over at once; return the token that the lender gives to the borrower.

    Raises:
        VaultError: Vault cannot be asked.
    """
    return _make(hands, seen, row)


def opening(change: Change, identifier: str, handover: int | None) -> Seen:
    """Write down that the borrower is about to open a hand-over, before that is tried: its accessor is gone then.

    Args:
        change: by the borrower.
        identifier: of the loan.
        handover: the one that was asked for; None for the newest that the lender gave.

    Raises:
        NotFoundError: there is no such loan.
        RefusedError: who acts is not the borrower.
        StateError: it is not on loan, or nothing was handed over.
    """
    seen = locked(change, identifier)
    _check_borrower(change, seen)
    check_step(LoanAction.OPEN, seen.stands(change.now), identifier)
    made = [one for one in seen.handovers if one.accessor is not None and handover in (None, one.id)]
    if not made:
        raise StateError("loan-unopened", f"nothing of loan {identifier} was handed over yet")
    made[-1].opened, made[-1].sealed = made[-1].opened or change.now, None
    return seen


def opened(change: Change, identifier: str) -> None:
    """Write down that the borrower has the credentials."""
    loan = locked(change, identifier).loan
    loan.opened = loan.opened or change.now
    note(change, loan, LoanAction.OPEN, f"{change.by} has opened it")


def lapsed(seen: Seen, now: datetime) -> bool:
    """Tell whether the newest hand-over could be opened no more, stolen or not."""
    made = [one.expires for one in seen.handovers if one.expires is not None]
    return bool(made) and max(made) <= now


def alarm(change: Change, loan: Loan, told: str) -> None:
    """Write down that somebody else may have a loan's credentials."""
    loan.alarm = loan.alarm or change.now
    note(change, loan, "alarm", told)


def watch(hands: Hands, seen: Seen) -> None:
    """Look whether a hand-over that the borrower has not opened is gone before its time.

    Raises:
        VaultError: Vault cannot be asked.
    """
    if seen.loan.alarm is not None or seen.loan.state != LoanState.ON_LOAN:
        return
    for row in seen.handovers:
        due = row.accessor is not None and row.opened is None and row.expires is not None
        if not due or row.expires is None or row.expires - timedelta(seconds=5) <= hands.clock():
            continue
        if not hands.vault.lives("wrapping", row.accessor or ""):
            _raise_alarm(hands, seen, row)


def _raise_alarm(hands: Hands, seen: Seen, row: LoanHandover) -> None:
    with stepping(hands.register, seen.loan, hands.clock()) as change:
        # The borrower may have begun to open it since this row was read.
        if change.session.get_one(LoanHandover, row.id, populate_existing=True).opened is None:
            loan = change.session.get_one(Loan, seen.loan.id)
            alarm(change, loan, "its hand-over was opened, and not by the borrower's command")
