"""What the doctor looks for about the pages, once there are any: addresses, keys, certificates, links and tokens."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, aliased

from patchline.patches.errors import PatchlineError
from patchline.patches.wording import counted
from patchline.releaser.access.web_key import FILE
from patchline.releaser.certificates import expiry_of
from patchline.releaser.doctor_keys import Finding
from patchline.releaser.settings import Settings
from patchline.releaser.tables.access import VENDOR, Account, EnrolmentLink
from patchline.releaser.tables.people import Person
from patchline.releaser.tables.tokens import Token
from patchline.releaser.webhooks import keeping

CERTIFICATE_WARNING = timedelta(days=21)
TOKEN_WARNING = timedelta(days=7)
_LATELY = timedelta(days=30)
_HERE = ("localhost", "127.0.0.1", "::1")
_MOST = 50


def places(home: Path, settings: Settings, now: datetime) -> Iterator[Finding]:
    """Yield what is wrong with the pages' address, keys and certificates."""
    yield from _addresses(home, settings)
    yield from _keys(home, settings)
    yield from _certificates(settings, now)


def _addresses(home: Path, settings: Settings) -> Iterator[Finding]:
    """Of a home whose pages were never served, nothing."""
    if not (home / FILE).exists() or settings.trial:
        return
    if settings.web_url is None:
        what = "the setting web_url is missing, so the pages answer on this machine alone and no link leads to them"
        yield Finding("web-url", what, "Set it in settings.toml: web_url = 'https://patches.example.com'.")
    elif not settings.web_secure and urlsplit(settings.web_url).hostname not in _HERE:
        what = f"people find the pages at {settings.web_url}: passwords go in the clear, and no browser can sign"
        yield Finding("web-plain", what, "Serve them over TLS (docs/operate.md), and write https:// in web_url.")


def _keys(home: Path, settings: Settings) -> Iterator[Finding]:
    for path in filter(None, (home / FILE, settings.web_private_key)):
        if path.exists() and path.stat().st_mode & 0o077:
            yield Finding("rights", f"others may use {path}", f"chmod go-rwx {path}")


def _certificates(settings: Settings, now: datetime) -> Iterator[Finding]:
    for path in filter(None, (settings.web_certificate, settings.vault_ca)):
        try:
            left = expiry_of(path) - now
        except PatchlineError as error:
            yield Finding("certificate", error.message, error.hint)
            continue
        if left < CERTIFICATE_WARNING:
            when = "has expired" if left < timedelta() else f"expires in {counted(left.days, 'day')}"
            yield Finding("certificate", f"the certificate {path} {when}", "Get a newer one; it counts at once.")


def records(session: Session, now: datetime) -> Iterator[Finding]:
    """Yield what the register says of links, tokens and webhooks."""
    yield from _links(session, now)
    yield from _expiring_tokens(session, now)
    yield from _hooks(session)


def _links(session: Session, now: datetime) -> Iterator[Finding]:
    """Yield the persons whose link was never used and is too old by now."""
    newer = aliased(EnrolmentLink)
    later = select(newer.digest).where(newer.audience == VENDOR, newer.subject == EnrolmentLink.subject)
    account = select(Account.subject).where(Account.audience == VENDOR, Account.subject == EnrolmentLink.subject)
    forgotten: tuple[ColumnElement[bool], ...] = (
        EnrolmentLink.audience == VENDOR,
        EnrolmentLink.used.is_(None),
        EnrolmentLink.ended.is_(None),
        EnrolmentLink.expires <= now,
        ~later.where(newer.made > EnrolmentLink.made).exists(),
        ~account.exists(),
        Person.disabled.is_(None),
    )
    query = select(EnrolmentLink.subject).join(Person, Person.id == EnrolmentLink.subject).where(*forgotten)
    for subject in session.scalars(query.order_by(EnrolmentLink.subject).limit(_MOST)):
        what = f"{subject} never used the link to the pages, and it is too old by now"
        yield Finding("link", what, f"Make another: patchline person link {subject}; or disable the person.")


def _expiring_tokens(session: Session, now: datetime) -> Iterator[Finding]:
    """Yield the tokens that programs still use and that expire soon. There is none that does not expire."""
    soon = (Token.revoked.is_(None), Token.expires > now, Token.expires < now + TOKEN_WARNING)
    query = select(Token.prefix, Token.name, Token.expires).where(*soon, Token.used > now - _LATELY)
    for row in session.execute(query.order_by(Token.expires).limit(_MOST)):
        what = (
            f"the token {row.prefix} ({row.name}) is in use and expires in {counted((row.expires - now).days, 'day')}"
        )
        yield Finding("token", what, "Make another, exchange it, and revoke this one: patchline token new.")


def _hooks(session: Session) -> Iterator[Finding]:
    """Yield the webhooks that were disabled because too much could not be delivered."""
    for hook in keeping.listed(session):
        if hook.disabled is not None:
            what = f"webhook {hook.id} to {hook.url[:100]} was disabled: {hook.why}"
            yield Finding("webhook", what, f"Mend what it goes to, then: patchline webhook resume {hook.id}")
