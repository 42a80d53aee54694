"""What is known of sites: reports as they came, which are facts, and the state that follows from them, a cache.

`patchline database rebuild --check` computes the cache anew from the facts and compares.
"""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from patchline.releaser.tables.base import Base


class EvidenceGrade(StrEnum):
    """How we know a level, strongest first; a site of which nothing was ever heard has the last."""

    SIGNED_ONLINE = "signed-online"
    SIGNED_BY_HAND = "signed-by-hand"
    TOLD_WITH_CODE = "told-with-code"
    TOLD = "told"
    INFERRED = "inferred"
    NEVER = "never-reported"


_GRADES = f"evidence IN ({', '.join(repr(grade.value) for grade in EvidenceGrade)})"


class Report(Base):
    """Something that was said of a site's level, as it came: a report, or what support was told. Never changed.

    Whose it is, its verdict and its evidence are a judgement of all that is known, and follow from it anew: when its
    site or key becomes known, or a person says which of two sites it is.

    Attributes:
        site: whose it is; None while nobody knows the site.
        identity: the site that the report names itself.
        sha256: of the document; the same one brought again is the same row.
        payload_sha256: of what it says, whoever signed it.
        epoch, counter: of the site's client; None where people told.
        made: the site's own time.
        via: `online`, `hand` or `told`.
        verdict: what became of it, as `releaser.fleet.verdicts` names it; only `accepted` ones move a level.
        evidence: how good it is, if it counts.
        document: the envelope as it came, or canonical JSON of what was told.
    """

    __tablename__ = "report"
    __table_args__ = (
        CheckConstraint("via IN ('online', 'hand', 'told')", name="via"),
        CheckConstraint(_GRADES, name="evidence"),
        Index("ix_report_site_received", "site", "received"),
        Index("ix_report_identity_epoch_counter", "identity", "epoch", "counter"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[int | None] = mapped_column(ForeignKey("site.id"))
    identity: Mapped[str | None] = mapped_column(String(64))
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    payload_sha256: Mapped[str] = mapped_column(String(64))
    epoch: Mapped[str | None] = mapped_column(String(64))
    counter: Mapped[int | None] = mapped_column(BigInteger)
    made: Mapped[datetime]
    received: Mapped[datetime]
    via: Mapped[str] = mapped_column(String(16))
    verdict: Mapped[str] = mapped_column(String(32))
    evidence: Mapped[str] = mapped_column(String(16))
    keyid: Mapped[str | None] = mapped_column(String(64))
    document: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    taken_by: Mapped[str] = mapped_column(String(64))


class Lineage(Base):
    """Which of several that report as one is which, as a person said it. Never changed.

    Attributes:
        site: whose reports of this epoch are.
        kind: `restored`: from `since` and `counter` on, this epoch alone is the site's; `split`: the epoch is another
            site's altogether.
        decided: what the others reported until then is set aside.
    """

    __tablename__ = "lineage"
    __table_args__ = (
        CheckConstraint("kind IN ('restored', 'split')", name="kind"),
        Index("ix_lineage_identity", "identity"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[int] = mapped_column(ForeignKey("site.id"), index=True)
    identity: Mapped[str] = mapped_column(String(64))
    epoch: Mapped[str] = mapped_column(String(64))
    since: Mapped[datetime]
    counter: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(16))
    decided: Mapped[datetime]
    decided_by: Mapped[str] = mapped_column(ForeignKey("person.id"))


class Download(Base):
    """A hotfix handed out, or refused, to a customer; never changed. Downloaded is never applied.

    Attributes:
        how: `kit`, `hand` or `online`.
        outcome: `done`, `begun`, `broken-off`, or the reason why not, as `releaser.fleet.entitlements` names it.
        attempt: of what is fetched online: the same for all parts of one file, however often it is resumed.
        file: its name.
        extent: how many bytes of the file, from its beginning, were sent by then.
        by: who fetched it, as events name them.
    """

    __tablename__ = "download"
    __table_args__ = (
        Index("ix_download_customer_at", "customer", "at"),
        Index("ix_download_revision_outcome_customer_site_at", "revision", "outcome", "customer", "site", "at"),
        Index("ix_download_attempt_outcome", "attempt", "outcome", unique=True),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[str] = mapped_column(ForeignKey("customer.id"))
    site: Mapped[int | None] = mapped_column(ForeignKey("site.id"))
    revision: Mapped[int] = mapped_column(ForeignKey("revision.id"))
    at: Mapped[datetime]
    how: Mapped[str] = mapped_column(String(16))
    outcome: Mapped[str] = mapped_column(String(32))
    attempt: Mapped[str | None] = mapped_column(String(64))
    file: Mapped[str | None] = mapped_column(String(160))
    extent: Mapped[int | None] = mapped_column(BigInteger)
    by: Mapped[str | None] = mapped_column(String(100))


class SiteState(Base):
    """What a site has, as far as is known: a cache of its newest accepted report. Each site has a row.

    Attributes:
        baseline: the baseline in force; None while unknown.
        label, digest: of the level; None while unknown.
        as_of: the moment at which it was so, by the site's own time or as told.
        report: the one that says it.
        heard: the newest one of the site's own client, even where people told something newer.
        unfinished: a change was cut off there when it reported.
        drift: files that were not as expected.
        unknown: hotfixes in force that the register does not know.
        contested: a restored or cloned site reports beside it; a person has to say which (`site accept-restore|split`).
    """

    __tablename__ = "site_state"
    __table_args__ = (
        CheckConstraint(_GRADES, name="evidence"),
        Index(
            "ix_site_state_product_baseline_customer_site_evidence_as_of",
            "product",
            "baseline",
            "customer",
            "site",
            "evidence",
            "as_of",
        ),
        Index("ix_site_state_customer", "customer"),
        Index("ix_site_state_digest", "digest"),
    )

    site: Mapped[int] = mapped_column(ForeignKey("site.id"), primary_key=True, autoincrement=False)
    customer: Mapped[str] = mapped_column(ForeignKey("customer.id"))
    product: Mapped[str] = mapped_column(ForeignKey("product.id"))
    baseline: Mapped[str | None] = mapped_column(String(128))
    label: Mapped[str | None] = mapped_column(String(400))
    digest: Mapped[str | None] = mapped_column(String(64))
    evidence: Mapped[str] = mapped_column(String(16))
    as_of: Mapped[datetime | None]
    report: Mapped[int | None] = mapped_column(ForeignKey("report.id"))
    heard: Mapped[int | None] = mapped_column(ForeignKey("report.id"))
    unfinished: Mapped[bool]
    drift: Mapped[int]
    unknown: Mapped[int]
    contested: Mapped[bool]


class Applied(Base):
    """A revision in force at a site: a cache of the report that its `SiteState` stands on.

    `pending` means that the running processes do not use it yet.
    """

    __tablename__ = "applied"
    __table_args__ = (
        Index("ix_applied_revision_site_pending", "revision", "site", "pending"),
        {"sqlite_with_rowid": False},
    )

    site: Mapped[int] = mapped_column(ForeignKey("site.id"), primary_key=True, autoincrement=False)
    revision: Mapped[int] = mapped_column(ForeignKey("revision.id"), primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    pending: Mapped[bool]


class UnknownHotfix(Base):
    """A hotfix in force at a site that the register does not know: a cache like `Applied`. Never dropped."""

    __tablename__ = "unknown_hotfix"

    site: Mapped[int] = mapped_column(ForeignKey("site.id"), primary_key=True, autoincrement=False)
    manifest_sha256: Mapped[str] = mapped_column(String(64), primary_key=True, index=True)
    hotfix: Mapped[str] = mapped_column(String(64))
    revision: Mapped[int]
    at: Mapped[datetime | None]
