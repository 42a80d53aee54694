"""People of customers who use the portal, and the kits they order. How they sign in stands in `releaser.tables.access`, as for everybody."""

from datetime import datetime

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from patchline.releaser.tables.base import Base

ADMIN, READER = "admin", "reader"
MEMBER_ROLES = (ADMIN, READER)
_THERE = text("ended IS NULL")


class Member(Base):
    """Somebody of a customer.

    Attributes:
        address: of mail, in small letters; by it they sign in, so it names one person at a time.
        role: an `admin` invites and ends others and makes tokens; everybody reads, fetches and reports.
        added_by: a person's id, or that of another member.
        ended: they may not come in any more.
    """

    __tablename__ = "member"
    __table_args__ = (
        CheckConstraint(f"role IN {MEMBER_ROLES!r}", name="role"),
        Index("ix_member_address", "address", unique=True, sqlite_where=_THERE, postgresql_where=_THERE),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    customer: Mapped[str] = mapped_column(ForeignKey("customer.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    address: Mapped[str] = mapped_column(String(254))
    role: Mapped[str] = mapped_column(String(16))
    added: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(String(64))
    ended: Mapped[datetime | None]
    ended_by: Mapped[str | None] = mapped_column(String(64))


class KitOrder(Base):
    """A kit that a customer's person ordered for one of their sites. Never changed.

    Attributes:
        number: that of the wish that it is made by.
        whole: with everything for the baseline, not only what the site lacks.
    """

    __tablename__ = "kit_order"

    number: Mapped[int] = mapped_column(ForeignKey("wish.id"), primary_key=True, autoincrement=False)
    site: Mapped[int] = mapped_column(ForeignKey("site.id"), index=True)
    member: Mapped[str] = mapped_column(ForeignKey("member.id"))
    whole: Mapped[bool]
    asked: Mapped[datetime]


class KitMade(Base):
    """The kit of an order. Never changed; its file is there for some days, by its digest.

    Attributes:
        releases: the names of what is in it.
        expires: when sites take it no more.
    """

    __tablename__ = "kit_made"

    order: Mapped[int] = mapped_column(ForeignKey("kit_order.number"), primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    releases: Mapped[list[str]] = mapped_column(JSON)
    expires: Mapped[datetime]
