"""How customers' people sign in: by the machinery of everybody's accounts, for an audience of its own."""

from dataclasses import dataclass
from datetime import datetime

from patchline.patches.errors import AccessError, LinkError, PasswordError
from patchline.releaser.access import accounts, links, passwords
from patchline.releaser.access.accounts import NewPassword, Trying
from patchline.releaser.portal.acting import Visitor, attempt, visitor
from patchline.releaser.portal.members import by_address
from patchline.releaser.register import Register
from patchline.releaser.tables.access import CUSTOMER
from patchline.releaser.tables.members import Member

_LONGEST_ADDRESS = 254
_ASK = "Ask an administrator of your company, or your vendor's support, for a new link."


def sign_in(register: Register, address: str, password: str, network: str, now: datetime) -> Visitor:
    """Return whose address and password these are.

    Raises:
        AccessError: they are nobody's, or it was tried too often.
        TriesError: too much was tried from this network.
        LockedError: too many others are signing in.
    """
    with register.read() as session:
        member = by_address(session, address) if len(address) <= _LONGEST_ADDRESS else None
        subject = member.id if member else None
    accounts.compare(register, Trying(CUSTOMER, address, subject, network), password, now)
    return _welcome(register, subject, now)


def _welcome(register: Register, subject: str | None, now: datetime) -> Visitor:
    with register.read() as session:
        who = visitor(session, subject) if subject else None
    if who is None:  # Ended between the two looks.
        raise AccessError("wrong", "address or password is wrong, or it was tried too often")
    with attempt(register, "account.sign-in", who.id, who, now) as change:
        change.record("account.sign-in", who.id, {"how": "password"})
    return who


def linked(register: Register, token: str, now: datetime) -> Member:
    """Return for whom a link is.

    Raises:
        LinkError: it does not count.
    """
    with register.read() as session:
        try:
            found = session.get(Member, links.subject_of(session, CUSTOMER, token, now))
        except LinkError as error:
            error.hint = _ASK
            raise
        if found is None or found.ended is not None:
            raise LinkError("unknown", "this link is not known here", hint=_ASK)
        session.expunge(found)
        return found


def set_by_link(register: Register, token: str, new: NewPassword, now: datetime) -> Visitor:
    """Set a password by a link.

    Raises:
        LinkError: the link does not count.
        PasswordError: the password is not taken.
    """
    member = linked(register, token, now)
    who = Visitor(member.id, member.customer, member.name, member.role)
    _check(new, [member.name, member.address, member.customer, register.settings.name or ""])
    encoded = passwords.compute(new.password)
    with attempt(register, "account.password", who.id, who, now) as change:
        links.use(change.session, CUSTOMER, token, now)
        accounts.keep_password(change.session, CUSTOMER, who.id, encoded, now)
        change.record("account.password", who.id, {"how": "link"})
    return who


def _check(new: NewPassword, names: list[str]) -> None:
    passwords.check_new(new.password, names)
    if new.password != new.again:
        raise PasswordError("unequal", "the two passwords differ")


@dataclass(frozen=True)
class Own:
    """Somebody signed in who changes their own password.

    Attributes:
        network: where the request came from.
        session: digest of the session that goes on.
    """

    who: Visitor
    network: str
    session: str


def change_password(register: Register, own: Own, old: str, new: NewPassword, now: datetime) -> None:
    """Change one's own password; other sessions end.

    Raises:
        AccessError, TriesError: the old password is wrong, or it was tried too often.
        PasswordError: the new one is not taken.
    """
    with register.read() as session:
        address = session.get_one(Member, own.who.id).address
    _check(new, [own.who.name, address, own.who.customer, register.settings.name or ""])
    accounts.compare(register, Trying(CUSTOMER, address, own.who.id, own.network), old, now)
    encoded = passwords.compute(new.password)
    with attempt(register, "account.password", own.who.id, own.who, now) as change:
        accounts.keep_password(change.session, CUSTOMER, own.who.id, encoded, now, own.session)
        change.record("account.password", own.who.id, {"how": "password"})
