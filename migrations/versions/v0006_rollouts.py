"""How hotfixes go out in stages, notices, and what customers say of recalls."""

import sqlalchemy as sa
from alembic import op

from patchline.migrations.guards import guard, only_added

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_PUBLISHED = "(SELECT state FROM revision WHERE id = NEW.revision) = 'published'"


def upgrade() -> None:
    """Make the tables and what guards them."""
    op.create_table(
        "mail_address",
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_mail_address_person_person")),
        sa.PrimaryKeyConstraint("person", name=op.f("pk_mail_address")),
    )
    op.create_table(
        "staged",
        sa.Column("product", sa.String(length=64), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["product"], ["product.id"], name=op.f("fk_staged_product_product")),
        sa.PrimaryKeyConstraint("product", name=op.f("pk_staged")),
    )
    op.create_table(
        "acknowledgement",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("customer", sa.String(length=64), nullable=False),
        sa.Column("site", sa.Integer(), nullable=True),
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("evidence", sa.String(length=1000), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.CheckConstraint(
            "action IN ('rolled-back', 'patched', 'accepted-risk')", name=op.f("ck_acknowledgement_action")
        ),
        sa.ForeignKeyConstraint(["added_by"], ["person.id"], name=op.f("fk_acknowledgement_added_by_person")),
        sa.ForeignKeyConstraint(["customer"], ["customer.id"], name=op.f("fk_acknowledgement_customer_customer")),
        sa.ForeignKeyConstraint(["revision"], ["revision.id"], name=op.f("fk_acknowledgement_revision_revision")),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_acknowledgement_site_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acknowledgement")),
    )
    op.create_index("ix_acknowledgement_revision_customer", "acknowledgement", ["revision", "customer"], unique=False)
    op.create_table(
        "notice",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("identity", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.Column("contact", sa.Integer(), nullable=True),
        sa.Column("person", sa.String(length=64), nullable=True),
        sa.Column("sites", sa.JSON(), nullable=False),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("subject", sa.String(length=500), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("added", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.CheckConstraint("purpose IN ('hotfix', 'recall', 'waiting')", name=op.f("ck_notice_purpose")),
        sa.CheckConstraint("(contact IS NULL) <> (person IS NULL)", name=op.f("ck_notice_audience")),
        sa.ForeignKeyConstraint(["added_by"], ["person.id"], name=op.f("fk_notice_added_by_person")),
        sa.ForeignKeyConstraint(["contact"], ["contact.id"], name=op.f("fk_notice_contact_contact")),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_notice_person_person")),
        sa.ForeignKeyConstraint(["revision"], ["revision.id"], name=op.f("fk_notice_revision_revision")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
        sa.UniqueConstraint("identity", name=op.f("uq_notice_identity")),
    )
    op.create_index("ix_notice_revision_contact", "notice", ["revision", "contact"], unique=False)
    op.create_table(
        "rollout",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("soak_hours", sa.Integer(), nullable=False),
        sa.Column("success_percent", sa.Integer(), nullable=False),
        sa.Column("error_limit", sa.Integer(), nullable=False),
        sa.Column("silence_hours", sa.Integer(), nullable=False),
        sa.Column("silence_limit", sa.Integer(), nullable=False),
        sa.Column("errors_borne", sa.Integer(), nullable=False),
        sa.Column("silence_borne", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=True),
        sa.Column("planned", sa.DateTime(timezone=True), nullable=False),
        sa.Column("planned_by", sa.String(length=64), nullable=False),
        sa.Column("changed", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state IN ('planned', 'running', 'paused', 'stopped', 'finished')", name=op.f("ck_rollout_state")
        ),
        sa.CheckConstraint("state NOT IN ('running', 'finished') OR stage > 0", name=op.f("ck_rollout_begun")),
        sa.CheckConstraint("success_percent BETWEEN 1 AND 100", name=op.f("ck_rollout_share")),
        sa.ForeignKeyConstraint(["planned_by"], ["person.id"], name=op.f("fk_rollout_planned_by_person")),
        sa.ForeignKeyConstraint(["revision"], ["revision.id"], name=op.f("fk_rollout_revision_revision")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollout")),
    )
    op.create_index(
        "ix_rollout_open",
        "rollout",
        ["revision"],
        unique=True,
        sqlite_where=sa.text("state IN ('planned', 'running', 'paused')"),
        postgresql_where=sa.text("state IN ('planned', 'running', 'paused')"),
    )
    op.create_index(op.f("ix_rollout_revision"), "rollout", ["revision"], unique=False)
    op.create_index("ix_rollout_state", "rollout", ["state"], unique=False)
    op.create_table(
        "notice_outcome",
        sa.Column("notice", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("told", sa.String(length=500), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('sent', 'handed-over', 'refused', 'not-sent')", name=op.f("ck_notice_outcome_outcome")
        ),
        sa.ForeignKeyConstraint(["notice"], ["notice.id"], name=op.f("fk_notice_outcome_notice_notice")),
        sa.PrimaryKeyConstraint("notice", "number", name=op.f("pk_notice_outcome")),
    )
    op.create_table(
        "rollout_problem",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("rollout", sa.Integer(), nullable=False),
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("told", sa.String(length=1000), nullable=False),
        sa.Column("added", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["added_by"], ["person.id"], name=op.f("fk_rollout_problem_added_by_person")),
        sa.ForeignKeyConstraint(["rollout"], ["rollout.id"], name=op.f("fk_rollout_problem_rollout_rollout")),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_rollout_problem_site_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollout_problem")),
    )
    op.create_index("ix_rollout_problem_rollout_site", "rollout_problem", ["rollout", "site"], unique=False)
    op.create_table(
        "rollout_seen",
        sa.Column("rollout", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("site", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["rollout"], ["rollout.id"], name=op.f("fk_rollout_seen_rollout_rollout")),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_rollout_seen_site_site")),
        sa.PrimaryKeyConstraint("rollout", "site", name=op.f("pk_rollout_seen")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rollout_site",
        sa.Column("rollout", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("site", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["rollout"], ["rollout.id"], name=op.f("fk_rollout_site_rollout_rollout")),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_rollout_site_site_site")),
        sa.PrimaryKeyConstraint("rollout", "site", name=op.f("pk_rollout_site")),
    )
    op.create_table(
        "rollout_stage",
        sa.Column("rollout", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("ring", sa.String(length=64), nullable=True),
        sa.Column("opened", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(kind = 'ring') = (ring IS NOT NULL)", name=op.f("ck_rollout_stage_ring")),
        sa.CheckConstraint("kind IN ('named', 'ring', 'everyone')", name=op.f("ck_rollout_stage_kind")),
        sa.ForeignKeyConstraint(["rollout"], ["rollout.id"], name=op.f("fk_rollout_stage_rollout_rollout")),
        sa.PrimaryKeyConstraint("rollout", "number", name=op.f("pk_rollout_stage")),
    )
    out = f"NEW.state IN ('running', 'finished') AND NOT {_PUBLISHED}"
    guard("rollout", "INSERT", "published", "only what is published goes out", out)
    guard("rollout", "UPDATE", "still_published", "only what is published goes out", out)
    guard("rollout", "UPDATE", "stands_stopped", "a stopped rollout stays stopped", "OLD.state = 'stopped'")
    only_added("rollout_problem", "what was told stands")
    only_added("acknowledgement", "what a customer said stands")
    only_added("notice", "what was told stands")
    only_added("notice_outcome", "what became of a notice stands")
