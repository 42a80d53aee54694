"""People of customers; what they say of a recall is written down as said by them, who are no persons of the vendor."""

import sqlalchemy as sa
from alembic import op

from patchline.migrations.guards import only_added

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and let members stand in `acknowledgement.added_by`."""
    op.create_table(
        "member",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("customer", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("added", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.String(length=64), nullable=True),
        sa.CheckConstraint("role IN ('admin', 'reader')", name=op.f("ck_member_role")),
        sa.ForeignKeyConstraint(["customer"], ["customer.id"], name=op.f("fk_member_customer_customer")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member")),
    )
    there = sa.text("ended IS NULL")
    op.create_index("ix_member_address", "member", ["address"], unique=True, sqlite_where=there, postgresql_where=there)
    op.create_index(op.f("ix_member_customer"), "member", ["customer"], unique=False)
    action = sa.CheckConstraint(
        "action IN ('rolled-back', 'patched', 'accepted-risk')", name=op.f("ck_acknowledgement_action")
    )
    with op.batch_alter_table("acknowledgement", table_args=(action,)) as table:
        table.drop_constraint(op.f("fk_acknowledgement_added_by_person"), type_="foreignkey")
    if op.get_bind().dialect.name == "sqlite":  # There the table was made anew, without what guards it.
        only_added("acknowledgement", "what a customer said stands")
