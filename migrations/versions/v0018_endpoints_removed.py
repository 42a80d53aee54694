"""Setups are edited; their endpoints are removed by saying when, and what was lent there keeps pointing at them."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column("setup", sa.Column("edited", sa.DateTime(timezone=True), nullable=True))
    op.add_column("setup_endpoint", sa.Column("removed", sa.DateTime(timezone=True), nullable=True))
