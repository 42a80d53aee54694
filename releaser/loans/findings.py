"""What the doctor finds about loans: stolen hand-overs, what is overdue, what is not proved over."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.releaser.doctor_keys import Finding
from patchline.releaser.loans.states import ENDED, LoanState, stands
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.loans import Loan

_SLOW = timedelta(minutes=5)
_BROKER = "Look whether the broker runs (patchline worker --broker), and what it tells."


def of_loans(session: Session, now: datetime) -> Iterator[Finding]:
    """Yield what is to be mended; it asks Vault nothing."""
    query = select(Loan, Site.name).join(Site, Site.id == Loan.setup).where(Loan.state.not_in(ENDED))
    for loan, setup in session.execute(query.order_by(Loan.requested, Loan.id)):
        name, state = f"loan {loan.id} of {setup}", stands(loan.state, loan.due, now)
        if loan.alarm is not None and state is not LoanState.QUARANTINED:
            hint = f"End it, and find out who: patchline loan return {loan.id}; patchline loan show {loan.id}."
            yield Finding("loan-alarm", f"{name}: its hand-over was opened by somebody else, or twice", hint)
        if state is LoanState.QUARANTINED:
            hint = f"End the login by hand, and say so: patchline loan return {loan.id} --done ENDPOINT='…'."
            yield Finding("loan-quarantined", f"{name} is in quarantine: {loan.trouble}", hint)
        elif state is LoanState.OVERDUE and now - loan.due > _SLOW:
            yield Finding("loan-overdue", f"{name} is overdue, and nobody ends it", _BROKER)
        elif state is LoanState.REVOKING and now - (loan.ending or now) > _SLOW:
            yield Finding(
                "loan-alive", f"{name} is not proved over: {loan.trouble or 'nobody looks after it'}", _BROKER
            )
