"""Hotfixes, their revisions, what was signed about them, and every step of their lives.

A revision's state is a cache of its steps; its digests stand still once it was submitted.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from patchline.releaser.tables.base import Base

STATES = (
    "draft",
    "built",
    "in-review",
    "approved",
    "published",
    "held",
    "recalled",
    "rejected",
    "abandoned",
)


class Counter(Base):
    """The last number given away of a series, such as the hotfix ids of a year. Numbers are never given twice."""

    __tablename__ = "counter"

    series: Mapped[str] = mapped_column(String(64), primary_key=True)
    last: Mapped[int]


class Campaign(Base):
    """One fix carried to many baselines."""

    __tablename__ = "campaign"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    product: Mapped[str] = mapped_column(ForeignKey("product.id"))
    title: Mapped[str] = mapped_column(String(300))
    commits: Mapped[list[str]] = mapped_column(JSON)
    severity: Mapped[str] = mapped_column(String(16))
    fixes: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    """As they stand in manifests."""
    customers: Mapped[list[str] | None] = mapped_column(JSON)
    recipe: Mapped[str | None] = mapped_column(String(64))
    """SHA-256 of the recipe, if there was one."""
    added: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(ForeignKey("person.id"))


class CampaignBaseline(Base):
    """How a campaign stands at one of its baselines: a hotfix, or why there is none.

    Attributes:
        head: the last carried commit; None where nothing had to be carried, or it stopped.
        resolved: the ref by which people solved the conflicts.
        contained: commits that the baseline has already.
        stopped_at: the commit that does not go onto the baseline, with `conflicts`, the files that people must look at.
        problem: why the bundle could not be built.
    """

    __tablename__ = "campaign_baseline"
    __table_args__ = (ForeignKeyConstraint(["product", "baseline"], ["baseline.product", "baseline.label"]),)

    campaign: Mapped[str] = mapped_column(ForeignKey("campaign.id"), primary_key=True)
    product: Mapped[str] = mapped_column(String(64))
    baseline: Mapped[str] = mapped_column(String(128), primary_key=True)
    hotfix: Mapped[str | None] = mapped_column(ForeignKey("hotfix.id"), unique=True)
    head: Mapped[str | None] = mapped_column(String(64))
    resolved: Mapped[str | None] = mapped_column(String(300))
    contained: Mapped[list[str]] = mapped_column(JSON)
    stopped_at: Mapped[str | None] = mapped_column(String(64))
    conflicts: Mapped[list[str]] = mapped_column(JSON)
    problem: Mapped[str | None] = mapped_column(String(1000))


class Hotfix(Base):
    """A hotfix by its id; `legacy` was shipped before the register knew it."""

    __tablename__ = "hotfix"
    __table_args__ = (
        ForeignKeyConstraint(["product", "baseline"], ["baseline.product", "baseline.label"]),
        Index("ix_hotfix_added_id", "added", "id"),
        Index("ix_hotfix_product_baseline", "product", "baseline"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    product: Mapped[str] = mapped_column(ForeignKey("product.id"))
    baseline: Mapped[str] = mapped_column(String(128))
    kind: Mapped[str] = mapped_column(String(16))
    severity: Mapped[str] = mapped_column(String(16))
    title: Mapped[str] = mapped_column(String(300))
    fixes: Mapped[list[str]] = mapped_column(JSON)
    """Ids of what it is meant to mend, as asked for; what it mends says the manifest of a revision."""
    customers: Mapped[list[str] | None] = mapped_column(JSON)
    """Customers it is for, None for all."""
    campaign: Mapped[str | None] = mapped_column(ForeignKey("campaign.id"), index=True)
    legacy: Mapped[bool] = mapped_column(default=False)
    added: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(ForeignKey("person.id"))
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 (as the mapper reads it)


class Revision(Base):
    """One revision of a hotfix: bytes, once it was built."""

    __tablename__ = "revision"
    __table_args__ = (
        UniqueConstraint("hotfix", "number"),
        UniqueConstraint("id", "manifest_sha256"),
        CheckConstraint(f"state IN ({', '.join(repr(state) for state in STATES)})", name="state"),
        CheckConstraint("legacy OR state IN ('draft', 'abandoned') OR manifest_sha256 IS NOT NULL", name="built"),
        Index("ix_revision_state", "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    hotfix: Mapped[str] = mapped_column(ForeignKey("hotfix.id"))
    number: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    manifest_sha256: Mapped[str | None] = mapped_column(String(64), unique=True)
    manifest: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    container_sha256: Mapped[str | None] = mapped_column(String(64))
    size: Mapped[int | None] = mapped_column(BigInteger)
    provenance: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    """The provenance sidecar; its signer is the builder."""
    builder: Mapped[str | None] = mapped_column(String(64))
    release_line: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    release_signature: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    notes: Mapped[str | None] = mapped_column(Text)
    embargo_until: Mapped[datetime | None]
    published: Mapped[datetime | None]
    zip_sha256: Mapped[str | None] = mapped_column(String(64))
    """The release zip that the channel offers, or is about to."""
    zip_size: Mapped[int | None] = mapped_column(BigInteger)
    emergency_hours: Mapped[int | None]
    """How long sites may apply it before it is ratified; None unless the emergency rule alone was met."""
    ratified: Mapped[datetime | None]
    legacy: Mapped[bool] = mapped_column(default=False)
    """Shipped before the register knew it: nothing is known of its bytes."""
    added: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(ForeignKey("person.id"))
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 (as the mapper reads it)


class Step(Base):
    """One step in the life of a revision. Never changed."""

    __tablename__ = "step"

    revision: Mapped[int] = mapped_column(ForeignKey("revision.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    action: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime]
    person: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str | None] = mapped_column(String(1000))


class RevisionFix(Base):
    """A fix that a built revision lists."""

    __tablename__ = "revision_fix"
    __table_args__ = (Index("ix_revision_fix_fix", "fix"),)

    revision: Mapped[int] = mapped_column(ForeignKey("revision.id"), primary_key=True)
    fix: Mapped[str] = mapped_column(String(64), primary_key=True)
    coverage: Mapped[str] = mapped_column(String(16))


class RevisionCve(Base):
    """A CVE that a fix of a built revision names."""

    __tablename__ = "revision_cve"
    __table_args__ = (Index("ix_revision_cve_cve", "cve"),)

    revision: Mapped[int] = mapped_column(ForeignKey("revision.id"), primary_key=True)
    fix: Mapped[str] = mapped_column(String(64), primary_key=True)
    cve: Mapped[str] = mapped_column(String(32), primary_key=True)


class RevisionFile(Base):
    """A path that a built revision changes, by which others that meet it there are found."""

    __tablename__ = "revision_file"
    __table_args__ = (Index("ix_revision_file_root_path", "root", "path"),)

    revision: Mapped[int] = mapped_column(ForeignKey("revision.id"), primary_key=True)
    root: Mapped[str] = mapped_column(String(32), primary_key=True)
    path: Mapped[str] = mapped_column(String(1024), primary_key=True)


class Contributor(Base):
    """Somebody who had a part in a revision and so may not approve it; frozen when it is submitted.

    `part` is `author` (author, committer or co-author by the manifest), `builder`, `submitter` or `editor`.
    """

    __tablename__ = "contributor"

    revision: Mapped[int] = mapped_column(ForeignKey("revision.id"), primary_key=True)
    person: Mapped[str] = mapped_column(String(80), primary_key=True)
    part: Mapped[str] = mapped_column(String(16), primary_key=True)


class Approval(Base):
    """An index of one signature: the envelope is the truth.

    `kind` is `approval`, `emergency`, or `reproduced` for a second word of somebody who has rebuilt it since.
    """

    __tablename__ = "approval"
    __table_args__ = (
        ForeignKeyConstraint(["revision", "manifest_sha256"], ["revision.id", "revision.manifest_sha256"]),
        UniqueConstraint("revision", "person", "kind"),
        CheckConstraint("kind IN ('approval', 'emergency', 'reproduced')", name="kind"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    revision: Mapped[int]
    manifest_sha256: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    person: Mapped[str] = mapped_column(String(64))
    keyid: Mapped[str] = mapped_column(String(64))
    reproduced: Mapped[bool]
    scope: Mapped[list[str] | None] = mapped_column(JSON)
    """Customers it is for, None for all."""
    envelope: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    envelope_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    taken: Mapped[datetime]
    taken_by: Mapped[str] = mapped_column(String(64))


class Evidence(Base):
    """What speaks for a revision: test results, by what and on which setup."""

    __tablename__ = "evidence"
    __table_args__ = (UniqueConstraint("revision", "manifest_sha256", "sha256"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(ForeignKey("revision.id"), index=True)
    manifest_sha256: Mapped[str] = mapped_column(String(64))
    """What was tested; a build anew needs tests anew."""
    kind: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(300))
    sha256: Mapped[str] = mapped_column(String(64))
    facts: Mapped[str] = mapped_column(Text)
    """Canonical JSON: counts, setup and its facets."""
    added: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(ForeignKey("person.id"))


class PolicyVersion(Base):
    """A policy that the register took in; the envelope is the truth."""

    __tablename__ = "policy"

    product: Mapped[str] = mapped_column(ForeignKey("product.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    envelope: Mapped[bytes] = mapped_column(LargeBinary)
    taken: Mapped[datetime]


class Recall(Base):
    """A recall or a reinstatement of a published revision: an index of the statements. Permanent."""

    __tablename__ = "recall"
    __table_args__ = (
        CheckConstraint("kind IN ('recall', 'reinstatement')", name="kind"),
        UniqueConstraint("revision", "statement_sha256", "person"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(ForeignKey("revision.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    statement_sha256: Mapped[str] = mapped_column(String(64))
    """Names the statement: all who sign one sign the same bytes."""
    person: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(1000))
    envelope: Mapped[bytes] = mapped_column(LargeBinary)
    envelope_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    taken: Mapped[datetime]


class RecallListVersion(Base):
    """A recall list as it went, or is about to go, into the channel. Its number never comes twice."""

    __tablename__ = "recall_list"

    product: Mapped[str] = mapped_column(ForeignKey("product.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    document: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    issued: Mapped[datetime]
