"""What sites of customers are made of."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "site_facets",
        sa.Column("site", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("facets", sa.Text(), nullable=False),
        sa.Column("told", sa.DateTime(timezone=True), nullable=False),
        sa.Column("told_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_site_facets_site_site")),
        sa.ForeignKeyConstraint(["told_by"], ["person.id"], name=op.f("fk_site_facets_told_by_person")),
        sa.PrimaryKeyConstraint("site", name=op.f("pk_site_facets")),
    )
