"""Sessions of browsers, kept on the server, so that they can be ended: by who signed in, and by time."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from patchline.patches import identifiers
from patchline.patches.errors import NotFoundError
from patchline.releaser.tables.access import WebSession

IDLE = timedelta(hours=2)
LONGEST = timedelta(hours=12)
"""How long a session lives unused, and at all."""
_NOTED = timedelta(minutes=1)
_KEPT = timedelta(days=30)


@dataclass(frozen=True)
class Live:
    """A session that counts.

    Attributes:
        digest: by which it is known here.
        subject: whose it is.
        since: when they signed in.
        note: its use is to be written down.
    """

    digest: str
    subject: str
    since: datetime
    note: bool


def begin(session: Session, audience: str, subject: str, how: str, now: datetime, browser: str = "") -> str:
    """Begin a session; return the token that the browser keeps. Sessions that ended long ago are forgotten."""
    token = secrets.token_urlsafe(32)
    session.execute(delete(WebSession).where(WebSession.made < now - _KEPT))
    row = WebSession(audience=audience, subject=subject, how=how, browser=browser, made=now, seen=now, ended=None)
    row.digest = digest(token)
    session.add(row)
    return token


def digest(token: str) -> str:
    """Return by what a token is known here."""
    return hashlib.sha256(token.encode()).hexdigest()


def find(session: Session, audience: str, token: str, now: datetime) -> Live | None:
    """Return the session of a token, None when it has ended."""
    row = session.get(WebSession, digest(token))
    if row is None or row.audience != audience or row.ended is not None:
        return None
    if now - row.seen > IDLE or now - row.made > LONGEST:
        return None
    return Live(row.digest, row.subject, row.made, now - row.seen >= _NOTED)


def note(session: Session, digest: str, now: datetime) -> None:
    """Write down that a session is in use."""
    session.execute(update(WebSession).where(WebSession.digest == digest).values(seen=now))


def end(session: Session, digest: str, now: datetime) -> None:
    """End a session."""
    _end(session, WebSession.digest == digest, now=now)


def end_all(session: Session, audience: str, subject: str, now: datetime, but: str = "") -> None:
    """End every session of somebody, but for the one of this digest."""
    mine = (WebSession.audience == audience, WebSession.subject == subject)
    _end(session, *mine, WebSession.digest != but, now=now)


def end_everywhere(session: Session, now: datetime) -> None:
    """End the sessions of everybody."""
    _end(session, now=now)


def end_own(session: Session, audience: str, subject: str, digest: str, now: datetime) -> None:
    """End a session of somebody; one of somebody else stays.

    Raises:
        NotFoundError: they have none that is so called.
    """
    if not identifiers.DIGEST.fullmatch(digest):
        raise NotFoundError("web-session", "there is no such browser of yours")
    mine = (WebSession.audience == audience, WebSession.subject == subject)
    _end(session, *mine, WebSession.digest == digest, now=now)


def _end(session: Session, *which: object, now: datetime) -> None:
    session.execute(update(WebSession).where(*which, WebSession.ended.is_(None)).values(ended=now))  # type: ignore[arg-type]


def of(session: Session, audience: str, subject: str, now: datetime) -> Sequence[WebSession]:
    """Return somebody's sessions that count, the newest first."""
    query = select(WebSession).where(
        WebSession.audience == audience,
        WebSession.subject == subject,
        WebSession.ended.is_(None),
        WebSession.seen > now - IDLE,
        WebSession.made > now - LONGEST,
    )
    return session.scalars(query.order_by(WebSession.made.desc())).all()
