"""Tokens of programs, and the answers that were given to requests already."""

import sqlalchemy as sa
from alembic import op

from patchline.migrations.guards import guard

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_CHANGED = " OR ".join(
    f"NEW.{name} IS DISTINCT FROM OLD.{name}" for name in ("digest", "kind", "person", "site", "expires", "prefix")
)


def upgrade() -> None:
    """Make the tables and what guards them."""
    op.create_table(
        "token",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=True),
        sa.Column("site", sa.Integer(), nullable=True),
        sa.Column("made", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_by", sa.String(length=64), nullable=True),
        sa.CheckConstraint("kind IN ('person', 'site-download', 'site-report')", name=op.f("ck_token_kind")),
        sa.CheckConstraint(
            "(kind = 'person') = (person IS NOT NULL) AND (kind = 'person') = (site IS NULL)",
            name=op.f("ck_token_owner"),
        ),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_token_person_person")),
        sa.ForeignKeyConstraint(["site"], ["site.id"], name=op.f("fk_token_site_site")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token")),
        sa.UniqueConstraint("digest", name=op.f("uq_token_digest")),
        sa.UniqueConstraint("prefix", name=op.f("uq_token_prefix")),
    )
    op.create_index(op.f("ix_token_person"), "token", ["person"], unique=False)
    op.create_index(op.f("ix_token_site"), "token", ["site"], unique=False)
    op.create_table(
        "answered",
        sa.Column("owner", sa.String(length=80), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("request", sa.String(length=64), nullable=False),
        sa.Column("begun", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("pk_answered")),
    )
    op.create_index(op.f("ix_answered_begun"), "answered", ["begun"], unique=False)
    guard("token", "UPDATE", "unchanged", "a token stays what it was made for", _CHANGED)
    guard(
        "token", "UPDATE", "ended", "a revoked token stays revoked", "OLD.revoked IS NOT NULL AND NEW.revoked IS NULL"
    )
    guard("token", "DELETE", "kept", "a token is revoked and never forgotten")
