"""Persons of the register: who may act in it, and as what.

A person is never removed, since events name them; who leaves is disabled. Somebody who manages releases always stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from patchline.patches import identifiers
from patchline.patches.errors import NotFoundError, RefusedError, UsageError
from patchline.patches.wording import counted
from patchline.releaser.register import Change
from patchline.releaser.tables.people import Person, PersonRole, Role

_LONGEST_NAME = 200


@dataclass(frozen=True)
class Listed:
    """A person as lists show them."""

    id: str
    name: str
    roles: tuple[Role, ...]
    added: datetime
    disabled: datetime | None


def new_person(id_: str, name: str, roles: Sequence[Role], now: datetime) -> Person:
    """Return a person to be added.

    Raises:
        UsageError: the id or the name is none.
    """
    if not identifiers.PERSON.fullmatch(id_):
        raise UsageError("person-id", f"{id_!r} is no id of a person")
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise UsageError("person-name", f"the name has 1 to {_LONGEST_NAME} printable characters")
    return Person(id=id_, name=name, added=now, roles=[PersonRole(role=role) for role in sorted(set(roles))])


def add(change: Change, id_: str, name: str | None, roles: Sequence[Role]) -> Listed:
    """Add a person, or roles to one who is there.

    Raises:
        RefusedError: who acts does not manage releases, or the person is there already or was disabled.
    """
    require_role(change.session, change.by, Role.RELEASE_MANAGER)
    person = change.session.get(Person, id_)
    if person is None:
        person = new_person(id_, name or id_, roles, change.now)
        change.session.add(person)
        change.record("person.add", id_, {"roles": sorted(set(roles))})
        return _listed(person)
    if person.disabled is not None:
        raise RefusedError("disabled-person", f"{id_} was disabled")
    lacking = sorted(set(roles).difference(_roles(person)))
    if name is not None or not lacking:
        raise RefusedError("person-exists", f"there is a person {id_} already")
    person.roles.extend(PersonRole(role=role) for role in lacking)
    change.record("person.roles", id_, {"added": lacking})
    return _listed(person)


def disable(change: Change, id_: str, roles: Sequence[Role] = ()) -> Listed:
    """Let a person act no more, or only no more in the roles named.

    Raises:
        NotFoundError: there is no such person.
        RefusedError: who acts does not manage releases, or nobody would be left who does.
    """
    change.session.execute(select(Person.id).with_for_update())  # Two who disable each other wait for each other.
    require_role(change.session, change.by, Role.RELEASE_MANAGER)
    person = change.session.get(Person, id_)
    if person is None:
        raise NotFoundError("person", f"there is no person {id_}")
    if roles:
        person.roles = [held for held in person.roles if held.role not in roles]
        change.record("person.roles", id_, {"removed": sorted(set(roles))})
    elif person.disabled is None:
        person.disabled = change.now
        change.record("person.disable", id_)
    change.session.flush()
    if not _managers(change.session):
        raise RefusedError("last-manager", f"nobody but {id_} manages releases")
    return _listed(person)


def take_roles(change: Change, id_: str, roles: Sequence[Role]) -> Listed:
    """Take roles from a person.

    Raises:
        UsageError: no role is named.
        NotFoundError, RefusedError: as in `disable`.
    """
    if not roles:
        raise UsageError("person-role", "no role is named")
    return disable(change, id_, roles)


def listed(session: Session) -> list[Listed]:
    """Return all persons by id."""
    return [_listed(person) for person in session.scalars(select(Person).order_by(Person.id))]


def the_person(session: Session, id_: str) -> Listed:
    """Return a person.

    Raises:
        NotFoundError: there is none.
    """
    person = session.get(Person, id_) if identifiers.PERSON.fullmatch(id_) else None
    if person is None:
        raise NotFoundError("person", f"there is no person {id_[:64]!r}")
    return _listed(person)


def require_role(session: Session, by: str, *roles: Role) -> None:
    """Refuse a person who holds none of the roles.

    Raises:
        RefusedError: they hold none.
    """
    held = select(func.count()).select_from(PersonRole).where(PersonRole.person == by, PersonRole.role.in_(roles))
    if not session.scalar(held):
        raise RefusedError("role", f"{by} is no {' and no '.join(roles)}")


def words(person: Listed, width: int = 0) -> str:
    """Return a person's line in a list."""
    roles = ", ".join(person.roles) or counted(0, "role")
    gone = f"  disabled {person.disabled:%Y-%m-%d}" if person.disabled else ""
    return f"{person.id:{width}}  {person.name}  ({roles}){gone}"


def _managers(session: Session) -> int:
    query = select(func.count()).select_from(Person).join(PersonRole, PersonRole.person == Person.id)
    return session.scalar(query.where(Person.disabled.is_(None), PersonRole.role == Role.RELEASE_MANAGER)) or 0


def _roles(person: Person) -> tuple[Role, ...]:
    return tuple(sorted(Role(held.role) for held in person.roles))


def _listed(person: Person) -> Listed:
    return Listed(person.id, person.name, _roles(person), person.added, person.disabled)
