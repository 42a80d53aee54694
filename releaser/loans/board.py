"""Setups with who has them: the standing of each by its loans and the clock. Nothing here asks Vault."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from patchline.patches.errors import UsageError
from patchline.patches.statements import time_text
from patchline.releaser.documents.setups import setup_document
from patchline.releaser.loans.states import ENDED, HELD, WARNINGS, LoanState, stands
from patchline.releaser.setups import keeping
from patchline.releaser.setups.keeping import Known
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.loans import Loan
from patchline.releaser.tables.setups import Setup

STANDINGS = (
    LoanState.FREE,
    LoanState.RESERVED,
    LoanState.ISSUING,
    LoanState.ON_LOAN,
    LoanState.DUE_SOON,
    LoanState.OVERDUE,
    LoanState.REVOKING,
    LoanState.QUARANTINED,
)
"""How a setup may stand."""


@dataclass(frozen=True)
class Row:
    """A setup with who has it.

    Attributes:
        loan: the one that has it, or whose time has come and that nobody lent yet; None where it is free.
        booking: the next one ahead.
        state: how it stands by the clock.
    """

    known: Known
    loan: Loan | None
    booking: Loan | None
    state: LoanState


@dataclass(frozen=True)
class Totals:
    """All setups in service by how they stand; what is on time, being lent or being given back is `lent`."""

    setups: int
    free: int
    reserved: int
    lent: int
    due_soon: int
    overdue: int
    quarantined: int


def listed(
    session: Session,
    now: datetime,
    limit: int,
    after: str | None = None,
    *,
    team: str | None = None,
    facets: Sequence[str] = (),
    state: str | None = None,
) -> list[Row]:
    """Return setups by name with who has them; four questions however many they are.

    Args:
        session: to read with.
        now: the time.
        limit: at most so many.
        after: the name after which to begin.
        team: only of this team.
        facets: values that each of them has all of.
        state: only those that stand so.

    Raises:
        UsageError: no setup can stand so.
    """
    if state is not None and state not in STANDINGS:
        raise UsageError("page", f"a setup is never {state[:20]!r}")
    only = None if state is None else _standing(LoanState(state), now)
    return beside(session, keeping.listed(session, limit, after, team, facets, only), now)


def beside(session: Session, found: Sequence[Known], now: datetime) -> list[Row]:
    """Return setups with who has them, in one question."""
    loans: dict[int, list[Loan]] = {one.setup.site: [] for one in found}
    query = select(Loan).where(Loan.setup.in_(loans), Loan.state.not_in(ENDED)).order_by(Loan.starts, Loan.id)
    for loan in session.scalars(query):
        loans[loan.setup].append(loan)
    return [_row(one, loans[one.setup.site], now) for one in found]


def _row(known: Known, loans: Sequence[Loan], now: datetime) -> Row:
    held = [one for one in loans if one.state in HELD]
    begun = [one for one in loans if one.state == LoanState.RESERVED and one.starts <= now < one.due]
    loan = next(iter((*held, *begun)), None)
    booking = next((one for one in loans if one is not loan and one.starts > now), None)
    return Row(known, loan, booking, LoanState.FREE if loan is None else stands(loan.state, loan.due, now))


def _standing(state: LoanState, now: datetime) -> ColumnElement[bool]:
    """Return the condition on `Setup` that it stands so; the same rule as `_row`, as the database says it."""
    begun = and_(Loan.state == LoanState.RESERVED, Loan.starts <= now, Loan.due > now)
    if state is LoanState.FREE:
        return ~_has(or_(Loan.state.in_(HELD), begun))
    if state is LoanState.RESERVED:
        return and_(_has(begun), ~_has(Loan.state.in_(HELD)))
    return _has(_by_clock(state, now))


def _by_clock(state: LoanState, now: datetime) -> ColumnElement[bool]:
    soon, lent = now + WARNINGS[0], Loan.state == LoanState.ON_LOAN
    conditions: dict[LoanState, ColumnElement[bool]] = {
        LoanState.ON_LOAN: and_(lent, Loan.due > soon),
        LoanState.DUE_SOON: and_(lent, Loan.due <= soon, Loan.due > now),
        LoanState.OVERDUE: and_(lent, Loan.due <= now),
    }
    return conditions.get(state, Loan.state == state)


def _has(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(Loan.id).where(Loan.setup == Setup.site, condition).exists()


def totals(session: Session, now: datetime) -> Totals:
    """Count the setups in service by how they stand, in one question."""
    wanted = (*(_counted(_standing(state, now)) for state in STANDINGS), _counted())
    found = dict(zip((*STANDINGS, "all"), session.execute(select(*wanted)).one(), strict=True))
    lent = sum(found[state] for state in (LoanState.ISSUING, LoanState.ON_LOAN, LoanState.REVOKING))
    return Totals(
        found["all"],
        found[LoanState.FREE],
        found[LoanState.RESERVED],
        lent,
        found[LoanState.DUE_SOON],
        found[LoanState.OVERDUE],
        found[LoanState.QUARANTINED],
    )


def _counted(*conditions: ColumnElement[bool]) -> Any:
    query = select(func.count()).select_from(Setup).join(Site, Site.id == Setup.site)
    return query.where(Site.retired.is_(None), *conditions).scalar_subquery()


def document(row: Row, now: datetime) -> dict[str, Any]:
    """Return a setup with who has it."""
    return {
        **setup_document(row.known, now),
        "state": row.state.value,
        "loan": _loan(row.loan),
        "booking": _loan(row.booking),
    }


def _loan(loan: Loan | None) -> dict[str, Any] | None:
    if loan is None:
        return None
    return {"loan": loan.id, "team": loan.team, "starts": time_text(loan.starts), "due": time_text(loan.due)}
