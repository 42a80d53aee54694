"""How a campaign stands at each of its baselines."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "campaign_baseline",
        sa.Column("campaign", sa.String(length=64), nullable=False),
        sa.Column("product", sa.String(length=64), nullable=False),
        sa.Column("baseline", sa.String(length=128), nullable=False),
        sa.Column("hotfix", sa.String(length=64), nullable=True),
        sa.Column("head", sa.String(length=64), nullable=True),
        sa.Column("resolved", sa.String(length=300), nullable=True),
        sa.Column("contained", sa.JSON(), nullable=False),
        sa.Column("stopped_at", sa.String(length=64), nullable=True),
        sa.Column("conflicts", sa.JSON(), nullable=False),
        sa.Column("problem", sa.String(length=1000), nullable=True),
        sa.ForeignKeyConstraint(["campaign"], ["campaign.id"], name=op.f("fk_campaign_baseline_campaign_campaign")),
        sa.ForeignKeyConstraint(["hotfix"], ["hotfix.id"], name=op.f("fk_campaign_baseline_hotfix_hotfix")),
        sa.ForeignKeyConstraint(
            ["product", "baseline"],
            ["baseline.product", "baseline.label"],
            name=op.f("fk_campaign_baseline_product_baseline_baseline"),
        ),
        sa.PrimaryKeyConstraint("campaign", "baseline", name=op.f("pk_campaign_baseline")),
        sa.UniqueConstraint("hotfix", name=op.f("uq_campaign_baseline_hotfix")),
    )
