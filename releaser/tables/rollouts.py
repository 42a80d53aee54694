"""How hotfixes go out in stages, who was told what, and who said that they know of a recall.

Who is reached follows from the stage, from what a site has, and from the revision's state (`releaser.rollouts.reaching`);
it is never stored.
"""

from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from patchline.releaser.tables.base import Base

STATES = ("planned", "running", "paused", "stopped", "finished")
STAGES = ("named", "ring", "everyone")
ACTIONS = ("rolled-back", "patched", "accepted-risk")
OUTCOMES = ("sent", "handed-over", "refused", "not-sent")
_OPEN = text("state IN ('planned', 'running', 'paused')")


def _one_of(column: str, words: tuple[str, ...]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(word) for word in words)})", name=column)


class Staged(Base):
    """A product whose hotfixes go out in stages, and since when; what was published before reaches everyone."""

    __tablename__ = "staged"

    product: Mapped[str] = mapped_column(ForeignKey("product.id"), primary_key=True)
    since: Mapped[datetime]


class Rollout(Base):
    """A revision on its way to sites. Of one revision, one at a time is open; the newest decides.

    Attributes:
        stage: number of the last stage that was opened, 0 for none.
        automatic: a stage opens by itself once the share of sites has it and kept it for the soak time.
        soak_hours: how long a site must have had it to count.
        success_percent: share of a stage's sites.
        error_limit: sites with errors that are borne.
        silence_hours: after so long without a word a site is silent.
        silence_limit: silent sites that are borne before the last stage.
        errors_borne, silence_borne: how many there were when somebody let it go on all the same.
        reason: why it is paused or stopped.
    """

    __tablename__ = "rollout"
    __table_args__ = (
        _one_of("state", STATES),
        CheckConstraint("success_percent BETWEEN 1 AND 100", name="share"),
        CheckConstraint("state NOT IN ('running', 'finished') OR stage > 0", name="begun"),
        Index("ix_rollout_open", "revision", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_rollout_state", "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(ForeignKey("revision.id"), index=True)
    state: Mapped[str] = mapped_column(String(16))
    stage: Mapped[int]
    automatic: Mapped[bool]
    soak_hours: Mapped[int]
    success_percent: Mapped[int]
    error_limit: Mapped[int]
    silence_hours: Mapped[int]
    silence_limit: Mapped[int]
    errors_borne: Mapped[int]
    silence_borne: Mapped[int]
    reason: Mapped[str | None] = mapped_column(String(1000))
    planned: Mapped[datetime]
    planned_by: Mapped[str] = mapped_column(ForeignKey("person.id"))
    changed: Mapped[datetime]
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 (as the mapper reads it)


class RolloutStage(Base):
    """One stage of a rollout: named sites, a ring, or everyone who is left."""

    __tablename__ = "rollout_stage"
    __table_args__ = (
        _one_of("kind", STAGES),
        CheckConstraint("(kind = 'ring') = (ring IS NOT NULL)", name="ring"),
    )

    rollout: Mapped[int] = mapped_column(ForeignKey("rollout.id"), primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(16))
    ring: Mapped[str | None] = mapped_column(String(64))
    opened: Mapped[datetime | None]


class RolloutSite(Base):
    """A site that a rollout names; it is in the first stage whatever its ring."""

    __tablename__ = "rollout_site"

    rollout: Mapped[int] = mapped_column(ForeignKey("rollout.id"), primary_key=True, autoincrement=False)
    site: Mapped[int] = mapped_column(ForeignKey("site.id"), primary_key=True, autoincrement=False)


class RolloutSeen(Base):
    """A site where a rollout saw its revision in force. Where it is not in force any more, it was rolled back."""

    __tablename__ = "rollout_seen"
    __table_args__ = ({"sqlite_with_rowid": False},)

    rollout: Mapped[int] = mapped_column(ForeignKey("rollout.id"), primary_key=True, autoincrement=False)
    site: Mapped[int] = mapped_column(ForeignKey("site.id"), primary_key=True, autoincrement=False)
    at: Mapped[datetime]


class RolloutProblem(Base):
    """A site of which somebody told that the hotfix does harm there, or does not go in. Never changed."""

    __tablename__ = "rollout_problem"
    __table_args__ = (Index("ix_rollout_problem_rollout_site", "rollout", "site"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    rollout: Mapped[int] = mapped_column(ForeignKey("rollout.id"))
    site: Mapped[int] = mapped_column(ForeignKey("site.id"))
    told: Mapped[str] = mapped_column(String(1000))
    added: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(ForeignKey("person.id"))


class Acknowledgement(Base):
    """What a customer says about a recalled revision, for one site or for all of theirs. Never changed.

    Attributes:
        person: the customer's, as they call themselves.
        evidence: by what we know, such as the mail or the call.
    """

    __tablename__ = "acknowledgement"
    __table_args__ = (_one_of("action", ACTIONS), Index("ix_acknowledgement_revision_customer", "revision", "customer"))

    id: Mapped[int] = mapped_column(primary_key=True)
    revision: Mapped[int] = mapped_column(ForeignKey("revision.id"))
    customer: Mapped[str] = mapped_column(ForeignKey("customer.id"))
    site: Mapped[int | None] = mapped_column(ForeignKey("site.id"))
    person: Mapped[str] = mapped_column(String(200))
    action: Mapped[str] = mapped_column(String(16))
    evidence: Mapped[str] = mapped_column(String(1000))
    at: Mapped[datetime]
    added: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(String(64))


class MailAddress(Base):
    """Where a person of ours is written to."""

    __tablename__ = "mail_address"

    person: Mapped[str] = mapped_column(ForeignKey("person.id"), primary_key=True)
    address: Mapped[str] = mapped_column(String(254))


class Notice(Base):
    """Something that somebody was to be told, written down before it goes out. Never changed.

    Attributes:
        identity: names the message: nobody gets one twice, unless somebody asks for it.
        purpose: `hotfix` or `recall` for a contact, `waiting` for a person of ours.
        sites: ids of the contact's sites that it is about.
    """

    __tablename__ = "notice"
    __table_args__ = (
        CheckConstraint("(contact IS NULL) <> (person IS NULL)", name="audience"),
        _one_of("purpose", ("hotfix", "recall", "waiting")),
        Index("ix_notice_revision_contact", "revision", "contact"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    identity: Mapped[str] = mapped_column(String(64), unique=True)
    purpose: Mapped[str] = mapped_column(String(16))
    revision: Mapped[int | None] = mapped_column(ForeignKey("revision.id"))
    contact: Mapped[int | None] = mapped_column(ForeignKey("contact.id"))
    person: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    sites: Mapped[list[int]] = mapped_column(JSON)
    address: Mapped[str] = mapped_column(String(254))
    subject: Mapped[str] = mapped_column(String(500))
    body: Mapped[str] = mapped_column(Text)
    added: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(ForeignKey("person.id"))


class NoticeOutcome(Base):
    """What became of a notice; of one without any nobody knows whether it arrived. Never changed."""

    __tablename__ = "notice_outcome"
    __table_args__ = (
        _one_of("outcome", OUTCOMES),
        ForeignKeyConstraint(["notice"], ["notice.id"]),
    )

    notice: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    outcome: Mapped[str] = mapped_column(String(16))
    told: Mapped[str | None] = mapped_column(String(500))
    at: Mapped[datetime]
