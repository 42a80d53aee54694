"""Customers: whom the vendor's hotfixes are for.

A customer's id is what manifests, approvals and trust files name, so it never changes. Its alias is what texts show that
others may read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from patchline.patches.errors import NotFoundError, StateError
from patchline.patches.statements import CUSTOMER
from patchline.releaser.fleet.naming import (
    LONGEST_ALIAS,
    LONGEST_TITLE,
    check_id,
    check_line,
    check_word,
    new_alias,
)
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change
from patchline.releaser.tables.customers import TIERS, Customer, Site
from patchline.releaser.tables.people import Role

KEEPERS = (Role.SUPPORT, Role.RELEASE_MANAGER)
"""Who may add customers, sites and what is known of them."""
DEFAULT_TIER = "silver"


@dataclass(frozen=True)
class NewCustomer:
    """A customer as somebody tells of it; without an alias one is made."""

    id: str
    title: str
    tier: str = DEFAULT_TIER
    alias: str | None = None

    def check(self) -> None:
        """Raise UsageError for what cannot be written so."""
        check_id("customer", self.id, CUSTOMER)
        check_line("title", self.title, LONGEST_TITLE)
        check_word("tier", self.tier, TIERS)
        if self.alias is not None:
            check_line("alias", self.alias, LONGEST_ALIAS)


@dataclass(frozen=True)
class Listed:
    """A customer as it stands in lists, with the number of its sites in service."""

    customer: Customer
    sites: int


def add(change: Change, wanted: NewCustomer) -> Customer:
    """Add a customer.

    Raises:
        RefusedError: who acts may not.
        StateError: it is there, or another one has the alias.
        UsageError: a field cannot be written so.
    """
    require_role(change.session, change.by, *KEEPERS)
    wanted.check()
    if change.session.get(Customer, wanted.id) is not None:
        raise StateError("customer-exists", f"there is a customer {wanted.id} already")
    check_alias(change.session, Customer, wanted.alias)
    customer = make(change, wanted)
    change.session.add(customer)
    change.session.flush()
    change.record("customer.add", customer.id, {"tier": customer.tier, "alias": customer.alias})
    return customer


def make(change: Change, wanted: NewCustomer) -> Customer:
    """Return the row of a customer that was checked."""
    return Customer(
        id=wanted.id,
        title=wanted.title,
        alias=wanted.alias or new_alias("C"),
        tier=wanted.tier,
        added=change.now,
        added_by=change.by,
    )


def check_alias(session: Session, table: type[Customer] | type[Site], alias: str | None) -> None:
    """Refuse an alias that stands for another one.

    Raises:
        StateError: it does.
    """
    if alias is not None and session.scalar(select(table.alias).where(table.alias == alias)):
        raise StateError("alias-exists", f"{alias!r} is the alias of another {table.__tablename__}")


def the_customer(session: Session, id_: str) -> Customer:
    """Return a customer.

    Raises:
        NotFoundError: the register does not know it.
    """
    customer = session.get(Customer, id_)
    if customer is None:
        raise NotFoundError("customer", f"the register knows no customer {id_!r}")
    return customer


def listed(
    session: Session, limit: int, after: str | None = None, *, tier: str | None = None, text: str | None = None
) -> Sequence[Listed]:
    """Return customers by id, those after one of them; of a tier, or with a text in id, title or alias."""
    sites = select(func.count()).where(Site.customer == Customer.id, Site.retired.is_(None)).scalar_subquery()
    query = select(Customer, sites).order_by(Customer.id).limit(limit)
    if after is not None:
        query = query.where(Customer.id > after)
    if tier is not None:
        query = query.where(Customer.tier == tier)
    if text is not None:
        named = (column.icontains(text, autoescape=True) for column in (Customer.id, Customer.title, Customer.alias))
        query = query.where(or_(*named))
    return [Listed(customer, number) for customer, number in session.execute(query)]
