"""Test setups: owner team, facets, endpoints, and where in Vault their credentials lie."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "setup",
        sa.Column("site", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("team", sa.String(length=64), nullable=False),
        sa.Column("sensitive", sa.Boolean(), nullable=False),
        sa.Column("added", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["added_by"], ["person.id"], name=op.f("fk_setup_added_by_person")),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_setup_site_site")),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_setup")),
    )
    op.create_index(op.f("ix_setup_team"), "setup", ["team"], unique=False)
    op.create_table(
        "setup_endpoint",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("setup", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("address", sa.String(length=300), nullable=False),
        sa.Column("strategy", sa.String(length=16), nullable=False),
        sa.CheckConstraint("kind IN ('ssh', 'database', 'ldap', 'http')", name=op.f("ck_setup_endpoint_kind")),
        sa.CheckConstraint(
            "strategy IN ('database-user', 'ssh-certificate', 'second-account', 'shared-account', 'by-hand')",
            name=op.f("ck_setup_endpoint_strategy"),
        ),
        sa.ForeignKeyConstraint(["setup"], ["setup.site"], name=op.f("fk_setup_endpoint_setup_setup")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_setup_endpoint")),
        sa.UniqueConstraint("setup", "name", name=op.f("uq_setup_endpoint_setup_name")),
    )
    op.create_table(
        "setup_facet",
        sa.Column("setup", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=80), nullable=False),
        sa.CheckConstraint(
            "kind IN ('ldap', 'load-balancer', 'database', 'cloud', 'browser', 'os', 'architecture', 'runtime', 'other')",
            name=op.f("ck_setup_facet_kind"),
        ),
        sa.ForeignKeyConstraint(["setup"], ["setup.site"], name=op.f("fk_setup_facet_setup_setup")),
        sa.PrimaryKeyConstraint("setup", "kind", "value", name=op.f("pk_setup_facet")),
    )
    op.create_table(
        "setup_credential",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("endpoint", sa.Integer(), nullable=False),
        sa.Column("audience", sa.String(length=16), nullable=False),
        sa.Column("mount", sa.String(length=64), nullable=False),
        sa.Column("path", sa.String(length=200), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("username", sa.String(length=200), nullable=False),
        sa.Column("rotated", sa.DateTime(timezone=True), nullable=True),
        sa.Column("added", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.CheckConstraint("audience IN ('team', 'loan')", name=op.f("ck_setup_credential_audience")),
        sa.ForeignKeyConstraint(["added_by"], ["person.id"], name=op.f("fk_setup_credential_added_by_person")),
        sa.ForeignKeyConstraint(
            ["endpoint"], ["setup_endpoint.id"], name=op.f("fk_setup_credential_endpoint_setup_endpoint")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_setup_credential")),
        sa.UniqueConstraint("endpoint", "audience", name=op.f("uq_setup_credential_endpoint_audience")),
    )
