"""Keys of persons that lie in their browsers."""

import sqlalchemy as sa
from alembic import op

from patchline.migrations.guards import guard

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_CHANGED = " OR ".join(
    f"NEW.{name} IS DISTINCT FROM OLD.{name}" for name in ("keyid", "person", "public", "enrolment", "added")
)


def upgrade() -> None:
    """Make the table and what guards it."""
    op.create_table(
        "browser_key",
        sa.Column("keyid", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("device", sa.String(length=80), nullable=False),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("enrolment", sa.LargeBinary(), nullable=False),
        sa.Column("added", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retired", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_browser_key_person_person")),
        sa.PrimaryKeyConstraint("keyid", name=op.f("pk_browser_key")),
    )
    op.create_index(op.f("ix_browser_key_person"), "browser_key", ["person"], unique=False)
    guard("browser_key", "UPDATE", "unchanged", "a key stays with its person", _CHANGED)
    guard(
        "browser_key",
        "UPDATE",
        "ended",
        "a retired key stays retired",
        "OLD.retired IS NOT NULL AND NEW.retired IS NULL",
    )
    guard("browser_key", "DELETE", "kept", "a key is retired and never forgotten")
