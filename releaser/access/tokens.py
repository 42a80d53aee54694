"""Tokens of programs: shown once when they are made, kept as a digest, good for less than their owner may.

- A token is `plt_`, eight characters by which it is known, and 256 bits that nobody guesses. It expires.
- One table and one check for all kinds: those of persons, and those of sites that fetch or report.
- A person's token never does more than its scopes **and** the person's roles say; a disabled person's does nothing.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from patchline.patches.errors import NotFoundError, RefusedError, ScopeError, TokenError, UsageError
from patchline.patches.statements import time_text
from patchline.releaser.fleet.customers import KEEPERS
from patchline.releaser.fleet.sites import in_service
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change, Register
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.people import Person, Role
from patchline.releaser.tables.tokens import PERSON, SITE_DOWNLOAD, SITE_REPORT, Token

BRAND = "plt"
_FORM = re.compile(r"plt_[a-z2-7]{8}_[A-Za-z0-9_-]{43}")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_LONGEST_NAME = 80
_SELDOM = timedelta(hours=1)
"""How often it is written down that a token was used: no request waits for a disk because of that."""


class Scope(StrEnum):
    """What a token is good for."""

    READ = "read"
    WRITE = "write"
    REPORT = "report"
    DOWNLOAD = "download"


@dataclass(frozen=True)
class _Rule:
    """Of a kind: which scopes it may have, how long it lasts at most and by default."""

    scopes: tuple[Scope, ...]
    longest: timedelta
    usual: timedelta


RULES = {
    PERSON: _Rule((Scope.READ, Scope.WRITE, Scope.REPORT), timedelta(days=366), timedelta(days=90)),
    SITE_DOWNLOAD: _Rule((Scope.DOWNLOAD,), timedelta(days=30), timedelta(days=7)),
    SITE_REPORT: _Rule((Scope.REPORT,), timedelta(days=366), timedelta(days=366)),
}


@dataclass(frozen=True)
class NewToken:
    """A token that is asked for.

    Attributes:
        kind: one of `TOKEN_KINDS`.
        name: what it is for, so that people know which one to end.
        scopes: empty for those that a site's kind has.
        person, site: for whom it acts, by id and name; one of them.
        life: how long it is good; None for what is usual.
    """

    kind: str
    name: str
    scopes: tuple[Scope, ...] = ()
    person: str | None = None
    site: str | None = None
    life: timedelta | None = None

    def check(self) -> None:
        """Raise UsageError for what no token can be."""
        rule = RULES[self.kind]
        if not self.name.strip() or len(self.name) > _LONGEST_NAME or not self.name.isprintable():
            raise UsageError("token", f"a token's name has 1 to {_LONGEST_NAME} printable characters")
        if (self.kind == PERSON) != (self.person is not None) or (self.kind == PERSON) != (self.site is None):
            raise UsageError(
                "token", f"a token of kind {self.kind} is for {'a person' if self.kind == PERSON else 'a site'}"
            )
        if other := sorted(set(self.scopes).difference(rule.scopes)):
            raise UsageError("token", f"a token of kind {self.kind} cannot have the scope {other[0]}")
        if self.kind == PERSON and not self.scopes:
            raise UsageError("token", "say what the token is good for")
        if self.life is not None and not timedelta(0) < self.life <= rule.longest:
            raise UsageError("token", f"a token of kind {self.kind} lasts at most {rule.longest.days} days")


@dataclass(frozen=True)
class Listed:
    """A token as lists show it; nothing of it lets anybody in."""

    prefix: str
    kind: str
    name: str
    scopes: tuple[Scope, ...]
    person: str | None
    site: str | None
    made: datetime
    made_by: str
    expires: datetime
    used: datetime | None
    revoked: datetime | None

    def stands(self, now: datetime) -> str:
        """Return `good`, `expired` or `revoked`."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires <= now else "good"

    def as_document(self, now: datetime) -> dict[str, object]:
        """Return it for scripts."""
        return {
            "token": self.prefix,
            "kind": self.kind,
            "name": self.name,
            "scopes": list(self.scopes),
            "person": self.person,
            "site": self.site,
            "made": time_text(self.made),
            "made_by": self.made_by,
            "expires": time_text(self.expires),
            "used": time_text(self.used) if self.used else None,
            "stands": self.stands(now),
        }


@dataclass(frozen=True)
class Made:
    """A token that was made. Its secret is shown now and never again."""

    listed: Listed
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Bearer:
    """Who came with a good token, and for what it is good.

    Attributes:
        token: the beginning by which it is known.
        person: for whom it acts, or None for a site's.
        site, customer: name of the site and id of its customer, or None for a person's.
    """

    token: str
    kind: str
    scopes: frozenset[Scope]
    person: str | None
    site: str | None
    customer: str | None

    @property
    def actor(self) -> str:
        """Who acts, as events name it."""
        return self.person or f"site {self.site}"

    def require(self, scope: Scope, site: str | None = None) -> None:
        """Refuse what the token is not good for.

        Args:
            scope: what is to be done.
            site: of which site; a site's token is good for its own alone.

        Raises:
            ScopeError: it is not.
        """
        if scope not in self.scopes:
            raise ScopeError("scope", f"the token {self.token} is not good for {scope}")
        if site is not None and self.site is not None and site != self.site:
            raise ScopeError("site", f"the token {self.token} is one of another site")


def make(change: Change, new: NewToken) -> Made:
    """Make a token: for oneself, for others as a release manager, for a site as whoever keeps sites.

    Raises:
        UsageError: no token can be so.
        RefusedError: who acts may not make it, or whom it is for was disabled.
        NotFoundError, StateError: there is no such person, or no such site in service.
    """
    new.check()
    if new.kind != PERSON:
        require_role(change.session, change.by, *KEEPERS)
    elif new.person != change.by:
        require_role(change.session, change.by, Role.RELEASE_MANAGER)
    made = issue(change.session, new, change.by, change.now)
    change.record("token.make", made.listed.prefix, _facts(made.listed))
    return made


def issue(session: Session, new: NewToken, by: str, now: datetime) -> Made:
    """Make a token that whoever calls this has the right to make, and tells in the audit log.

    Raises:
        UsageError: no token can be so.
        NotFoundError, StateError, RefusedError: whom it is for is not there, or may not act any more.
    """
    new.check()
    rule = RULES[new.kind]
    if new.person is not None:
        _check_person(session, new.person)
    site = in_service(session, new.site) if new.site is not None else None
    prefix = f"{BRAND}_{''.join(secrets.choice(_ALPHABET) for _ in range(8))}"
    secret = f"{prefix}_{secrets.token_urlsafe(32)}"
    row = Token(
        kind=new.kind,
        name=new.name,
        prefix=prefix,
        digest=_digest(secret),
        scopes=sorted(set(new.scopes) or set(rule.scopes)),
        person=new.person,
        site=site.id if site else None,
        made=now,
        made_by=by,
        expires=now + (new.life or rule.usual),
    )
    session.add(row)
    session.flush()
    return Made(as_listed(row, new.site), secret)


def check(session: Session, presented: str, now: datetime) -> Bearer:
    """Return who comes with a token.

    Raises:
        TokenError: it is none that is good; nobody is told how near it came.
    """
    if not _FORM.fullmatch(presented):
        raise TokenError("unknown", "nobody may come in with this token")
    query = select(Token, Site.name, Site.customer, Site.retired, Person.disabled)
    query = query.outerjoin(Site, Site.id == Token.site).outerjoin(Person, Person.id == Token.person)
    row = session.execute(query.where(Token.prefix == presented.rpartition("_")[0][:12])).one_or_none()
    known = row[0].digest if row else ""
    if not hmac.compare_digest(known, _digest(presented)) or row is None:
        raise TokenError("unknown", "nobody may come in with this token")
    token: Token = row[0]
    if token.revoked is not None:
        raise TokenError("revoked", f"the token {token.prefix} was revoked")
    if token.expires <= now:
        raise TokenError("expired", f"the token {token.prefix} expired {time_text(token.expires)}")
    if row.disabled is not None or row.retired is not None:
        raise TokenError("owner-gone", f"whom the token {token.prefix} is for was disabled")
    scopes = frozenset(Scope(scope) for scope in token.scopes)
    return Bearer(token.prefix, token.kind, scopes, token.person, row.name, row.customer)


def note_use(register: Register, bearer: Bearer, now: datetime) -> None:
    """Write down that a token was used, where that was not done within the hour."""
    seldom = Token.used.is_(None) | (Token.used < now - _SELDOM)
    with register.read() as session:
        due = session.scalar(select(Token.id).where(Token.prefix == bearer.token, seldom))
    if due is not None:
        with register.database.write() as session:
            session.execute(update(Token).where(Token.id == due, seldom).values(used=now))


def revoke(change: Change, prefix: str) -> Listed:
    """End a token: one's own, any as a release manager, a site's as whoever keeps sites.

    Raises:
        NotFoundError: there is none.
        RefusedError: who acts may not end it.
    """
    row = change.session.scalar(select(Token).where(Token.prefix == prefix).with_for_update())
    if row is None:
        raise NotFoundError("token", f"there is no token that begins with {prefix[:16]!r}")
    if row.kind != PERSON:
        require_role(change.session, change.by, *KEEPERS)
    elif row.person != change.by:
        require_role(change.session, change.by, Role.RELEASE_MANAGER)
    if row.revoked is None:
        row.revoked, row.revoked_by = change.now, change.by
        change.session.flush()
        change.record("token.revoke", row.prefix)
    name = change.session.scalar(select(Site.name).where(Site.id == row.site))
    return as_listed(row, name)


def listed(
    session: Session, *, person: str | None = None, site: str | None = None, after: str = "", most: int = 1000
) -> list[Listed]:
    """Return tokens by prefix: all of them, or those for a person or a site."""
    query = select(Token, Site.name).outerjoin(Site, Site.id == Token.site).where(Token.prefix > after)
    if person is not None:
        query = query.where(Token.person == person)
    if site is not None:
        query = query.where(Site.name == site)
    return [as_listed(row, name) for row, name in session.execute(query.order_by(Token.prefix).limit(most))]


def words(token: Listed, now: datetime) -> str:
    """Return a token's line in a list."""
    used = f"used {token.used:%Y-%m-%d}" if token.used else "never used"
    stands = token.stands(now)
    until = f"until {token.expires:%Y-%m-%d}" if stands == "good" else stands
    owner = token.person or f"site {token.site}"
    return f"{token.prefix}  {owner}  {', '.join(token.scopes)}  {until}  {used}  {token.name}"


def _check_person(session: Session, id_: str) -> None:
    person = session.get(Person, id_)
    if person is None:
        raise NotFoundError("person", f"there is no person {id_}")
    if person.disabled is not None:
        raise RefusedError("disabled-person", f"{id_} was disabled")


def _facts(token: Listed) -> dict[str, object]:
    facts: dict[str, object] = {"kind": token.kind, "name": token.name, "scopes": list(token.scopes)}
    return facts | {"for": token.person or token.site, "expires": time_text(token.expires)}


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def as_listed(row: Token, site: str | None) -> Listed:
    """Return a token as lists show it, with the name of its site."""
    scopes: Sequence[Scope] = [Scope(scope) for scope in row.scopes]
    return Listed(
        row.prefix,
        row.kind,
        row.name,
        tuple(scopes),
        row.person,
        site,
        row.made,
        row.made_by,
        row.expires,
        row.used,
        row.revoked,
    )
