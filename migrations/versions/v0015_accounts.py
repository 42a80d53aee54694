"""Accounts, links by which they are set up, and counted tries of passwords."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_AUDIENCE = "audience IN ('vendor', 'customer')"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "account",
        sa.Column("audience", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("password", sa.String(length=200), nullable=True),
        sa.Column("changed", sa.DateTime(timezone=True), nullable=True),
        sa.Column("issuer", sa.String(length=200), nullable=True),
        sa.Column("outside", sa.String(length=255), nullable=True),
        sa.CheckConstraint(_AUDIENCE, name=op.f("ck_account_audience")),
        sa.CheckConstraint("(issuer IS NULL) = (outside IS NULL)", name=op.f("ck_account_outside")),
        sa.PrimaryKeyConstraint("audience", "subject", name=op.f("pk_account")),
        sa.UniqueConstraint("audience", "issuer", "outside", name=op.f("uq_account_audience_issuer_outside")),
    )
    op.create_table(
        "enrolment_link",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("audience", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("made", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(_AUDIENCE, name=op.f("ck_enrolment_link_audience")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_enrolment_link")),
    )
    op.create_index("ix_enrolment_link_subject", "enrolment_link", ["audience", "subject"], unique=False)
    op.create_index(op.f("ix_enrolment_link_expires"), "enrolment_link", ["expires"], unique=False)
    op.create_table(
        "sign_in_tries",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("last", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_sign_in_tries")),
    )
    op.create_index(op.f("ix_sign_in_tries_last"), "sign_in_tries", ["last"], unique=False)
    op.add_column("web_session", sa.Column("browser", sa.String(length=80), server_default="", nullable=False))
