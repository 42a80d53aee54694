"""How people sign in to the pages, and who is signed in.

No column holds a secret: of a password there is only its hash here, of what a browser or a link keeps only the digest.
"""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from patchline.releaser.tables.base import Base

VENDOR, CUSTOMER = "vendor", "customer"
AUDIENCES = (VENDOR, CUSTOMER)
"""Whose pages: those of the vendor's people, and the portal of the customers; neither takes the other's sessions."""


class WebSession(Base):
    """A browser that somebody signed in with.

    Attributes:
        digest: SHA-256 of the token that the browser keeps.
        subject: whose: a person's id, or the id of a customer's member.
        how: they signed in, such as `password`.
        browser: which it says it is, in a few words, so that people know theirs apart.
        seen: when it was last used; written down every minute at most.
        ended: when it was ended before its time.
    """

    __tablename__ = "web_session"
    __table_args__ = (
        CheckConstraint(f"audience IN {AUDIENCES!r}", name="audience"),
        Index("ix_web_session_subject", "audience", "subject"),
    )

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    audience: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(64))
    how: Mapped[str] = mapped_column(String(32))
    browser: Mapped[str] = mapped_column(String(80))
    made: Mapped[datetime]
    seen: Mapped[datetime]
    ended: Mapped[datetime | None]


class Account(Base):
    """How somebody signs in; who has none was never given a link, or never used it.

    Attributes:
        subject: whose, as in `WebSession`.
        password: Argon2id with its cost and salt, None for who signs in elsewhere.
        changed: when the password was set.
        issuer, outside: the identity provider, and by what it knows the person for ever (`sub`).
    """

    __tablename__ = "account"
    __table_args__ = (
        CheckConstraint(f"audience IN {AUDIENCES!r}", name="audience"),
        CheckConstraint("(issuer IS NULL) = (outside IS NULL)", name="outside"),
        UniqueConstraint("audience", "issuer", "outside"),
    )

    audience: Mapped[str] = mapped_column(String(16), primary_key=True)
    subject: Mapped[str] = mapped_column(String(64), primary_key=True)
    password: Mapped[str | None] = mapped_column(String(200))
    changed: Mapped[datetime | None]
    issuer: Mapped[str | None] = mapped_column(String(200))
    outside: Mapped[str | None] = mapped_column(String(255))


class EnrolmentLink(Base):
    """A link by which somebody sets a password, once.

    Attributes:
        digest: SHA-256 of the token in it.
        ended: when another one took its place.
    """

    __tablename__ = "enrolment_link"
    __table_args__ = (
        CheckConstraint(f"audience IN {AUDIENCES!r}", name="audience"),
        Index("ix_enrolment_link_subject", "audience", "subject"),
    )

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    audience: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(64))
    made: Mapped[datetime]
    made_by: Mapped[str] = mapped_column(String(64))
    expires: Mapped[datetime] = mapped_column(index=True)
    used: Mapped[datetime | None]
    ended: Mapped[datetime | None]


class Tries(Base):
    """How often a password was tried lately.

    Attributes:
        key: of whom, as a digest.
        until: before then no other try counts.
    """

    __tablename__ = "sign_in_tries"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    tries: Mapped[int]
    last: Mapped[datetime] = mapped_column(index=True)
    until: Mapped[datetime]
