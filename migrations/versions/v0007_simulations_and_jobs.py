"""Simulations against sites, the outbox of wishes and, on PostgreSQL, the schema of procrastinate.

Its tables lie in a schema of their own, so that nothing of ours meets them. Its comment names the newest of
procrastinate's own migrations that it holds: a newer procrastinate needs a migration of ours that runs those after it.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

from patchline.migrations.guards import only_added

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables and what guards them."""
    op.create_table(
        "simulation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("manifest_sha256", sa.String(length=64), nullable=False),
        sa.Column("against", sa.String(length=64), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("made", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["made_by"], ["person.id"], name=op.f("fk_simulation_made_by_person")),
        sa.ForeignKeyConstraint(["revision"], ["revision.id"], name=op.f("fk_simulation_revision_revision")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_simulation")),
    )
    op.create_index(op.f("ix_simulation_revision"), "simulation", ["revision"], unique=False)
    op.create_table(
        "wish",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("job", sa.String(length=64), nullable=False),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("asked", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["asked_by"], ["person.id"], name=op.f("fk_wish_asked_by_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wish")),
    )
    op.create_table(
        "wish_end",
        sa.Column("wish", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("told", sa.String(length=1000), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("outcome IN ('done', 'refused')", name=op.f("ck_wish_end_outcome")),
        sa.ForeignKeyConstraint(["wish"], ["wish.id"], name=op.f("fk_wish_end_wish_wish")),
        sa.PrimaryKeyConstraint("wish", name=op.f("pk_wish_end")),
    )
    op.add_column("product", sa.Column("simulation_required", sa.Boolean(), server_default=sa.false(), nullable=False))
    only_added("simulation", "a simulation stands as it was made")
    only_added("wish", "a wish is never forgotten")
    only_added("wish_end", "what became of a wish stands")
    if op.get_bind().dialect.name == "postgresql":
        _procrastinate()


def _procrastinate() -> None:
    """Make what procrastinate needs, where nothing else lies."""
    from procrastinate.schema import SchemaManager  # Every command reads the migrations; it takes long to import.

    newest = max(path.stem for path in Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    for statement in (
        "CREATE SCHEMA procrastinate",
        "SET LOCAL search_path TO procrastinate",
        SchemaManager.get_schema(),
        "SET LOCAL search_path TO DEFAULT",
        f"COMMENT ON SCHEMA procrastinate IS '{newest}'",
    ):
        op.get_bind().connection.cursor().execute(statement)  # With no parameters, so that % is only a character.
