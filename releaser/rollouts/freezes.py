"""Freezes: times in which nothing is to be applied, of everything, a product, a customer or a site.

While one lasts, no stage opens where all of a product is frozen, and no frozen site is reached that has not got it yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select, true
from sqlalchemy.orm import Session

from patchline.patches.errors import NotFoundError, StateError, UsageError
from patchline.releaser.catalogue import the_product
from patchline.releaser.fleet.customers import the_customer
from patchline.releaser.fleet.sites import the_site
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change
from patchline.releaser.tables.customers import Freeze, Site
from patchline.releaser.tables.people import Role

_LONGEST = 300


@dataclass(frozen=True)
class Wanted:
    """A freeze as somebody asks for it; what is None does not restrict it.

    Attributes:
        site: its name.
    """

    begins: datetime
    ends: datetime
    reason: str
    product: str | None = None
    customer: str | None = None
    site: str | None = None


def add(change: Change, wanted: Wanted) -> Freeze:
    """Add a freeze.

    Raises:
        RefusedError: who acts does not manage releases.
        UsageError: it ends before it begins, or has no reason.
        NotFoundError: what it is about is unknown.
    """
    require_role(change.session, change.by, Role.RELEASE_MANAGER)
    if wanted.ends <= wanted.begins:
        raise UsageError("freeze", "a freeze ends after it begins")
    if not 0 < len(wanted.reason.strip()) <= len(wanted.reason) <= _LONGEST or not wanted.reason.isprintable():
        raise UsageError("freeze", f"the reason of a freeze has 1 to {_LONGEST} printable characters")
    session = change.session
    made = Freeze(
        product=the_product(session, wanted.product).id if wanted.product is not None else None,
        customer=the_customer(session, wanted.customer).id if wanted.customer is not None else None,
        site=the_site(session, wanted.site).id if wanted.site is not None else None,
        begins=wanted.begins,
        ends=wanted.ends,
        reason=wanted.reason,
        added=change.now,
        added_by=change.by,
    )
    session.add(made)
    session.flush()
    facts = {"begins": str(wanted.begins), "ends": str(wanted.ends), "reason": wanted.reason}
    change.record("freeze.add", str(made.id), {**facts, **_about(wanted)})
    return made


def _about(wanted: Wanted) -> dict[str, str]:
    given = {"product": wanted.product, "customer": wanted.customer, "site": wanted.site}
    return {name: value for name, value in given.items() if value is not None}


def end(change: Change, number: int) -> Freeze:
    """End a freeze now.

    Raises:
        RefusedError: who acts does not manage releases.
        NotFoundError: there is no such freeze.
        StateError: it is over.
    """
    require_role(change.session, change.by, Role.RELEASE_MANAGER)
    found = change.session.get(Freeze, number, with_for_update=True)
    if found is None:
        raise NotFoundError("freeze", f"there is no freeze {number}")
    if found.ends <= change.now:
        raise StateError("freeze-over", f"freeze {number} ended on {found.ends:%Y-%m-%d %H:%M} UTC")
    found.begins, found.ends = min(found.begins, change.now), change.now
    change.session.flush()
    change.record("freeze.end", str(number))
    return found


def listed(session: Session, now: datetime, *, all_of_them: bool = False) -> Sequence[tuple[Freeze, str | None]]:
    """Return the freezes that last or are to come, by their beginning, with the name of the site."""
    query = select(Freeze, Site.name).outerjoin(Site, Site.id == Freeze.site).order_by(Freeze.begins, Freeze.id)
    if not all_of_them:
        query = query.where(Freeze.ends > now)
    return [(row[0], row[1]) for row in session.execute(query)]


def of_product(session: Session, product: str, now: datetime) -> Freeze | None:
    """Return a freeze of a whole product that lasts, the one that ends last."""
    query = select(Freeze).where(*_lasting(product, now), Freeze.customer.is_(None), Freeze.site.is_(None))
    return session.scalar(query.order_by(Freeze.ends.desc()).limit(1))


def frozen(product: str, now: datetime) -> ColumnElement[bool]:
    """Return a condition on `Site` rows of a product: a freeze lasts there."""
    lasting = _lasting(product, now)
    everywhere = select(Freeze.id).where(*lasting, Freeze.customer.is_(None), Freeze.site.is_(None)).exists()
    customers = select(Freeze.customer).where(*lasting, Freeze.customer.is_not(None), Freeze.site.is_(None))
    sites = select(Freeze.site).where(*lasting, Freeze.site.is_not(None))
    return or_(everywhere, Site.customer.in_(customers), Site.id.in_(sites))


def _lasting(product: str, now: datetime) -> list[ColumnElement[bool]]:
    about = or_(Freeze.product.is_(None), Freeze.product == product)
    return [true() & about, Freeze.begins <= now, Freeze.ends > now]
