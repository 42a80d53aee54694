"""Accounts at the company's identity provider, bound to the vendor's people: by a one-time link or an administrator."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.errors import OutsideError
from patchline.releaser.access import links, web_sessions
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change, Register, check_person
from patchline.releaser.tables.access import VENDOR, Account
from patchline.releaser.tables.people import Role


@dataclass(frozen=True)
class Somebody:
    """Whom a provider vouches for, by what it calls them for ever."""

    issuer: str
    subject: str


def person_outside(register: Register, somebody: Somebody, now: datetime) -> str:
    """Return the person of the vendor to whom an account at the identity provider is bound.

    Raises:
        OutsideError: it is bound to nobody.
        RefusedError: the person was disabled.
    """
    with register.read() as session:
        person = _bound(session, somebody)
    if person is None:
        raise OutsideError("unknown", "that account is bound to nobody here")
    with register.attempt("account.sign-in", person, person, now) as change:
        change.record("account.sign-in", person, {"how": "oidc"})
    return person


def _bound(session: Session, somebody: Somebody) -> str | None:
    theirs = (Account.issuer == somebody.issuer, Account.outside == somebody.subject)
    return session.scalar(select(Account.subject).where(Account.audience == VENDOR, *theirs))


def bind_by_link(register: Register, token: str, somebody: Somebody, now: datetime) -> str:
    """Bind an account at the identity provider to whom a link is for; return the person.

    Raises:
        LinkError: the link does not count.
        OutsideError: the account is bound to somebody else.
        RefusedError: the person was disabled.
    """
    with register.read() as session:
        subject = links.subject_of(session, VENDOR, token, now)
    with register.attempt("account.bind", subject, subject, now) as change:
        links.use(change.session, VENDOR, token, now)
        _bind(change, subject, somebody)
        web_sessions.end_all(change.session, VENDOR, subject, now)
    return subject


def bind(change: Change, person: str, somebody: Somebody) -> None:
    """Bind an account at the identity provider to a person, as whoever manages releases.

    Raises:
        RefusedError: who acts does not manage releases, or the person is unknown or was disabled.
        OutsideError: the account is bound to somebody else.
    """
    require_role(change.session, change.by, Role.RELEASE_MANAGER)
    check_person(change.session, person)
    _bind(change, person, somebody)


def _bind(change: Change, person: str, somebody: Somebody) -> None:
    other = _bound(change.session, somebody)
    if other is not None and other != person:
        raise OutsideError("bound", "that account is bound to somebody else here")
    account = change.session.get(Account, (VENDOR, person))
    if account is None:
        account = Account(audience=VENDOR, subject=person)
        change.session.add(account)
    account.issuer, account.outside = somebody.issuer, somebody.subject
    change.session.flush()
    change.record("account.bind", person, {"issuer": somebody.issuer})
