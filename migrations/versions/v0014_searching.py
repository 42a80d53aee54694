"""Indexes by which sites are found: how their names and titles begin, their levels' digests, and told changes."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the indexes."""
    for column in ("name", "title"):
        op.create_index(
            f"ix_site_{column}", "site", [column], unique=False, postgresql_ops={column: "text_pattern_ops"}
        )
    op.create_index("ix_site_state_digest", "site_state", ["digest"], unique=False)
    op.create_index("ix_declared_reference", "declared", ["reference"], unique=False)
