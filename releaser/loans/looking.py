"""Loans as people see them: listed, and shown with their parts and events. Nothing here asks Vault."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from patchline.patches.errors import NotFoundError
from patchline.releaser.loans.states import ENDED, LoanState, stands
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.loans import Loan, LoanEvent, LoanHandover, LoanPart
from patchline.releaser.tables.setups import Setup, SetupEndpoint


@dataclass
class Seen:
    """A loan with its setup; lists leave parts, hand-overs and events out.

    Attributes:
        owner: the team whose setup it is.
    """

    loan: Loan
    setup: str
    owner: str
    parts: list[tuple[LoanPart, SetupEndpoint]] = field(default_factory=list)
    handovers: list[LoanHandover] = field(default_factory=list)
    events: list[LoanEvent] = field(default_factory=list)

    def stands(self, now: datetime) -> LoanState:
        """Return the state by row and clock."""
        return stands(self.loan.state, self.loan.due, now)

    @property
    def verifiable(self) -> bool:
        """Tell whether the end of each of its logins can be, or was, proved by trying it."""
        return all(part.strategy != "by-hand" and part.state != "stated" for part, _ in self.parts)

    def handed(self, now: datetime) -> str:
        """Return how the hand-over stands: `not asked for`, `delivered`, `opened`, `never opened`, or `alarm`."""
        if self.loan.alarm is not None:
            return "alarm"
        if self.loan.opened is not None:
            return "opened"
        made = [one.expires for one in self.handovers if one.expires is not None]
        if not made:
            return "not asked for"
        return "delivered" if max(made) > now else "never opened"


def the_loan(session: Session, identifier: str, *, history: bool = True) -> Seen:
    """Return a loan with all that belongs to it; hand-overs and events are left out without its history.

    Raises:
        NotFoundError: there is none of that id.
    """
    query = select(Loan, Site.name, Setup.team).join(Setup, Setup.site == Loan.setup).join(Site, Site.id == Loan.setup)
    row = session.execute(query.where(Loan.id == identifier)).one_or_none()
    if row is None:
        raise NotFoundError("loan", f"there is no loan {identifier[:40]!r}")
    seen = Seen(*row)
    parts = select(LoanPart, SetupEndpoint).join(SetupEndpoint, SetupEndpoint.id == LoanPart.endpoint)
    rows = session.execute(parts.where(LoanPart.loan == identifier).order_by(SetupEndpoint.name))
    seen.parts = [(part, endpoint) for part, endpoint in rows]
    if not history:
        return seen
    handovers = select(LoanHandover).where(LoanHandover.loan == identifier).order_by(LoanHandover.id)
    seen.handovers = list(session.scalars(handovers))
    events = select(LoanEvent).where(LoanEvent.loan == identifier).order_by(LoanEvent.id)
    seen.events = list(session.scalars(events))
    return seen


def listed(
    session: Session,
    limit: int,
    after: str | None = None,
    *,
    setup: str | None = None,
    team: str | None = None,
    borrower: str | None = None,
    ended: bool = False,
) -> list[Seen]:
    """Return loans, the newest request first; two questions however many they are.

    Args:
        session: to read with.
        limit: at most so many.
        after: the loan after which to begin.
        setup: only of this one.
        team: only those whose borrower or owner is of this team.
        borrower: only of this person.
        ended: also those that are over.

    Raises:
        NotFoundError: there is no loan to begin after.
    """
    query = select(Loan, Site.name, Setup.team).join(Setup, Setup.site == Loan.setup).join(Site, Site.id == Loan.setup)
    query = query if ended else query.where(Loan.state.not_in(ENDED))
    query = query if setup is None else query.where(Site.name == setup)
    query = query if team is None else query.where((Loan.team == team) | (Setup.team == team))
    query = query if borrower is None else query.where(Loan.borrower == borrower)
    if after is not None:
        last = session.get(Loan, after)
        if last is None:
            raise NotFoundError("loan", f"there is no loan {after[:40]!r}")
        query = query.where(tuple_(Loan.requested, Loan.id) < tuple_(last.requested, last.id))
    rows = session.execute(query.order_by(Loan.requested.desc(), Loan.id.desc()).limit(limit))
    found = {loan.id: Seen(loan, site, owner) for loan, site, owner in rows}
    handovers = select(LoanHandover).where(LoanHandover.loan.in_(found)).order_by(LoanHandover.id)
    for one in session.scalars(handovers):
        found[one.loan].handovers.append(one)
    return list(found.values())


def booked(session: Session, setup: int) -> Sequence[Loan]:
    """Return all loans of a setup that are not over, by their beginning."""
    query = select(Loan).where(Loan.setup == setup, Loan.state.not_in(ENDED))
    return session.scalars(query.order_by(Loan.starts)).all()


def in_use(session: Session, setups: Sequence[int]) -> dict[int, Loan]:
    """Return which of these setups are lent or reserved at present, each with its first such loan."""
    found: dict[int, Loan] = {}
    query = select(Loan).where(Loan.setup.in_(setups), Loan.state.not_in(ENDED)).order_by(Loan.starts)
    for loan in session.scalars(query):
        found.setdefault(loan.setup, loan)
    return found
