"""Signing in with a password, and setting one.

- Whoever gets no further hears the same, after the same work, whether the person is unknown, disabled, has no password,
  typed another one or has to wait (`compare`).
- Setting a password ends all links and all other sessions of the person.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches import identifiers
from patchline.patches.errors import AccessError, PasswordError, RefusedError, TriesError
from patchline.releaser import audit
from patchline.releaser.access import links, passwords, tries, web_sessions
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change, Register, check_person
from patchline.releaser.tables.access import VENDOR, Account
from patchline.releaser.tables.people import Person, Role

NOBODY = "web"
"""Who acts, as events name it, while nobody is signed in."""


@dataclass(frozen=True)
class Trying:
    """Somebody who tries to sign in.

    Attributes:
        audience: to whose pages.
        name: as it was typed.
        subject: whom that names, None when it is nobody who may.
        address: where the request came from.
    """

    audience: str
    name: str
    subject: str | None
    address: str


def person_named(session: Session, name: str) -> str | None:
    """Return the person of the vendor whom a typed name means, None when there is none who may act."""
    typed = name.strip().casefold()
    person = session.get(Person, typed) if identifiers.PERSON.fullmatch(typed) else None
    return person.id if person is not None and person.disabled is None else None


def sign_in(register: Register, name: str, password: str, address: str, now: datetime) -> str:
    """Return the person of the vendor whose name and password these are.

    Raises:
        AccessError: they are nobody's, or it was tried too often.
        TriesError: too much was tried from this address.
        LockedError: too many others are signing in.
    """
    with register.read() as session:
        subject = person_named(session, name)
    compare(register, Trying(VENDOR, name, subject, address), password, now)
    if subject is None:  # `compare` has refused that.
        raise _wrong()
    with register.change(subject, now) as change:
        change.record("account.sign-in", subject, {"how": "password"})
    return subject


def compare(register: Register, trying: Trying, password: str, now: datetime) -> None:
    """Do nothing when a password is the one of who tries.

    Raises:
        AccessError: it is not, there is no such account, or it was tried too often.
        TriesError: too much was tried from this address.
        LockedError: too many others are signing in.
    """
    account = tries.of_account(trying.audience, trying.name)
    address = tries.of_address(trying.audience, trying.address)
    with register.read() as session:  # Costs nothing, so a flood from one address does not either.
        if tries.waits(session, address, now):
            raise _too_many()
    with register.database.write() as session:
        tries.sweep(session, now)
        allowed = tries.begin(session, address, now)
        tried = tries.begin(session, account, now)
        kept = session.get(Account, (trying.audience, trying.subject or ""))
        if tried == account.allowance.free + 1 and trying.subject is not None:
            facts = {"tries": tried, "audience": trying.audience}
            audit.record(session, "account.pause", trying.subject, facts, NOBODY, now)
    if allowed is None:
        raise _too_many()
    agrees = passwords.agrees(kept.password if kept else None, password)
    if not agrees or tried is None or kept is None:
        raise _wrong()
    with register.database.write() as session:
        tries.take_back(session, address, now)
        tries.forget(session, account, now)
    if passwords.is_outdated(kept.password or ""):
        _renew(register, trying, password)


def _renew(register: Register, trying: Trying, password: str) -> None:
    """Keep a password at the cost that new ones have."""
    encoded = passwords.compute(password)
    with register.database.write() as session:
        account = session.get(Account, (trying.audience, trying.subject))
        if account is not None:
            account.password = encoded


def _wrong() -> AccessError:
    return AccessError("wrong", "name or password is wrong, or it was tried too often")


def _too_many() -> TriesError:
    return TriesError("pause", "too many tries came from your network")


def keep_password(session: Session, audience: str, subject: str, encoded: str, now: datetime, but: str = "") -> None:
    """Keep a new password; links and sessions of before end, but for the session of this digest."""
    account = session.get(Account, (audience, subject))
    if account is None:
        account = Account(audience=audience, subject=subject)
        session.add(account)
    account.password, account.changed = encoded, now
    session.flush()
    links.end_all(session, audience, subject, now)
    web_sessions.end_all(session, audience, subject, now, but)


def set_by_link(register: Register, token: str, password: str, again: str, now: datetime) -> str:
    """Set a person's password by a link; return the person.

    Raises:
        LinkError: the link does not count.
        PasswordError: the password is not taken.
        RefusedError: the person was disabled.
    """
    with register.read() as session:
        subject = links.subject_of(session, VENDOR, token, now)
        names = _names(session, subject, register)
    _check(password, again, names)
    encoded = passwords.compute(password)
    with register.attempt("account.password", subject, subject, now) as change:
        links.use(change.session, VENDOR, token, now)
        keep_password(change.session, VENDOR, subject, encoded, now)
        change.record("account.password", subject, {"how": "link"})
    return subject


@dataclass(frozen=True)
class NewPassword:
    """A new password, typed twice."""

    password: str
    again: str


def change_password(register: Register, trying: Trying, old: str, new: NewPassword, now: datetime, but: str) -> None:
    """Change a person's own password.

    Args:
        register: the vendor's.
        trying: the person, and from where.
        old: the password until now.
        new: the one from now on.
        now: the time.
        but: digest of the session that goes on.

    Raises:
        AccessError, TriesError: the old password is wrong, or it was tried too often.
        PasswordError: the new one is not taken.
    """
    person = trying.subject or trying.name
    with register.read() as session:
        names = _names(session, person, register)
    _check(new.password, new.again, names)
    compare(register, trying, old, now)
    encoded = passwords.compute(new.password)
    with register.attempt("account.password", person, person, now) as change:
        keep_password(change.session, VENDOR, person, encoded, now, but)
        change.record("account.password", person, {"how": "password"})


def _check(password: str, again: str, names: list[str]) -> None:
    passwords.check_new(password, names)
    if password != again:
        raise PasswordError("unequal", "the two passwords differ")


def _names(session: Session, person: str, register: Register) -> list[str]:
    found = session.get(Person, person)
    return [person, register.settings.name or "", found.name if found else ""]


def offer_link(change: Change, person: str) -> links.Made:
    """Make a link by which a person sets a password: the first, or when it is lost.

    Raises:
        RefusedError: who acts does not manage releases, or the person is unknown or was disabled.
    """
    require_role(change.session, change.by, Role.RELEASE_MANAGER)
    check_person(change.session, person)
    made = links.make(change.session, VENDOR, person, change.by, change.now)
    change.record("account.link", person)
    return made


def ways_in(session: Session) -> dict[str, str]:
    """Return how each of the vendor's people who can signs in."""
    columns = (Account.subject, Account.password.is_not(None), Account.issuer)
    rows = session.execute(select(*columns).where(Account.audience == VENDOR))
    return {
        subject: " and ".join([*(["password"] if password else []), *([issuer] if issuer else [])])
        for subject, password, issuer in rows
    }


def end_sessions(change: Change, person: str) -> None:
    """End every session of a person: one's own, or as a release manager another's."""
    if person != change.by:
        require_role(change.session, change.by, Role.RELEASE_MANAGER)
    if not identifiers.PERSON.fullmatch(person) or change.session.get(Person, person) is None:
        raise RefusedError("unknown-person", f"the register knows no person {person!r}")
    web_sessions.end_all(change.session, VENDOR, person, change.now)
    change.record("account.sign-out", person, {"where": "everywhere"})
