"""Contacts: persons of a customer to whom notices go."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parseaddr

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.errors import NotFoundError, UsageError
from patchline.releaser.fleet.customers import KEEPERS, the_customer
from patchline.releaser.fleet.naming import LONGEST_TITLE, check_line
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change
from patchline.releaser.tables.customers import Contact

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,180}[A-Za-z0-9])?")


@dataclass(frozen=True)
class Person:
    """Whom to write to."""

    name: str
    address: str


def read_person(written: str) -> Person:
    """Read `Eve Example <eve@acme.example>`, or an address alone.

    Raises:
        UsageError: it has no address.
    """
    name, address = parseaddr(written) if written.isprintable() else ("", "")
    if not _ADDRESS.fullmatch(address):
        raise UsageError("customer-field", f"{written[:80]!r} is no contact: write 'Eve Example <eve@acme.example>'")
    return Person(check_line("name", name or address, LONGEST_TITLE), address)


def read_named(name: str, address: str) -> Person:
    """Read a name and an address that were written apart.

    Raises:
        UsageError: one of them is none.
    """
    if not _ADDRESS.fullmatch(address):
        raise UsageError("member-field", f"{address[:80]!r} is no address of mail")
    return Person(check_line("name", name or address, LONGEST_TITLE), address)


def add(change: Change, customer: str, person: Person) -> Contact:
    """Add a contact of a customer; one who is there gets this name, and counts again.

    Raises:
        RefusedError: who acts may not.
        NotFoundError: there is no such customer.
    """
    require_role(change.session, change.by, *KEEPERS)
    the_customer(change.session, customer)
    query = select(Contact).where(Contact.customer == customer, Contact.address == person.address)
    found = change.session.scalar(query)
    if found is None:
        found = Contact(customer=customer, name=person.name, address=person.address, added=change.now)
        change.session.add(found)
    elif (found.name, found.ended) == (person.name, None):
        return found
    found.name, found.ended = person.name, None
    change.session.flush()
    change.record("contact.add", customer, {"contact": found.id})
    return found


def end(change: Change, customer: str, address: str) -> Contact:
    """Write to a contact no more.

    Raises:
        RefusedError: who acts may not.
        NotFoundError: there is no such contact.
    """
    require_role(change.session, change.by, *KEEPERS)
    the_customer(change.session, customer)
    query = select(Contact).where(Contact.customer == customer, Contact.address == address, Contact.ended.is_(None))
    found = change.session.scalar(query)
    if found is None:
        raise NotFoundError("contact", f"{customer} has no contact {address!r}")
    found.ended = change.now
    change.record("contact.end", customer, {"contact": found.id})
    return found


def of(session: Session, customer: str) -> Sequence[Contact]:
    """Return the contacts of a customer to whom notices go, by address."""
    query = select(Contact).where(Contact.customer == customer, Contact.ended.is_(None)).order_by(Contact.address)
    return session.scalars(query).all()
