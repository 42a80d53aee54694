"""Products, their released baselines with what is in them, and issues that affect them."""

from datetime import datetime

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, deferred, mapped_column

from patchline.releaser.tables.base import Base


class Product(Base):
    """A product; its repository is where its baselines and fixes come from."""

    __tablename__ = "product"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    repository: Mapped[str | None] = mapped_column(String(1000))
    added: Mapped[datetime]
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 (as the mapper reads it)


class Baseline(Base):
    """A released version: a tag pinned to its commit, or artefacts with their stated source. Frozen once added."""

    __tablename__ = "baseline"
    __table_args__ = (
        CheckConstraint("kind IN ('git', 'artefacts')", name="kind"),
        CheckConstraint(
            "(kind = 'git') = (commit_id IS NOT NULL) AND (kind = 'artefacts') = (source IS NOT NULL)", name="origin"
        ),
    )

    product: Mapped[str] = mapped_column(ForeignKey("product.id"), primary_key=True)
    label: Mapped[str] = mapped_column(String(128), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    tag: Mapped[str | None] = mapped_column(String(300))
    commit_id: Mapped[str | None] = mapped_column(String(64))
    tree_id: Mapped[str | None] = mapped_column(String(64))
    source: Mapped[str | None] = mapped_column(String(1000))
    files: Mapped[bytes] = deferred(mapped_column(LargeBinary))
    """The baseline list, canonical JSON."""
    files_sha256: Mapped[str] = mapped_column(String(64))
    added: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(ForeignKey("person.id"))
    support_ends: Mapped[datetime | None]


class Content(Base):
    """A file of a baseline, or a member of an archive in it, as the index has it.

    `path` is `root/path` and, for members, `!` and the member's name after each archive on the way.
    """

    __tablename__ = "content"
    __table_args__ = (
        ForeignKeyConstraint(["product", "baseline"], ["baseline.product", "baseline.label"]),
        Index("ix_content_product_baseline", "product", "baseline"),
        Index("ix_content_name", "name"),
        Index("ix_content_sha256", "sha256"),
        Index("ix_content_component", "component"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    product: Mapped[str] = mapped_column(String(64))
    baseline: Mapped[str] = mapped_column(String(128))
    path: Mapped[str] = mapped_column(String(4000))
    name: Mapped[str] = mapped_column(String(400))
    """The last component in lower case, by which people ask."""
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    component: Mapped[str | None] = mapped_column(String(400))
    """Package URL without version, where an archive says what it is."""
    component_version: Mapped[str | None] = mapped_column(String(128))


class Issue(Base):
    """Something that is wrong with a product, whether or not there is a fix."""

    __tablename__ = "issue"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    product: Mapped[str] = mapped_column(ForeignKey("product.id"))
    title: Mapped[str] = mapped_column(String(300))
    severity: Mapped[str] = mapped_column(String(16))
    cve: Mapped[list[str]] = mapped_column(JSON)
    workaround: Mapped[str | None] = mapped_column(String(10_000))
    added: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(ForeignKey("person.id"))
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 (as the mapper reads it)


class Affected(Base):
    """What is known of an issue in one baseline; no row means nobody has looked."""

    __tablename__ = "affected"
    __table_args__ = (
        ForeignKeyConstraint(["product", "baseline"], ["baseline.product", "baseline.label"]),
        CheckConstraint("status IN ('affected', 'not-affected', 'investigating', 'no-fix-planned')", name="status"),
        CheckConstraint("status = 'affected' OR status = 'investigating' OR reason IS NOT NULL", name="reason"),
    )

    issue: Mapped[str] = mapped_column(ForeignKey("issue.id"), primary_key=True)
    product: Mapped[str] = mapped_column(String(64), primary_key=True)
    baseline: Mapped[str] = mapped_column(String(128), primary_key=True)
    status: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(1000))
