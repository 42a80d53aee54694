"""Products, frozen baselines with their contents, and issues."""

import sqlalchemy as sa
from alembic import op

from patchline.migrations.guards import guard, only_added

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables and what guards them."""
    op.create_table(
        "product",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("repository", sa.String(length=1000), nullable=True),
        sa.Column("added", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product")),
    )
    op.create_table(
        "container",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("finding", sa.String(length=32), nullable=True),
        sa.Column("told", sa.String(length=1000), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_container")),
        sa.UniqueConstraint("sha256", name=op.f("uq_container_sha256")),
    )
    found = sa.text("finding IS NOT NULL")
    op.create_index("ix_container_finding", "container", ["finding"], sqlite_where=found, postgresql_where=found)
    op.create_table(
        "baseline",
        sa.Column("product", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("tag", sa.String(length=300), nullable=True),
        sa.Column("commit_id", sa.String(length=64), nullable=True),
        sa.Column("tree_id", sa.String(length=64), nullable=True),
        sa.Column("source", sa.String(length=1000), nullable=True),
        sa.Column("files", sa.LargeBinary(), nullable=False),
        sa.Column("files_sha256", sa.String(length=64), nullable=False),
        sa.Column("container", sa.Integer(), nullable=False),
        sa.Column("added", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.Column("support_ends", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(kind = 'git') = (commit_id IS NOT NULL) AND (kind = 'git' OR source IS NOT NULL)",
            name=op.f("ck_baseline_origin"),
        ),
        sa.CheckConstraint("kind IN ('git', 'artefacts')", name=op.f("ck_baseline_kind")),
        sa.ForeignKeyConstraint(["added_by"], ["person.id"], name=op.f("fk_baseline_added_by_person")),
        sa.ForeignKeyConstraint(["container"], ["container.id"], name=op.f("fk_baseline_container_container")),
        sa.ForeignKeyConstraint(["product"], ["product.id"], name=op.f("fk_baseline_product_product")),
        sa.PrimaryKeyConstraint("product", "label", name=op.f("pk_baseline")),
        sa.UniqueConstraint("container", name=op.f("uq_baseline_container")),
    )
    op.create_table(
        "issue",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("product", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("cve", sa.JSON(), nullable=False),
        sa.Column("workaround", sa.String(length=10000), nullable=True),
        sa.Column("added", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["added_by"], ["person.id"], name=op.f("fk_issue_added_by_person")),
        sa.ForeignKeyConstraint(["product"], ["product.id"], name=op.f("fk_issue_product_product")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issue")),
    )
    op.create_table(
        "affected",
        sa.Column("issue", sa.String(length=64), nullable=False),
        sa.Column("product", sa.String(length=64), nullable=False),
        sa.Column("baseline", sa.String(length=128), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=True),
        sa.CheckConstraint(
            "status = 'affected' OR status = 'investigating' OR reason IS NOT NULL", name=op.f("ck_affected_reason")
        ),
        sa.CheckConstraint(
            "status IN ('affected', 'not-affected', 'investigating', 'no-fix-planned')", name=op.f("ck_affected_status")
        ),
        sa.ForeignKeyConstraint(["issue"], ["issue.id"], name=op.f("fk_affected_issue_issue")),
        sa.ForeignKeyConstraint(
            ["product", "baseline"],
            ["baseline.product", "baseline.label"],
            name=op.f("fk_affected_product_baseline_baseline"),
        ),
        sa.PrimaryKeyConstraint("issue", "product", "baseline", name=op.f("pk_affected")),
    )
    op.create_table(
        "content",
        sa.Column("container", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("path", sa.String(length=4000), nullable=False),
        sa.Column("name", sa.String(length=400), nullable=False),
        sa.Column("stem", sa.String(length=400), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("component", sa.String(length=400), nullable=True),
        sa.Column("component_name", sa.String(length=400), nullable=True),
        sa.Column("component_version", sa.String(length=128), nullable=True),
        sa.ForeignKeyConstraint(["container"], ["container.id"], name=op.f("fk_content_container_container")),
        sa.PrimaryKeyConstraint("container", "number", name=op.f("pk_content")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_content_stem", "content", ["stem"])
    op.create_index("ix_content_sha256", "content", ["sha256"])
    named = sa.text("component_name IS NOT NULL")
    op.create_index(
        "ix_content_component_name", "content", ["component_name"], sqlite_where=named, postgresql_where=named
    )
    frozen = ("product", "label", "kind", "tag", "commit_id", "tree_id", "source", "files", "files_sha256", "container")
    changed = " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in frozen)
    guard("baseline", "UPDATE", "frozen", "a baseline stands as it was added", changed)
    guard("baseline", "DELETE", "kept", "a baseline stands as it was added")
    only_added("container", "what lies in an archive or baseline stands")
    only_added("content", "what lies in an archive or baseline stands")
