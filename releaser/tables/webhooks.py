"""Webhooks: where events go, and what became of each attempt; and how many requests programs made of late.

No secret stands here: what a hook's messages are signed with lies in a file of the home.
"""

from datetime import datetime

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from patchline.releaser.tables.base import Base

DELIVERED, LATER, GIVEN_UP = "delivered", "later", "given-up"


class Webhook(Base):
    """An address to which events of the audit log go, in their order.

    Attributes:
        events: patterns of actions, such as `hotfix.publish` or `recall.*`.
        sequence: of the last event that is settled: delivered, given up, or not wanted.
        attempts: how often the next one was tried.
        due: before this nothing is tried.
        given_up: how many were given up one after the other.
        disabled: when it ended, because somebody removed it or too many were given up.
    """

    __tablename__ = "webhook"

    id: Mapped[int] = mapped_column(primary_key=True)
    url: Mapped[str] = mapped_column(String(2000))
    events: Mapped[list[str]] = mapped_column(JSON)
    made: Mapped[datetime]
    made_by: Mapped[str] = mapped_column(ForeignKey("person.id"))
    sequence: Mapped[int] = mapped_column(BigInteger)
    attempts: Mapped[int]
    due: Mapped[datetime]
    given_up: Mapped[int]
    disabled: Mapped[datetime | None]
    why: Mapped[str | None] = mapped_column(String(200))


class WebhookAttempt(Base):
    """An attempt to deliver an event. Never changed."""

    __tablename__ = "webhook_attempt"
    __table_args__ = (
        CheckConstraint("outcome IN ('delivered', 'later', 'given-up')", name="outcome"),
        Index("ix_webhook_attempt_webhook_id", "webhook", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    webhook: Mapped[int] = mapped_column(ForeignKey("webhook.id"))
    sequence: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime]
    outcome: Mapped[str] = mapped_column(String(16))
    status: Mapped[int | None]
    told: Mapped[str] = mapped_column(String(300))


class Spent(Base):
    """How many requests somebody's programs took in a minute, for all processes."""

    __tablename__ = "requests_spent"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    minute: Mapped[int] = mapped_column(BigInteger)
    taken: Mapped[int]
