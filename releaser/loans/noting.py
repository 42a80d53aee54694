"""Writing down what is done with a loan: its own event, and the audit chain's, in one transaction with the change."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from patchline.releaser import audit
from patchline.releaser.loans.states import LoanAction
from patchline.releaser.register import Change, Register
from patchline.releaser.tables.loans import Loan, LoanEvent

_LONGEST = 300


def note(
    change: Change, loan: Loan, action: LoanAction | str, told: str, facts: Mapping[str, Any] | None = None
) -> None:
    """Write the event of a step; no fact is a secret."""
    change.session.add(LoanEvent(loan=loan.id, action=str(action), told=told[:_LONGEST], at=change.now, by=change.by))
    audit.record(
        change.session, f"loan.{action}", loan.id, {"told": told[:_LONGEST], **(facts or {})}, change.by, change.now
    )


@contextmanager
def quietly(register: Register) -> Iterator[Session]:
    """Yield a session for what is no step of its own and tells nobody anything, such as where somebody is at."""
    with register.database.write() as session:
        yield session


@contextmanager
def stepping(register: Register, loan: Loan, now: datetime) -> Iterator[Change]:
    """Yield a change that follows from what was asked for before, in the name of whoever is answerable for the loan.

    It has to go on when that person has left meanwhile; so nobody looks whether they may still act. Its event waits for
    whoever chains next: the end of a round, of a wish, or of a command.
    """
    with register.database.write() as session:
        yield Change(session, loan.lender or loan.borrower, now)
