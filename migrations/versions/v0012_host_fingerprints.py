"""Endpoints of setups: the fingerprint of the host key that a person compared."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("setup_endpoint", sa.Column("host_fingerprint", sa.String(length=50), nullable=True))
