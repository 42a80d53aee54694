"""Who of a customer may use the portal: invited by the vendor or by their own administrators, ended by either."""

import secrets
from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from patchline.patches.errors import NotFoundError, RefusedError, StateError, UsageError
from patchline.releaser.access import links, web_sessions
from patchline.releaser.fleet.contacts import Person
from patchline.releaser.fleet.customers import KEEPERS, the_customer
from patchline.releaser.persons import require_role
from patchline.releaser.portal.acting import Visitor, require_admin
from patchline.releaser.register import Change
from patchline.releaser.tables.access import CUSTOMER
from patchline.releaser.tables.members import ADMIN, MEMBER_ROLES, Member

LINK_PATH = "/portal/link/"
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


def invite(change: Change, customer: str, person: Person, role: str) -> tuple[Member, links.Made]:
    """Let somebody of a customer in, as the vendor; who is there already gets a new link.

    Raises:
        RefusedError: who acts may not; or the address is another customer's.
        NotFoundError: there is no such customer.
        UsageError: there is no such role.
    """
    require_role(change.session, change.by, *KEEPERS)
    the_customer(change.session, customer)
    return _invite(change, customer, person, role)


def invite_own(change: Change, who: Visitor, person: Person, role: str) -> tuple[Member, links.Made]:
    """Let somebody of one's own customer in.

    Raises:
        RefusedError: who acts is no administrator; or the address cannot be taken.
        UsageError: there is no such role.
    """
    require_admin(who)
    return _invite(change, who.customer, person, role)


def _invite(change: Change, customer: str, person: Person, role: str) -> tuple[Member, links.Made]:
    if role not in MEMBER_ROLES:
        raise UsageError("customer-field", f"{role[:40]!r} is no role: {' or '.join(MEMBER_ROLES)}")
    address = person.address.lower()
    member = by_address(change.session, address)
    if member is not None and member.customer != customer:
        raise RefusedError("member-address", f"{person.address} cannot be invited here")
    if member is None:
        identifier = f"member-{''.join(secrets.choice(_ALPHABET) for _ in range(12))}"
        member = Member(id=identifier, customer=customer, address=address, role=role, name=person.name)
        member.added, member.added_by = change.now, change.by
        change.session.add(member)
        change.session.flush()
        change.record("member.invite", customer, {"member": member.id, "role": role})
    elif member.role != role:
        _keep_an_admin(change.session, member, f"{member.name} is the only administrator of {customer}")
        member.role = role
        change.record("member.role", customer, {"member": member.id, "role": role})
    made = links.make(change.session, CUSTOMER, member.id, change.by, change.now)
    change.record("account.link", member.id)
    return member, made


def by_address(session: Session, address: str) -> Member | None:
    """Return who signs in by an address."""
    query = select(Member).where(Member.address == address.strip().lower(), Member.ended.is_(None))
    return session.scalars(query).one_or_none()


def end(change: Change, customer: str, member: str) -> Member:
    """Let somebody in no more, as the vendor, who may end the last administrator too.

    Raises:
        RefusedError: who acts may not.
        NotFoundError: there is nobody of that id or address.
    """
    require_role(change.session, change.by, *KEEPERS)
    return _end(change, customer, _there(change.session, customer, member))


def end_own(change: Change, who: Visitor, member: str) -> Member:
    """Let somebody of one's own customer in no more.

    Raises:
        RefusedError: who acts is no administrator.
        NotFoundError: there is nobody of that id.
        StateError: it is the last administrator.
    """
    require_admin(who)
    found = _there(change.session, who.customer, member)
    _keep_an_admin(change.session, found, "you are the only administrator: invite another one first")
    return _end(change, who.customer, found)


def _there(session: Session, customer: str, member: str) -> Member:
    named = (Member.id == member) | (Member.address == member.strip().lower())
    query = select(Member).where(Member.customer == customer, named, Member.ended.is_(None)).with_for_update()
    found = session.scalars(query).one_or_none()
    if found is None:
        raise NotFoundError("member", f"{customer} has nobody called {member[:80]!r} here")
    return found


def _keep_an_admin(session: Session, member: Member, told: str) -> None:
    query = select(func.count()).select_from(Member)
    query = query.where(Member.customer == member.customer, Member.role == ADMIN, Member.ended.is_(None))
    if member.role == ADMIN and (session.scalar(query) or 0) < 2:
        raise StateError("member-last", told)


def _end(change: Change, customer: str, member: Member) -> Member:
    member.ended, member.ended_by = change.now, change.by
    web_sessions.end_all(change.session, CUSTOMER, member.id, change.now)
    links.end_all(change.session, CUSTOMER, member.id, change.now)
    change.session.flush()
    change.record("member.end", customer, {"member": member.id})
    return member


def listed(session: Session, customer: str, *, ended: bool = False) -> Sequence[Member]:
    """Return the people of a customer by name, on demand those who were ended too."""
    query = select(Member).where(Member.customer == customer).order_by(Member.name, Member.id)
    return session.scalars(query if ended else query.where(Member.ended.is_(None))).all()


def names(session: Session, customer: str) -> dict[str, str]:
    """Return what all who ever were a customer's people are called, by their ids."""
    query = select(Member.id, Member.name).where(Member.customer == customer)
    return {row.id: row.name for row in session.execute(query)}
