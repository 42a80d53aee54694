"""Who is signed in to the pages. No column holds a secret: of what a browser keeps there is only the digest here."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, String
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
    made: Mapped[datetime]
    seen: Mapped[datetime]
    ended: Mapped[datetime | None]
