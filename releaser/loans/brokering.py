"""What the broker does by itself: loans begin, remind, end when they are due, are tried again, and strays are swept up."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select

from patchline.patches.errors import LockedError, PatchlineError
from patchline.patches.statements import time_text
from patchline.releaser.loans import handing
from patchline.releaser.loans.asking import locked, start_ending
from patchline.releaser.loans.caring import look_after
from patchline.releaser.loans.cases import Hands
from patchline.releaser.loans.lending import begin
from patchline.releaser.loans.looking import Seen, the_loan
from patchline.releaser.loans.noting import note, stepping
from patchline.releaser.loans.states import HELD, WARNINGS, LoanAction, LoanState
from patchline.releaser.register import Change, Register
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.loans import Loan, LoanPart
from patchline.releaser.tables.setups import Setup

_SWEEPING = timedelta(minutes=10)


@dataclass
class Round:
    """What became of the loans that were looked after.

    Attributes:
        told: loan and how it stands.
        problems: what stood in the way.
        swept: strays that were ended.
    """

    told: list[tuple[str, str]] = field(default_factory=list)
    problems: list[PatchlineError] = field(default_factory=list)
    swept: list[str] = field(default_factory=list)


def by_clock(register: Register, now: datetime) -> None:
    """Do what follows from the clock alone; it asks Vault nothing."""
    for identifier in _open(register):
        with register.read() as session:
            loan = the_loan(session, identifier).loan
        if _due_step(loan, now) is None:
            continue
        with stepping(register, loan, now) as change:
            seen = locked(change, identifier)
            step = _due_step(seen.loan, now)
            if step is not None:
                step(change, seen)


def _open(register: Register) -> list[str]:
    query = select(Loan.id).where(Loan.state.in_((LoanState.RESERVED, *HELD))).order_by(Loan.requested, Loan.id)
    with register.read() as session:
        return list(session.scalars(query))


def _due_step(loan: Loan, now: datetime) -> Callable[[Change, Seen], None] | None:
    """Return what the clock wants of a loan, None for nothing."""
    if loan.state == LoanState.RESERVED:
        if loan.due <= now:
            return _lapse
        return _begin if loan.approved is not None and loan.starts <= now else None
    if loan.state != LoanState.ON_LOAN:
        return None
    if now >= loan.due:
        return _overdue
    passed = [loan.due - before for before in WARNINGS if now >= loan.due - before]
    return _remind if passed and (loan.reminded is None or loan.reminded < max(passed)) else None


def _lapse(change: Change, seen: Seen) -> None:
    for part, _ in seen.parts:
        change.session.delete(part)
    seen.loan.state, seen.loan.ended = LoanState.CANCELLED, change.now
    note(change, seen.loan, LoanAction.LAPSE, "nobody lent it until its end")


def _begin(change: Change, seen: Seen) -> None:
    try:
        begin(change, seen)
    except PatchlineError as error:
        if seen.loan.trouble != error.message[:300]:
            seen.loan.trouble = error.message[:300]


def _overdue(change: Change, seen: Seen) -> None:
    start_ending(change, seen, f"it was due on {time_text(seen.loan.due)}", None)


def _remind(change: Change, seen: Seen) -> None:
    seen.loan.reminded = change.now
    note(change, seen.loan, LoanAction.REMIND, f"it is due on {time_text(seen.loan.due)}")


def tend(hands: Hands) -> Round:
    """Look after every loan that is not over; what stands in one's way hides no other."""
    by_clock(hands.register, hands.clock())
    done = Round()
    query = select(Loan.id).where(Loan.state.in_(HELD)).order_by(Loan.requested, Loan.id)
    with hands.register.read() as session:
        waiting = list(session.scalars(query))
    for identifier in waiting:
        try:
            done.told.append((identifier, look_after(hands, identifier)))
            with hands.register.read() as session:
                seen = the_loan(session, identifier)
            handing.watch(hands, seen)
        except LockedError:
            continue  # Somebody else is at it at this moment.
        except PatchlineError as error:
            done.problems.append(error.about(f"loan {identifier}"))
    hands.register.chain()
    return done


def sweep(hands: Hands) -> list[str]:
    """End what Vault has under a loan's name that no loan on record holds; return what it was.

    Raises:
        VaultError: Vault cannot be asked.
    """
    swept = []
    with hands.register.read() as session:
        held = {
            row.id: row.accessor for row in session.execute(select(Loan.id, Loan.accessor).where(Loan.state.in_(HELD)))
        }
        setups = list(session.scalars(select(Site.name).join(Setup, Setup.site == Site.id).order_by(Site.name)))
    for accessor, loan in hands.vault.tokens():
        # While one is being made, its accessor may not be on record yet.
        if loan not in held or held[loan] not in (accessor, None):
            hands.vault.end_token(accessor)
            swept.append(f"token of loan {loan}")
    for setup in setups:
        for loan in hands.vault.kept_loans(setup):
            if loan not in held and not _has_parts_alive(hands, loan):
                hands.vault.forget(setup, loan)
                swept.append(f"credentials of loan {loan}")
    return swept


def _has_parts_alive(hands: Hands, loan: str) -> bool:
    query = select(LoanPart.id).where(LoanPart.loan == loan, LoanPart.state.in_(("made", "ending")))
    with hands.register.read() as session:
        return session.scalar(query) is not None


class Rounds:
    """The broker's rounds: all that it does by itself, again and again; strays are looked for at the first and now and then."""

    def __init__(self, hands: Hands) -> None:
        """Take who looks after the loans."""
        self._hands = hands
        self._swept: datetime | None = None

    def make(self) -> list[str]:
        """Make one round; return what is worth telling. Nothing that fails ends it."""
        hands, told = self._hands, []
        try:
            hands.vault.connection.renew()
            done = tend(hands)
            told += [f"loan {loan} {words}" for loan, words in done.told if words != "is on loan"]
            told += [error.message for error in done.problems]
            now = hands.clock()
            if self._swept is None or now - self._swept >= _SWEEPING:
                self._swept = now
                told += [f"swept up: {one}" for one in sweep(hands)]
        except PatchlineError as error:
            told.append(error.message)
        return told
