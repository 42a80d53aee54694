"""Downloads by the pages: which file, how far it came, by whom, and which parts belong together."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; what was written down before has none of them."""
    op.add_column("download", sa.Column("attempt", sa.String(length=64), nullable=True))
    op.add_column("download", sa.Column("file", sa.String(length=160), nullable=True))
    op.add_column("download", sa.Column("extent", sa.BigInteger(), nullable=True))
    op.add_column("download", sa.Column("by", sa.String(length=100), nullable=True))
    op.create_index("ix_download_attempt_outcome", "download", ["attempt", "outcome"], unique=True)
