"""Customers and sites, and what is known of them."""

import sqlalchemy as sa
from alembic import op

from patchline.migrations.guards import guard, only_added

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_CAME = "a report stands as it came"


def upgrade() -> None:
    """Make the tables and what guards them."""
    op.create_table(
        "customer",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("alias", sa.String(length=64), nullable=False),
        sa.Column("tier", sa.String(length=16), nullable=False),
        sa.Column("added", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("tier IN ('gold', 'silver', 'bronze')", name=op.f("ck_customer_tier")),
        sa.ForeignKeyConstraint(["added_by"], ["person.id"], name=op.f("fk_customer_added_by_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customer")),
        sa.UniqueConstraint("alias", name=op.f("uq_customer_alias")),
    )
    op.create_table(
        "ring",
        sa.Column("product", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["product"], ["product.id"], name=op.f("fk_ring_product_product")),
        sa.PrimaryKeyConstraint("product", "name", name=op.f("pk_ring")),
        sa.UniqueConstraint("product", "ordinal", name=op.f("uq_ring_product_ordinal")),
    )
    op.create_table(
        "contact",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("customer", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("added", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["customer"], ["customer.id"], name=op.f("fk_contact_customer_customer")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact")),
        sa.UniqueConstraint("customer", "address", name=op.f("uq_contact_customer_address")),
    )
    op.create_table(
        "entitlement",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("customer", sa.String(length=64), nullable=False),
        sa.Column("product", sa.String(length=64), nullable=False),
        sa.Column("line", sa.String(length=128), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=True),
        sa.Column("added", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["added_by"], ["person.id"], name=op.f("fk_entitlement_added_by_person")),
        sa.ForeignKeyConstraint(["customer"], ["customer.id"], name=op.f("fk_entitlement_customer_customer")),
        sa.ForeignKeyConstraint(["product"], ["product.id"], name=op.f("fk_entitlement_product_product")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entitlement")),
    )
    op.create_index("ix_entitlement_customer_product", "entitlement", ["customer", "product"], unique=False)
    op.create_table(
        "site",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("customer", sa.String(length=64), nullable=False),
        sa.Column("product", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("alias", sa.String(length=64), nullable=False),
        sa.Column("environment", sa.String(length=16), nullable=False),
        sa.Column("connectivity", sa.String(length=16), nullable=False),
        sa.Column("ring", sa.String(length=64), nullable=True),
        sa.Column("part_of", sa.Integer(), nullable=True),
        sa.Column("window", sa.String(length=200), nullable=True),
        sa.Column("identity", sa.String(length=64), nullable=True),
        sa.Column("added", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.Column("retired", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("connectivity IN ('online', 'air-gapped')", name=op.f("ck_site_connectivity")),
        sa.CheckConstraint(
            "environment IN ('production', 'recovery', 'staging', 'test', 'development')",
            name=op.f("ck_site_environment"),
        ),
        sa.ForeignKeyConstraint(["added_by"], ["person.id"], name=op.f("fk_site_added_by_person")),
        sa.ForeignKeyConstraint(["customer"], ["customer.id"], name=op.f("fk_site_customer_customer")),
        sa.ForeignKeyConstraint(["part_of"], ["site.id"], name=op.f("fk_site_part_of_site")),
        sa.ForeignKeyConstraint(
            ["product", "ring"], ["ring.product", "ring.name"], name=op.f("fk_site_product_ring_ring")
        ),
        sa.ForeignKeyConstraint(["product"], ["product.id"], name=op.f("fk_site_product_product")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site")),
        sa.UniqueConstraint("alias", name=op.f("uq_site_alias")),
        sa.UniqueConstraint("identity", name=op.f("uq_site_identity")),
        sa.UniqueConstraint("name", name=op.f("uq_site_name")),
    )
    op.create_index("ix_site_customer", "site", ["customer"], unique=False)
    op.create_index(op.f("ix_site_part_of"), "site", ["part_of"], unique=False)
    op.create_index("ix_site_product_ring", "site", ["product", "ring"], unique=False)
    retired = sa.text("retired IS NOT NULL")
    op.create_index(
        "ix_site_retired_id", "site", ["retired", "id"], unique=False, sqlite_where=retired, postgresql_where=retired
    )
    op.create_table(
        "declared",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("text", sa.String(length=1000), nullable=False),
        sa.Column("reference", sa.String(length=200), nullable=True),
        sa.Column("told_by", sa.String(length=200), nullable=True),
        sa.Column("added", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["added_by"], ["person.id"], name=op.f("fk_declared_added_by_person")),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_declared_site_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_declared")),
    )
    op.create_index("ix_declared_site_at", "declared", ["site", "at"], unique=False)
    op.create_table(
        "enrolment_code",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("made", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["made_by"], ["person.id"], name=op.f("fk_enrolment_code_made_by_person")),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_enrolment_code_site_site")),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_enrolment_code")),
    )
    op.create_index(op.f("ix_enrolment_code_site"), "enrolment_code", ["site"], unique=False)
    op.create_table(
        "freeze_period",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("product", sa.String(length=64), nullable=True),
        sa.Column("customer", sa.String(length=64), nullable=True),
        sa.Column("site", sa.Integer(), nullable=True),
        sa.Column("begins", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("added", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.CheckConstraint("begins <= ends", name=op.f("ck_freeze_period_order")),
        sa.ForeignKeyConstraint(["added_by"], ["person.id"], name=op.f("fk_freeze_period_added_by_person")),
        sa.ForeignKeyConstraint(["customer"], ["customer.id"], name=op.f("fk_freeze_period_customer_customer")),
        sa.ForeignKeyConstraint(["product"], ["product.id"], name=op.f("fk_freeze_period_product_product")),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_freeze_period_site_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_freeze_period")),
    )
    op.create_table(
        "report",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site", sa.Integer(), nullable=True),
        sa.Column("identity", sa.String(length=64), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("payload_sha256", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.String(length=64), nullable=True),
        sa.Column("counter", sa.BigInteger(), nullable=True),
        sa.Column("made", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received", sa.DateTime(timezone=True), nullable=False),
        sa.Column("via", sa.String(length=16), nullable=False),
        sa.Column("verdict", sa.String(length=32), nullable=False),
        sa.Column("evidence", sa.String(length=16), nullable=False),
        sa.Column("keyid", sa.String(length=64), nullable=True),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("taken_by", sa.String(length=64), nullable=False),
        sa.CheckConstraint(
            "evidence IN ('signed-online', 'signed-by-hand', 'told-with-code', 'told', 'inferred', 'never-reported')",
            name=op.f("ck_report_evidence"),
        ),
        sa.CheckConstraint("via IN ('online', 'hand', 'told')", name=op.f("ck_report_via")),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_report_site_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report")),
        sa.UniqueConstraint("sha256", name=op.f("uq_report_sha256")),
    )
    op.create_index("ix_report_identity_epoch_counter", "report", ["identity", "epoch", "counter"], unique=False)
    op.create_index("ix_report_site_received", "report", ["site", "received"], unique=False)
    op.create_table(
        "lineage",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("identity", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.String(length=64), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("decided", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.String(length=64), nullable=False),
        sa.CheckConstraint("kind IN ('restored', 'split')", name=op.f("ck_lineage_kind")),
        sa.ForeignKeyConstraint(["decided_by"], ["person.id"], name=op.f("fk_lineage_decided_by_person")),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_lineage_site_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lineage")),
    )
    op.create_index("ix_lineage_identity", "lineage", ["identity"], unique=False)
    op.create_index(op.f("ix_lineage_site"), "lineage", ["site"], unique=False)
    op.create_table(
        "site_key",
        sa.Column("keyid", sa.String(length=64), nullable=False),
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("pem", sa.Text(), nullable=False),
        sa.Column("enrolled", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_by", sa.String(length=64), nullable=True),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["confirmed_by"], ["person.id"], name=op.f("fk_site_key_confirmed_by_person")),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_site_key_site_site")),
        sa.PrimaryKeyConstraint("keyid", name=op.f("pk_site_key")),
    )
    op.create_index(op.f("ix_site_key_site"), "site_key", ["site"], unique=False)
    op.create_table(
        "unknown_hotfix",
        sa.Column("site", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("manifest_sha256", sa.String(length=64), nullable=False),
        sa.Column("hotfix", sa.String(length=64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_unknown_hotfix_site_site")),
        sa.PrimaryKeyConstraint("site", "manifest_sha256", name=op.f("pk_unknown_hotfix")),
    )
    op.create_index(op.f("ix_unknown_hotfix_manifest_sha256"), "unknown_hotfix", ["manifest_sha256"], unique=False)
    op.create_table(
        "applied",
        sa.Column("site", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("pending", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["revision"], ["revision.id"], name=op.f("fk_applied_revision_revision")),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_applied_site_site")),
        sa.PrimaryKeyConstraint("site", "revision", name=op.f("pk_applied")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_applied_revision_site_pending", "applied", ["revision", "site", "pending"], unique=False)
    op.create_table(
        "download",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("customer", sa.String(length=64), nullable=False),
        sa.Column("site", sa.Integer(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("how", sa.String(length=16), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["customer"], ["customer.id"], name=op.f("fk_download_customer_customer")),
        sa.ForeignKeyConstraint(["revision"], ["revision.id"], name=op.f("fk_download_revision_revision")),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_download_site_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_download")),
    )
    op.create_index("ix_download_customer_at", "download", ["customer", "at"], unique=False)
    op.create_index(
        "ix_download_revision_outcome_customer_site_at",
        "download",
        ["revision", "outcome", "customer", "site", "at"],
        unique=False,
    )
    op.create_table(
        "site_state",
        sa.Column("site", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("customer", sa.String(length=64), nullable=False),
        sa.Column("product", sa.String(length=64), nullable=False),
        sa.Column("baseline", sa.String(length=128), nullable=True),
        sa.Column("label", sa.String(length=400), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("evidence", sa.String(length=16), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=True),
        sa.Column("report", sa.Integer(), nullable=True),
        sa.Column("heard", sa.Integer(), nullable=True),
        sa.Column("unfinished", sa.Boolean(), nullable=False),
        sa.Column("drift", sa.Integer(), nullable=False),
        sa.Column("unknown", sa.Integer(), nullable=False),
        sa.Column("contested", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "evidence IN ('signed-online', 'signed-by-hand', 'told-with-code', 'told', 'inferred', 'never-reported')",
            name=op.f("ck_site_state_evidence"),
        ),
        sa.ForeignKeyConstraint(["customer"], ["customer.id"], name=op.f("fk_site_state_customer_customer")),
        sa.ForeignKeyConstraint(["product"], ["product.id"], name=op.f("fk_site_state_product_product")),
        sa.ForeignKeyConstraint(["heard"], ["report.id"], name=op.f("fk_site_state_heard_report")),
        sa.ForeignKeyConstraint(["report"], ["report.id"], name=op.f("fk_site_state_report_report")),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_site_state_site_site")),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_site_state")),
    )
    op.create_index("ix_site_state_customer", "site_state", ["customer"], unique=False)
    op.create_index(
        "ix_site_state_product_baseline_customer_site_evidence_as_of",
        "site_state",
        ["product", "baseline", "customer", "site", "evidence", "as_of"],
        unique=False,
    )

    stands = ("id", "sha256", "payload_sha256", "made", "received", "via", "document", "taken_by")
    guard("report", "UPDATE", "unchanged", _CAME, " OR ".join(f"NEW.{name} <> OLD.{name}" for name in stands))
    guard("report", "DELETE", "kept", _CAME)
    only_added("lineage", "what was decided about reports stands")
    only_added("download", "a download is never forgotten")
    only_added("declared", "what was declared stands")
    guard("customer", "DELETE", "kept", "a customer stands")
    guard("site", "DELETE", "kept", "a site stands; it can be retired")
