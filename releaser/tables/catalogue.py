"""Products, their released baselines with what is in them, and issues that affect them.

What lies in an archive is stored once, under the archive's digest, however many baselines hold it and wherever: a
`Container` is an archive or the outermost folder of a baseline, `Content` is what lies in one directly. From a file
one climbs to the baselines by digests (`releaser.contains`).
"""

from datetime import datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    String,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from patchline.releaser.tables.base import Base

_FOUND = text("finding IS NOT NULL")
_NAMED = text("component_name IS NOT NULL")


class Digest(TypeDecorator[str]):
    """A SHA-256: hexadecimal in the program, 32 bytes in the database."""

    impl = LargeBinary(32)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        """Return what is stored."""
        return None if value is None else bytes.fromhex(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        """Return the hexadecimal form."""
        return None if value is None else bytes(value).hex()


class Product(Base):
    """A product; its repository is where its baselines and fixes come from.

    With `simulation_required`, nothing of it is submitted before it was tried against the levels of all known sites.
    """

    __tablename__ = "product"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    repository: Mapped[str | None] = mapped_column(String(1000))
    simulation_required: Mapped[bool] = mapped_column(default=False, server_default=false())
    added: Mapped[datetime]
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 (as the mapper reads it)


class Baseline(Base):
    """A released version: a tag pinned to its commit, artefacts with their stated source, or both. Frozen once added.

    `source` is what people say of the artefacts. The files of a baseline of kind `git` are those of its commit; what was
    built from it is then in the index alone.
    """

    __tablename__ = "baseline"
    __table_args__ = (
        CheckConstraint("kind IN ('git', 'artefacts')", name="kind"),
        CheckConstraint(
            "(kind = 'git') = (commit_id IS NOT NULL) AND (kind = 'git' OR source IS NOT NULL)", name="origin"
        ),
    )

    product: Mapped[str] = mapped_column(ForeignKey("product.id"), primary_key=True)
    label: Mapped[str] = mapped_column(String(128), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    tag: Mapped[str | None] = mapped_column(String(300))
    commit_id: Mapped[str | None] = mapped_column(String(64))
    tree_id: Mapped[str | None] = mapped_column(String(64))
    source: Mapped[str | None] = mapped_column(String(1000))
    files: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    """The baseline list, canonical JSON."""
    files_sha256: Mapped[str] = mapped_column(String(64))
    container: Mapped[int] = mapped_column(ForeignKey("container.id"), unique=True)
    added: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(ForeignKey("person.id"))
    support_ends: Mapped[datetime | None]


class Container(Base):
    """An archive, by its digest, or the outermost folder of a baseline, by the digest of the baseline's list.

    With a `finding` some of what lies in it is not in the index; `told` says what and why.
    """

    __tablename__ = "container"
    __table_args__ = (Index("ix_container_finding", "finding", sqlite_where=_FOUND, postgresql_where=_FOUND),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sha256: Mapped[str] = mapped_column(Digest, unique=True)
    entries: Mapped[int]
    finding: Mapped[str | None] = mapped_column(String(32))
    told: Mapped[str | None] = mapped_column(String(1000))


class Content(Base):
    """A file that lies in a container, by its path there; in a baseline that is `root/path`."""

    __tablename__ = "content"
    __table_args__ = (
        Index("ix_content_stem", "stem"),
        Index("ix_content_sha256", "sha256"),
        Index("ix_content_component_name", "component_name", sqlite_where=_NAMED, postgresql_where=_NAMED),
        {"sqlite_with_rowid": False},
    )

    container: Mapped[int] = mapped_column(ForeignKey("container.id"), primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    path: Mapped[str] = mapped_column(String(4000))
    name: Mapped[str] = mapped_column(String(400))
    """The last component in lower case."""
    stem: Mapped[str] = mapped_column(String(400))
    """The name without version and ending, by which people ask: `log4j-core` for `log4j-core-2.14.1.jar`."""
    sha256: Mapped[str] = mapped_column(Digest)
    size: Mapped[int] = mapped_column(BigInteger)
    component: Mapped[str | None] = mapped_column(String(400))
    """Package URL without version, where this file says of what it is a part."""
    component_name: Mapped[str | None] = mapped_column(String(400))
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
