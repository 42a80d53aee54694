"""What customers may have, and the one rule that everything asks before it hands out bytes: `why_not`.

It is asked for every request, with the time of that request: an entitlement that ends in mid-download ends it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.errors import EntitlementError, NotFoundError, StateError, UsageError
from patchline.patches.statements import time_text
from patchline.releaser.catalogue import the_product
from patchline.releaser.fleet.customers import the_customer
from patchline.releaser.fleet.naming import check_line
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change
from patchline.releaser.states import State
from patchline.releaser.tables.customers import Entitlement
from patchline.releaser.tables.hotfixes import Hotfix, Revision
from patchline.releaser.tables.people import Role

EVERY_LINE = "*"
_LONGEST_LINE = 128


class Reason(StrEnum):
    """Why not; also the outcome of a `Download` that was refused."""

    NOT_PUBLISHED = "not-published"
    HELD = "held"
    RECALLED = "recalled"
    WRONG_CUSTOMER = "wrong-customer"
    NOT_ENTITLED = "not-entitled"
    EXPIRED = "expired"
    EMBARGO = "embargo"


@dataclass(frozen=True)
class WhyNot:
    """Why a customer gets no bytes of a revision."""

    reason: Reason
    message: str

    def error(self) -> EntitlementError:
        """Return it as the refusal of a request."""
        return EntitlementError(self.reason.value, self.message)


@dataclass(frozen=True)
class NewEntitlement:
    """What a customer is to have.

    Attributes:
        line: baselines of the product, `*` for anything.
        since: from when on; None for now.
        until: the moment at which it ends; None for never.
    """

    customer: str
    product: str
    line: str = EVERY_LINE
    since: datetime | None = None
    until: datetime | None = None

    def check(self) -> None:
        """Raise UsageError for what cannot be written so."""
        check_line("line", self.line, _LONGEST_LINE)
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise UsageError("customer-field", "the entitlement ends before it begins")


@dataclass(frozen=True)
class Rights:
    """All entitlements of one customer, read once."""

    customer: str
    entitlements: Sequence[Entitlement]

    def why_not(self, hotfix: Hotfix, revision: Revision, now: datetime) -> WhyNot | None:
        """Return why the customer gets no bytes of a revision now; None when it does."""
        label = f"{hotfix.id}-r{revision.number}"
        if (closed := _closed(revision, label)) is not None:
            return closed
        if hotfix.customers is not None and self.customer not in hotfix.customers:
            return WhyNot(Reason.WRONG_CUSTOMER, f"{label} is not for {self.customer}")
        fitting = [
            one
            for one in self.entitlements
            if one.product == hotfix.product and fnmatchcase(hotfix.baseline, one.line) and one.since <= now
        ]
        if not fitting:
            what = f"{hotfix.product} {hotfix.baseline}"
            return WhyNot(Reason.NOT_ENTITLED, f"{self.customer} is not entitled to {what}, so not to {label}")
        if not any(counts(one, now) for one in fitting):
            last = max(end for end in map(end_of, fitting) if end is not None)
            message = f"the entitlement of {self.customer} to {hotfix.product} ended {time_text(last)}"
            return WhyNot(Reason.EXPIRED, f"{message}, so it gets no {label}")
        if revision.embargo_until is not None and now < revision.embargo_until:
            return WhyNot(Reason.EMBARGO, f"{label} is under embargo until {time_text(revision.embargo_until)}")
        return None


def _closed(revision: Revision, label: str) -> WhyNot | None:
    """Return why nobody gets a revision, as its state says."""
    if revision.state == State.RECALLED:
        return WhyNot(Reason.RECALLED, f"{label} was recalled")
    if revision.state == State.HELD:
        return WhyNot(Reason.HELD, f"{label} is held back")
    if revision.state != State.PUBLISHED or revision.legacy:
        return WhyNot(Reason.NOT_PUBLISHED, f"{label} is not published")
    return None


def end_of(entitlement: Entitlement) -> datetime | None:
    """Return when an entitlement ends or ended, None for never."""
    return min((end for end in (entitlement.until, entitlement.ended) if end is not None), default=None)


def counts(entitlement: Entitlement, now: datetime) -> bool:
    """Tell whether it counts at a moment."""
    end = end_of(entitlement)
    return entitlement.since <= now and (end is None or now < end)


def rights(session: Session, customer: str) -> Rights:
    """Return what a customer may have."""
    query = select(Entitlement).where(Entitlement.customer == customer).order_by(Entitlement.id)
    return Rights(customer, session.scalars(query).all())


def why_not(session: Session, customer: str, revision: Revision, now: datetime) -> WhyNot | None:
    """Return why a customer gets no bytes of a revision now; None when it does."""
    return rights(session, customer).why_not(session.get_one(Hotfix, revision.hotfix), revision, now)


def add(change: Change, wanted: NewEntitlement) -> Entitlement:
    """Let a customer have hotfixes of a product.

    Raises:
        RefusedError: who acts does not manage releases.
        NotFoundError: the register knows no such customer or product.
        StateError: it has that already.
        UsageError: a field cannot be written so.
    """
    require_role(change.session, change.by, Role.RELEASE_MANAGER)
    wanted.check()
    the_customer(change.session, wanted.customer)
    the_product(change.session, wanted.product)
    for one in rights(change.session, wanted.customer).entitlements:
        if (one.product, one.line) == (wanted.product, wanted.line) and _overlap(one, wanted, change.now):
            raise StateError("entitlement-exists", f"{wanted.customer} has number {one.id} for that already")
    return grant(change, wanted)


def _overlap(one: Entitlement, wanted: NewEntitlement, now: datetime) -> bool:
    """Tell whether there is a moment at which both count."""
    end = end_of(one)
    return (end is None or end > (wanted.since or now)) and (wanted.until is None or one.since < wanted.until)


def grant(change: Change, wanted: NewEntitlement) -> Entitlement:
    """Add an entitlement that was checked."""
    row = make(change, wanted)
    change.session.add(row)
    change.session.flush()
    record(change, row)
    return row


def make(change: Change, wanted: NewEntitlement) -> Entitlement:
    """Return the row of an entitlement.

    Raises:
        UsageError: it ends before it begins.
    """
    since = wanted.since or change.now
    if wanted.until is not None and wanted.until <= since:
        raise UsageError("customer-field", "the entitlement ends before it begins")
    return Entitlement(
        customer=wanted.customer,
        product=wanted.product,
        line=wanted.line,
        since=since,
        until=wanted.until,
        added=change.now,
        added_by=change.by,
    )


def record(change: Change, row: Entitlement) -> None:
    """Write the event of an entitlement that was added."""
    facts = {"product": row.product, "line": row.line, "until": time_text(row.until) if row.until else None}
    change.record("entitlement.add", row.customer, {"number": row.id, **facts})


def end(change: Change, number: int) -> Entitlement:
    """End an entitlement now.

    Raises:
        RefusedError: who acts does not manage releases.
        NotFoundError: there is none of that number.
        StateError: it ended already.
    """
    require_role(change.session, change.by, Role.RELEASE_MANAGER)
    row = change.session.get(Entitlement, number, with_for_update=True)
    if row is None:
        raise NotFoundError("entitlement", f"there is no entitlement {number}")
    ended = end_of(row)
    if ended is not None and ended <= change.now:
        raise StateError("entitlement-ended", f"entitlement {number} ended on {time_text(ended)}")
    row.ended = change.now
    change.record("entitlement.end", row.customer, {"number": number})
    return row


def listed(session: Session, limit: int, after: int = 0, customer: str | None = None) -> Sequence[Entitlement]:
    """Return entitlements by number, those after one of them."""
    query = select(Entitlement).where(Entitlement.id > after).order_by(Entitlement.id).limit(limit)
    return session.scalars(query if customer is None else query.where(Entitlement.customer == customer)).all()


def end_of_day(day: datetime) -> datetime:
    """Return when a day is over that somebody named as the last one."""
    return day + timedelta(days=1)
