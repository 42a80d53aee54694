"""What was tried and what is to be done: simulations against sites, and the outbox of wishes that jobs carry out."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from patchline.releaser.tables.base import Base

ENDS = ("done", "refused")


class Simulation(Base):
    """A built revision tried against every known level of the sites that it is for. Never changed.

    Attributes:
        manifest_sha256: what was tried; a build anew needs a simulation anew.
        against: digest of the levels and of what was published then; another one now means it is out of date.
        counts: sites, customers and tiers by verdict.
        document: canonical JSON: each level, its sites and what would become of them.
    """

    __tablename__ = "simulation"
    id: Mapped[int] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(ForeignKey("revision.id"), index=True)
    manifest_sha256: Mapped[str] = mapped_column(String(64))
    against: Mapped[str] = mapped_column(String(64))
    counts: Mapped[dict[str, Any]] = mapped_column(JSON)
    document: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    made: Mapped[datetime]
    made_by: Mapped[str] = mapped_column(ForeignKey("person.id"))


class Wish(Base):
    """Something that is to be done, written down in the very change that asks for it. Never changed.

    Attributes:
        job: one of `releaser.work.jobs`.
        arguments: what the job is told.
    """

    __tablename__ = "wish"

    id: Mapped[int] = mapped_column(primary_key=True)
    job: Mapped[str] = mapped_column(String(64))
    arguments: Mapped[dict[str, Any]] = mapped_column(JSON)
    asked: Mapped[datetime]
    asked_by: Mapped[str] = mapped_column(ForeignKey("person.id"))


class WishEnd(Base):
    """How a wish ended; one without is open. Each ends once. Never changed."""

    __tablename__ = "wish_end"
    __table_args__ = (CheckConstraint("outcome IN ('done', 'refused')", name="outcome"),)

    wish: Mapped[int] = mapped_column(ForeignKey("wish.id"), primary_key=True, autoincrement=False)
    outcome: Mapped[str] = mapped_column(String(16))
    told: Mapped[str] = mapped_column(String(1000))
    at: Mapped[datetime]
