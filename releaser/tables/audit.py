"""The audit log: events wait in an outbox, written with what they tell of, until the single writer chains them."""

from datetime import datetime

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from patchline.releaser.tables.base import Base


class Outbox(Base):
    """An event that is not in the chain yet; `body` is canonical JSON."""

    __tablename__ = "audit_outbox"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 (as the mapper reads it)

    id: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)


class AuditEvent(Base):
    """An event in the chain; `digest` covers the one before, the sequence number and the body."""

    __tablename__ = "audit_event"

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    previous: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64), unique=True)


class Checkpoint(Base):
    """The state of the chain as it was told to the world outside."""

    __tablename__ = "audit_checkpoint"

    count: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    head: Mapped[str] = mapped_column(String(64))
    made: Mapped[datetime]
