"""Customers, their sites, what they are entitled to, and what was declared about them.

People type the `name` of a site and the `id` of a customer; a `title` is what it is called and stays inside; an
`alias` is what shared texts show instead.
"""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from patchline.releaser.tables.base import Base

TIERS = ("gold", "silver", "bronze")
ENVIRONMENTS = ("production", "recovery", "staging", "test", "development")
CONNECTIVITY = ("online", "air-gapped")

_RETIRED = text("retired IS NOT NULL")


def _one_of(column: str, words: tuple[str, ...]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(word) for word in words)})", name=column)


class Customer(Base):
    """A customer; its id is what manifests, approvals and trust files name."""

    __tablename__ = "customer"
    __table_args__ = (_one_of("tier", TIERS),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    title: Mapped[str] = mapped_column(String(200))
    alias: Mapped[str] = mapped_column(String(64), unique=True)
    tier: Mapped[str] = mapped_column(String(16))
    added: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(ForeignKey("person.id"))
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 (as the mapper reads it)


class Contact(Base):
    """A person of a customer to whom notices go; `ended` when no longer."""

    __tablename__ = "contact"
    __table_args__ = (UniqueConstraint("customer", "address"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[str] = mapped_column(ForeignKey("customer.id"))
    name: Mapped[str] = mapped_column(String(200))
    address: Mapped[str] = mapped_column(String(254))
    added: Mapped[datetime]
    ended: Mapped[datetime | None]


class Entitlement(Base):
    """What a customer may have: a product, on the baselines that the pattern `line` matches, until a day.

    `ended` is when it was taken back before that. Checked on every request that hands out bytes.
    """

    __tablename__ = "entitlement"
    __table_args__ = (Index("ix_entitlement_customer_product", "customer", "product"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[str] = mapped_column(ForeignKey("customer.id"))
    product: Mapped[str] = mapped_column(ForeignKey("product.id"))
    line: Mapped[str] = mapped_column(String(128))
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    ended: Mapped[datetime | None]
    added: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(ForeignKey("person.id"))


class Ring(Base):
    """A group of sites of a product that gets hotfixes at the same stage; the lowest ordinal first."""

    __tablename__ = "ring"
    __table_args__ = (UniqueConstraint("product", "ordinal"),)

    product: Mapped[str] = mapped_column(ForeignKey("product.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    ordinal: Mapped[int]


class Site(Base):
    """One installation of a product at a customer, or a node of one (`part_of`).

    Attributes:
        name: what people type, unique.
        identity: the id in its reports; None until one was taken or it was enrolled.
        window: maintenance window, as `releaser.rollouts.windows` reads it; None for any time.
    """

    __tablename__ = "site"
    __table_args__ = (
        _one_of("environment", ENVIRONMENTS),
        _one_of("connectivity", CONNECTIVITY),
        ForeignKeyConstraint(["product", "ring"], ["ring.product", "ring.name"]),
        Index("ix_site_customer", "customer"),
        Index("ix_site_name", "name", postgresql_ops={"name": "text_pattern_ops"}),
        Index("ix_site_title", "title", postgresql_ops={"title": "text_pattern_ops"}),
        Index("ix_site_product_ring", "product", "ring"),
        Index("ix_site_retired_id", "retired", "id", sqlite_where=_RETIRED, postgresql_where=_RETIRED),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    customer: Mapped[str] = mapped_column(ForeignKey("customer.id"))
    product: Mapped[str] = mapped_column(ForeignKey("product.id"))
    title: Mapped[str] = mapped_column(String(200))
    alias: Mapped[str] = mapped_column(String(64), unique=True)
    environment: Mapped[str] = mapped_column(String(16))
    connectivity: Mapped[str] = mapped_column(String(16))
    ring: Mapped[str | None] = mapped_column(String(64))
    part_of: Mapped[int | None] = mapped_column(ForeignKey("site.id"), index=True)
    window: Mapped[str | None] = mapped_column(String(200))
    identity: Mapped[str | None] = mapped_column(String(64), unique=True)
    added: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(ForeignKey("person.id"))
    retired: Mapped[datetime | None]
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 (as the mapper reads it)


class SiteKey(Base):
    """A key with which a site signs its reports; it counts once the customer's person confirmed its fingerprint."""

    __tablename__ = "site_key"

    keyid: Mapped[str] = mapped_column(String(64), primary_key=True)
    site: Mapped[int] = mapped_column(ForeignKey("site.id"), index=True)
    pem: Mapped[str] = mapped_column(Text)
    enrolled: Mapped[datetime]
    confirmed: Mapped[datetime | None]
    confirmed_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    ended: Mapped[datetime | None]


class EnrolmentCode(Base):
    """A code that lets a site enrol its key once; kept as its SHA-256."""

    __tablename__ = "enrolment_code"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    site: Mapped[int] = mapped_column(ForeignKey("site.id"), index=True)
    made: Mapped[datetime]
    made_by: Mapped[str] = mapped_column(ForeignKey("person.id"))
    expires: Mapped[datetime]
    used: Mapped[datetime | None]


class Freeze(Base):
    """A time in which nothing is to be applied: of a product, a customer or a site; all None means everywhere."""

    __tablename__ = "freeze_period"
    __table_args__ = (CheckConstraint("begins <= ends", name="order"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    product: Mapped[str | None] = mapped_column(ForeignKey("product.id"))
    customer: Mapped[str | None] = mapped_column(ForeignKey("customer.id"))
    site: Mapped[int | None] = mapped_column(ForeignKey("site.id"))
    begins: Mapped[datetime]
    ends: Mapped[datetime]
    reason: Mapped[str] = mapped_column(String(300))
    added: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(ForeignKey("person.id"))


class Declared(Base):
    """Something that happened at a site and that somebody told: an upgrade, other vendor's software, a load balancer.

    Attributes:
        at: when it happened.
        zone: IANA name of the customer's time zone, in which it was told.
        reference: the customer's own change reference.
    """

    __tablename__ = "declared"
    __table_args__ = (Index("ix_declared_site_at", "site", "at"), Index("ix_declared_reference", "reference"))

    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[int] = mapped_column(ForeignKey("site.id"))
    kind: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime]
    zone: Mapped[str] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(String(1000))
    reference: Mapped[str | None] = mapped_column(String(200))
    told_by: Mapped[str | None] = mapped_column(String(200))
    added: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(ForeignKey("person.id"))
