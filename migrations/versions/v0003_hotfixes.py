"""Hotfixes, revisions, their steps, and what was signed about them."""

import sqlalchemy as sa
from alembic import op

from patchline.migrations.guards import guard, only_added

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables and what guards them."""
    op.create_table(
        "counter",
        sa.Column("series", sa.String(length=64), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("series", name=op.f("pk_counter")),
    )
    op.create_table(
        "campaign",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("product", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("commits", sa.JSON(), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("fixes", sa.JSON(), nullable=False),
        sa.Column("customers", sa.JSON(), nullable=True),
        sa.Column("recipe", sa.String(length=64), nullable=True),
        sa.Column("added", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["added_by"], ["person.id"], name=op.f("fk_campaign_added_by_person")),
        sa.ForeignKeyConstraint(["product"], ["product.id"], name=op.f("fk_campaign_product_product")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign")),
    )
    op.create_table(
        "policy",
        sa.Column("product", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("taken", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["product"], ["product.id"], name=op.f("fk_policy_product_product")),
        sa.PrimaryKeyConstraint("product", "number", name=op.f("pk_policy")),
        sa.UniqueConstraint("digest", name=op.f("uq_policy_digest")),
    )
    op.create_table(
        "hotfix",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("product", sa.String(length=64), nullable=False),
        sa.Column("baseline", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("fixes", sa.JSON(), nullable=False),
        sa.Column("customers", sa.JSON(), nullable=True),
        sa.Column("campaign", sa.String(length=64), nullable=True),
        sa.Column("legacy", sa.Boolean(), nullable=False),
        sa.Column("added", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["added_by"], ["person.id"], name=op.f("fk_hotfix_added_by_person")),
        sa.ForeignKeyConstraint(["campaign"], ["campaign.id"], name=op.f("fk_hotfix_campaign_campaign")),
        sa.ForeignKeyConstraint(
            ["product", "baseline"],
            ["baseline.product", "baseline.label"],
            name=op.f("fk_hotfix_product_baseline_baseline"),
        ),
        sa.ForeignKeyConstraint(["product"], ["product.id"], name=op.f("fk_hotfix_product_product")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hotfix")),
    )
    op.create_index(op.f("ix_hotfix_campaign"), "hotfix", ["campaign"], unique=False)
    op.create_index("ix_hotfix_added_id", "hotfix", ["added", "id"], unique=False)
    op.create_index("ix_hotfix_product_baseline", "hotfix", ["product", "baseline"], unique=False)
    op.create_table(
        "revision",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("hotfix", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("manifest_sha256", sa.String(length=64), nullable=True),
        sa.Column("manifest", sa.LargeBinary(), nullable=True),
        sa.Column("container_sha256", sa.String(length=64), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("provenance", sa.LargeBinary(), nullable=True),
        sa.Column("builder", sa.String(length=64), nullable=True),
        sa.Column("release_line", sa.LargeBinary(), nullable=True),
        sa.Column("release_signature", sa.LargeBinary(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("embargo_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("published", sa.DateTime(timezone=True), nullable=True),
        sa.Column("zip_sha256", sa.String(length=64), nullable=True),
        sa.Column("zip_size", sa.BigInteger(), nullable=True),
        sa.Column("emergency_hours", sa.Integer(), nullable=True),
        sa.Column("ratified", sa.DateTime(timezone=True), nullable=True),
        sa.Column("legacy", sa.Boolean(), nullable=False),
        sa.Column("added", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "legacy OR state IN ('draft', 'abandoned') OR manifest_sha256 IS NOT NULL", name=op.f("ck_revision_built")
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'built', 'in-review', 'approved', 'published', 'held', 'recalled', 'rejected', 'abandoned')",
            name=op.f("ck_revision_state"),
        ),
        sa.ForeignKeyConstraint(["added_by"], ["person.id"], name=op.f("fk_revision_added_by_person")),
        sa.ForeignKeyConstraint(["hotfix"], ["hotfix.id"], name=op.f("fk_revision_hotfix_hotfix")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revision")),
        sa.UniqueConstraint("hotfix", "number", name=op.f("uq_revision_hotfix_number")),
        sa.UniqueConstraint("id", "manifest_sha256", name=op.f("uq_revision_id_manifest_sha256")),
        sa.UniqueConstraint("manifest_sha256", name=op.f("uq_revision_manifest_sha256")),
    )
    op.create_index("ix_revision_state", "revision", ["state"], unique=False)
    op.create_table(
        "approval",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("manifest_sha256", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("keyid", sa.String(length=64), nullable=False),
        sa.Column("reproduced", sa.Boolean(), nullable=False),
        sa.Column("scope", sa.JSON(), nullable=True),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("envelope_sha256", sa.String(length=64), nullable=False),
        sa.Column("taken", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_by", sa.String(length=64), nullable=False),
        sa.CheckConstraint("kind IN ('approval', 'emergency', 'reproduced')", name=op.f("ck_approval_kind")),
        sa.ForeignKeyConstraint(
            ["revision", "manifest_sha256"],
            ["revision.id", "revision.manifest_sha256"],
            name=op.f("fk_approval_revision_manifest_sha256_revision"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval")),
        sa.UniqueConstraint("envelope_sha256", name=op.f("uq_approval_envelope_sha256")),
        sa.UniqueConstraint("revision", "person", "kind", name=op.f("uq_approval_revision_person_kind")),
    )
    op.create_table(
        "contributor",
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("person", sa.String(length=80), nullable=False),
        sa.Column("part", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["revision"], ["revision.id"], name=op.f("fk_contributor_revision_revision")),
        sa.PrimaryKeyConstraint("revision", "person", "part", name=op.f("pk_contributor")),
    )
    op.create_table(
        "evidence",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("manifest_sha256", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("added", sa.DateTime(timezone=True), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["added_by"], ["person.id"], name=op.f("fk_evidence_added_by_person")),
        sa.ForeignKeyConstraint(["revision"], ["revision.id"], name=op.f("fk_evidence_revision_revision")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
        sa.UniqueConstraint(
            "revision", "manifest_sha256", "sha256", name=op.f("uq_evidence_revision_manifest_sha256_sha256")
        ),
    )
    op.create_index(op.f("ix_evidence_revision"), "evidence", ["revision"], unique=False)
    op.create_table(
        "recall",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("statement_sha256", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("envelope_sha256", sa.String(length=64), nullable=False),
        sa.Column("taken", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('recall', 'reinstatement')", name=op.f("ck_recall_kind")),
        sa.ForeignKeyConstraint(["revision"], ["revision.id"], name=op.f("fk_recall_revision_revision")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recall")),
        sa.UniqueConstraint("envelope_sha256", name=op.f("uq_recall_envelope_sha256")),
        sa.UniqueConstraint(
            "revision", "statement_sha256", "person", name=op.f("uq_recall_revision_statement_sha256_person")
        ),
    )
    op.create_index(op.f("ix_recall_revision"), "recall", ["revision"], unique=False)
    op.create_table(
        "recall_list",
        sa.Column("product", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("issued", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["product"], ["product.id"], name=op.f("fk_recall_list_product_product")),
        sa.PrimaryKeyConstraint("product", "number", name=op.f("pk_recall_list")),
    )
    op.create_table(
        "revision_file",
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("root", sa.String(length=32), nullable=False),
        sa.Column("path", sa.String(length=1024), nullable=False),
        sa.ForeignKeyConstraint(["revision"], ["revision.id"], name=op.f("fk_revision_file_revision_revision")),
        sa.PrimaryKeyConstraint("revision", "root", "path", name=op.f("pk_revision_file")),
    )
    op.create_index("ix_revision_file_root_path", "revision_file", ["root", "path"], unique=False)
    op.create_table(
        "revision_cve",
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("fix", sa.String(length=64), nullable=False),
        sa.Column("cve", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["revision"], ["revision.id"], name=op.f("fk_revision_cve_revision_revision")),
        sa.PrimaryKeyConstraint("revision", "fix", "cve", name=op.f("pk_revision_cve")),
    )
    op.create_index("ix_revision_cve_cve", "revision_cve", ["cve"], unique=False)
    op.create_table(
        "revision_fix",
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("fix", sa.String(length=64), nullable=False),
        sa.Column("coverage", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["revision"], ["revision.id"], name=op.f("fk_revision_fix_revision_revision")),
        sa.PrimaryKeyConstraint("revision", "fix", name=op.f("pk_revision_fix")),
    )
    op.create_index("ix_revision_fix_fix", "revision_fix", ["fix"], unique=False)
    op.create_table(
        "step",
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=True),
        sa.ForeignKeyConstraint(["revision"], ["revision.id"], name=op.f("fk_step_revision_revision")),
        sa.PrimaryKeyConstraint("revision", "number", name=op.f("pk_step")),
    )
    _guard_hotfixes()
    _guard_revisions()
    _guard_votes()
    for table, rule in (
        ("step", "what happened to a revision stands"),
        ("evidence", "evidence stands as it was given"),
        ("policy", "a policy stands as it was signed"),
        ("recall", "a recall stands"),
        ("recall_list", "a recall list stands as it was issued"),
    ):
        only_added(table, rule)
    for table, rule in (("policy", "a policy is not older"), ("recall_list", "numbers of recall lists grow")):
        newest = f"(SELECT max(number) FROM {table} WHERE product = NEW.product)"  # noqa: S608 (our own tables)
        guard(table, "INSERT", "newer", rule, f"NEW.number <= {newest}")


def _guard_hotfixes() -> None:
    frozen = ("id", "product", "baseline", "legacy", "added", "added_by")
    changed = " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in frozen)
    guard("hotfix", "UPDATE", "frozen", "a hotfix stays what it was made for", changed)
    guard("hotfix", "DELETE", "kept", "a hotfix stands")
    guard("counter", "UPDATE", "grows", "a number is never given twice", "NEW.last <= OLD.last")
    guard("counter", "DELETE", "kept", "a number is never given twice")


LIFE = [
    "draft>built",
    "draft>abandoned",
    "built>in-review",
    "built>abandoned",
    "in-review>approved",
    "in-review>rejected",
    "in-review>abandoned",
    "approved>published",
    "approved>recalled",
    "published>held",
    "published>recalled",
    "held>published",
    "held>recalled",
    "recalled>approved",
    "recalled>published",
]
"""Every change of state that the transition table knows."""


def _guard_revisions() -> None:
    born = "NEW.state <> 'draft' AND NOT (NEW.legacy AND NEW.state = 'published')"
    guard("revision", "INSERT", "born", "a revision begins as a draft", born)
    moved = "NEW.state <> OLD.state AND OLD.state || '>' || NEW.state NOT IN ({})"
    listed = ", ".join(f"'{step}'" for step in LIFE)
    guard("revision", "UPDATE", "life", "a revision does not become this from that", moved.format(listed))
    bytes_of_it = ("manifest_sha256", "manifest", "container_sha256", "size", "provenance", "builder")
    named = ("hotfix", "number", "legacy", "added", "added_by")
    changed = " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in bytes_of_it)
    # The step of submitting itself fixes the provenance.
    submitted = "OLD.state NOT IN ('draft', 'built')"
    guard("revision", "UPDATE", "frozen", "a submitted revision keeps its bytes", f"{submitted} AND ({changed})")
    changed = " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in named)
    guard("revision", "UPDATE", "named", "a revision keeps its name", changed)
    guard("revision", "DELETE", "kept", "a revision stands")
    taken_back = "EXISTS (SELECT 1 FROM recall WHERE revision = NEW.id AND kind = 'reinstatement')"
    guard(
        "revision",
        "UPDATE",
        "recalled",
        "a recalled revision is not served",
        f"OLD.state = 'recalled' AND NEW.state <> 'recalled' AND NOT {taken_back}",
    )
    voted = "EXISTS (SELECT 1 FROM approval WHERE revision = NEW.id)"
    guard(
        "revision",
        "UPDATE",
        "voted",
        "nobody approved it",
        f"NEW.state = 'approved' AND OLD.state <> 'approved' AND NOT {voted}",
    )


def _guard_votes() -> None:
    only_added("approval", "an approval stands")
    contributed = "EXISTS (SELECT 1 FROM contributor WHERE revision = NEW.revision AND person = NEW.person)"
    guard("approval", "INSERT", "independent", "who contributed does not approve", contributed)
    state = "(SELECT state FROM revision WHERE id = {})"
    closed = f"{state.format('NEW.revision')} NOT IN ('in-review', 'approved', 'published', 'held')"
    guard("approval", "INSERT", "reviewed", "it is not in review", closed)
    open_states = f"{state} NOT IN ('draft', 'built')"
    rule = "contributors stand once it was submitted"
    guard("contributor", "INSERT", "frozen", rule, open_states.format("NEW.revision"))
    guard("contributor", "DELETE", "kept", rule, open_states.format("OLD.revision"))
    guard("contributor", "UPDATE", "unchanged", rule)
    for table in ("revision_fix", "revision_cve", "revision_file"):
        rule = "what a submitted revision mends and changes stands"
        guard(table, "INSERT", "frozen", rule, open_states.format("NEW.revision") + _LEGACY)
        guard(table, "DELETE", "kept", rule, open_states.format("OLD.revision"))
        guard(table, "UPDATE", "unchanged", rule)


_LEGACY = " AND NOT (SELECT legacy FROM revision WHERE id = NEW.revision)"
