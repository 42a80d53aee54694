"""Changes by customers' people: as those of the vendor's, with an event each, but by a member of a customer."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.errors import AccessError, NotFoundError, RefusedError
from patchline.releaser.register import Change, Register
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.members import ADMIN, Member


@dataclass(frozen=True)
class Visitor:
    """A customer's person who asks; everything they see is chosen by their customer."""

    id: str
    customer: str
    name: str
    role: str

    @property
    def is_admin(self) -> bool:
        """Tell whether they look after their customer's people and tokens."""
        return self.role == ADMIN


def visitor(session: Session, member: str) -> Visitor | None:
    """Return who a member is, None for one who may not come in any more."""
    found = session.get(Member, member)
    if found is None or found.ended is not None:
        return None
    return Visitor(found.id, found.customer, found.name, found.role)


@contextmanager
def attempt(register: Register, action: str, subject: str, who: Visitor, now: datetime) -> Iterator[Change]:
    """Yield a change by a member, with its audit event; a refusal is an event too.

    Raises:
        AccessError: they were ended meanwhile.
    """
    with register.refusals_told(action, subject, who.id, now):
        with register.database.write() as session:
            if visitor(session, who.id) != who:
                raise AccessError("signed-out", "what you may do has changed meanwhile")
            yield Change(session, who.id, now)
        register.chain()


def require_admin(who: Visitor) -> None:
    """Refuse who only reads.

    Raises:
        RefusedError: they do.
    """
    if not who.is_admin:
        raise RefusedError("member-role", f"{who.name} may not do that: it is for your administrators")


def own_site(session: Session, who: Visitor, name: str) -> Site:
    """Return a site of a member's customer by its name; one of somebody else is not there.

    Raises:
        NotFoundError: the customer has no such site in service.
    """
    query = select(Site).where(Site.name == name, Site.customer == who.customer, Site.retired.is_(None))
    site = session.scalars(query).one_or_none()
    if site is None:
        raise NotFoundError("own-site", f"you have no site {name[:64]!r}")
    return site


def own_sites(session: Session, who: Visitor) -> list[Site]:
    """Return the sites of a member's customer that are in service, by their names."""
    query = select(Site).where(Site.customer == who.customer, Site.retired.is_(None)).order_by(Site.name)
    return list(session.scalars(query))
