"""Kits that customers order, and those that were made."""

import sqlalchemy as sa
from alembic import op

from patchline.migrations.guards import only_added

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables; both are facts."""
    op.create_table(
        "kit_order",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("site", sa.Integer(), nullable=False),
        sa.Column("member", sa.String(length=64), nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("asked", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["member"], ["member.id"], name=op.f("fk_kit_order_member_member")),
        sa.ForeignKeyConstraint(["number"], ["wish.id"], name=op.f("fk_kit_order_number_wish")),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_kit_order_site_site")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_kit_order")),
    )
    op.create_index(op.f("ix_kit_order_site"), "kit_order", ["site"], unique=False)
    op.create_table(
        "kit_made",
        sa.Column("order", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("releases", sa.JSON(), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["order"], ["kit_order.number"], name=op.f("fk_kit_made_order_kit_order")),
        sa.PrimaryKeyConstraint("order", name=op.f("pk_kit_made")),
    )
    only_added("kit_order", "what was ordered stands")
    only_added("kit_made", "what was made stands")
