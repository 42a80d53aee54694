"""One-time links by which people set their password: the first one, and when it is lost.

A link is 256 bits that nobody guesses, kept as a digest, good for a day and once. A new one ends those before it.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from patchline.patches.errors import LinkError
from patchline.releaser.tables.access import EnrolmentLink

LIFE = timedelta(hours=24)
PATH = "/sign-in/link/"
"""Where the pages take links of the vendor's people."""
_LONGEST = 100
_KEPT = timedelta(days=30)
"""How long it is remembered that a link was used or ended, so that who comes too late hears why."""


@dataclass(frozen=True)
class Made:
    """A link that was made. Its token is shown now and never again."""

    subject: str
    expires: datetime
    token: str = field(repr=False)

    def address(self, base: str, path: str = PATH) -> str:
        """Return where the person goes with it."""
        return f"{base.rstrip('/')}{path}{self.token}"


def make(session: Session, audience: str, subject: str, by: str, now: datetime) -> Made:
    """Make a link for somebody; those made before end. Who may make it, and its event, are the caller's affair."""
    token = secrets.token_urlsafe(32)
    session.execute(delete(EnrolmentLink).where(EnrolmentLink.expires < now - _KEPT))
    end_all(session, audience, subject, now)
    row = EnrolmentLink(
        digest=_digest(token), audience=audience, subject=subject, made=now, made_by=by, expires=now + LIFE
    )
    session.add(row)
    session.flush()
    return Made(subject, row.expires, token)


def subject_of(session: Session, audience: str, token: str, now: datetime) -> str:
    """Return whose link it is; looking at it does not use it.

    Raises:
        LinkError: it is none that counts.
    """
    row = session.get(EnrolmentLink, _digest(token)) if len(token) <= _LONGEST else None
    if row is None or row.audience != audience:
        raise LinkError("unknown", "this link is not known here")
    if row.used is not None or row.ended is not None:
        raise LinkError("used", "this link was used already, or a newer one was made")
    if row.expires <= now:
        raise LinkError("expired", "this link is too old")
    return row.subject


def use(session: Session, audience: str, token: str, now: datetime) -> str:
    """Use a link up; return whose it is. Of two at once one fails.

    Raises:
        LinkError: it is none that counts.
    """
    subject = subject_of(session, audience, token, now)
    fresh = (EnrolmentLink.digest == _digest(token), EnrolmentLink.used.is_(None), EnrolmentLink.ended.is_(None))
    if not session.scalars(
        update(EnrolmentLink).where(*fresh).values(used=now).returning(EnrolmentLink.digest),
        execution_options={"synchronize_session": False},
    ).all():
        raise LinkError("used", "this link was used already, or a newer one was made")
    return subject


def end_all(session: Session, audience: str, subject: str, now: datetime) -> None:
    """End all links of somebody that were not used."""
    mine = (EnrolmentLink.audience == audience, EnrolmentLink.subject == subject)
    open_ = (EnrolmentLink.used.is_(None), EnrolmentLink.ended.is_(None))
    session.execute(
        update(EnrolmentLink).where(*mine, *open_).values(ended=now), execution_options={"synchronize_session": False}
    )


def end_everywhere(session: Session, now: datetime) -> None:
    """End all links that were not used, of everybody."""
    open_ = (EnrolmentLink.used.is_(None), EnrolmentLink.ended.is_(None))
    session.execute(update(EnrolmentLink).where(*open_).values(ended=now))


def newest(session: Session, audience: str, subject: str) -> EnrolmentLink | None:
    """Return the link that was made last for somebody."""
    mine = (EnrolmentLink.audience == audience, EnrolmentLink.subject == subject)
    return session.scalars(select(EnrolmentLink).where(*mine).order_by(EnrolmentLink.made.desc()).limit(1)).first()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
