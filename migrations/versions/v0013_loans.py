"""Loans of setups: logins, hand-overs, events; and that no two loans have one setup at the same time."""

import sqlalchemy as sa
from alembic import op

from patchline.migrations.guards import guard, only_added

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

LIFE = [
    "reserved>issuing",
    "reserved>cancelled",
    "issuing>on-loan",
    "issuing>reserved",
    "issuing>revoking",
    "on-loan>revoking",
    "revoking>returned",
    "revoking>quarantined",
    "quarantined>returned",
]
"""Every change of state that the table of loans knows, but for those of the clock."""
_ENDED = "('returned', 'cancelled')"
_OTHER = (
    "SELECT 1 FROM loan AS other WHERE other.setup = NEW.setup AND other.id <> NEW.id "
    "AND other.state NOT IN ('returned', 'cancelled') AND other.starts < NEW.due AND NEW.starts < other.due"
)


def upgrade() -> None:
    """Make the tables and what guards them."""
    _make_loans()
    _make_parts()
    only_added("loan_event", "what became of a loan stands")
    _guard_loans()


def _make_loans() -> None:
    op.create_table(
        "loan",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("setup", sa.Integer(), nullable=False),
        sa.Column("borrower", sa.String(length=64), nullable=False),
        sa.Column("team", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=300), nullable=False),
        sa.Column("starts", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("with_login", sa.Boolean(), nullable=False),
        sa.Column("ssh_key", sa.String(length=1000), nullable=True),
        sa.Column("requested", sa.DateTime(timezone=True), nullable=False),
        sa.Column("approved", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lender", sa.String(length=64), nullable=True),
        sa.Column("accessor", sa.String(length=64), nullable=True),
        sa.Column("issued", sa.DateTime(timezone=True), nullable=True),
        sa.Column("level_before", sa.String(length=400), nullable=True),
        sa.Column("level_after", sa.String(length=400), nullable=True),
        sa.Column("drift_before", sa.Integer(), nullable=True),
        sa.Column("drift_after", sa.Integer(), nullable=True),
        sa.Column("reset", sa.String(length=16), nullable=True),
        sa.Column("opened", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reminded", sa.DateTime(timezone=True), nullable=True),
        sa.Column("extended", sa.Integer(), nullable=False),
        sa.Column("ending", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ending_by", sa.String(length=64), nullable=True),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trouble", sa.String(length=300), nullable=True),
        sa.Column("alarm", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state IN ('reserved', 'issuing', 'on-loan', 'revoking', 'returned', 'quarantined', 'cancelled')",
            name=op.f("ck_loan_state"),
        ),
        sa.CheckConstraint("starts <= due", name=op.f("ck_loan_window")),
        sa.ForeignKeyConstraint(["borrower"], ["person.id"], name=op.f("fk_loan_borrower_person")),
        sa.ForeignKeyConstraint(["ending_by"], ["person.id"], name=op.f("fk_loan_ending_by_person")),
        sa.ForeignKeyConstraint(["lender"], ["person.id"], name=op.f("fk_loan_lender_person")),
        sa.ForeignKeyConstraint(["setup"], ["setup.site"], name=op.f("fk_loan_setup_setup")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_loan")),
    )
    op.create_index("ix_loan_requested_id", "loan", ["requested", "id"], unique=False)
    op.create_index(op.f("ix_loan_setup"), "loan", ["setup"], unique=False)
    op.create_index(op.f("ix_loan_state"), "loan", ["state"], unique=False)
    op.create_index(
        "uq_loan_held",
        "loan",
        ["setup"],
        unique=True,
        postgresql_where=sa.text("state IN ('issuing', 'on-loan', 'revoking', 'quarantined')"),
        sqlite_where=sa.text("state IN ('issuing', 'on-loan', 'revoking', 'quarantined')"),
    )


def _make_parts() -> None:
    op.create_table(
        "loan_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("loan", sa.String(length=32), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("told", sa.String(length=300), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["by"], ["person.id"], name=op.f("fk_loan_event_by_person")),
        sa.ForeignKeyConstraint(["loan"], ["loan.id"], name=op.f("fk_loan_event_loan_loan")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_loan_event")),
    )
    op.create_index(op.f("ix_loan_event_loan"), "loan_event", ["loan"], unique=False)
    op.create_table(
        "loan_handover",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("loan", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("accessor", sa.String(length=64), nullable=True),
        sa.Column("asked", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by", sa.String(length=64), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refused", sa.String(length=300), nullable=True),
        sa.ForeignKeyConstraint(["asked_by"], ["person.id"], name=op.f("fk_loan_handover_asked_by_person")),
        sa.ForeignKeyConstraint(["loan"], ["loan.id"], name=op.f("fk_loan_handover_loan_loan")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_loan_handover")),
    )
    op.create_index(op.f("ix_loan_handover_loan"), "loan_handover", ["loan"], unique=False)
    op.create_table(
        "loan_part",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("loan", sa.String(length=32), nullable=False),
        sa.Column("endpoint", sa.Integer(), nullable=False),
        sa.Column("strategy", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("username", sa.String(length=200), nullable=True),
        sa.Column("lease", sa.String(length=200), nullable=True),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told", sa.String(length=300), nullable=True),
        sa.Column("proved", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('waiting', 'made', 'ending', 'dead', 'stated')", name=op.f("ck_loan_part_state")),
        sa.CheckConstraint(
            "strategy IN ('database-user', 'ssh-certificate', 'second-account', 'shared-account', 'by-hand')",
            name=op.f("ck_loan_part_strategy"),
        ),
        sa.ForeignKeyConstraint(["endpoint"], ["setup_endpoint.id"], name=op.f("fk_loan_part_endpoint_setup_endpoint")),
        sa.ForeignKeyConstraint(["loan"], ["loan.id"], name=op.f("fk_loan_part_loan_loan")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_loan_part")),
        sa.UniqueConstraint("loan", "endpoint", name=op.f("uq_loan_part_loan_endpoint")),
    )


def _guard_loans() -> None:
    guard("loan", "INSERT", "born", "a loan begins as a reservation", "NEW.state <> 'reserved'")
    moved = "NEW.state <> OLD.state AND OLD.state || '>' || NEW.state NOT IN ({})"
    listed = ", ".join(f"'{step}'" for step in LIFE)
    guard("loan", "UPDATE", "life", "a loan does not become this from that", moved.format(listed))
    named = ("setup", "borrower", "team", "requested")
    changed = " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in named)
    guard("loan", "UPDATE", "named", "a loan stays whose it is", changed)
    guard("loan", "DELETE", "kept", "a loan stands")
    alive = "EXISTS (SELECT 1 FROM loan_part WHERE loan = NEW.id AND state NOT IN ('dead', 'stated'))"
    guard("loan", "UPDATE", "proved", "a login of it is not proved dead", f"NEW.state = 'returned' AND {alive}")
    taken = f"NEW.state NOT IN {_ENDED} AND EXISTS ({_OTHER})"
    for event in ("INSERT", "UPDATE"):
        guard("loan", event, f"alone_{event.lower()}", "another loan has the setup in that time", taken)
    if op.get_bind().dialect.name == "postgresql":
        # A trigger does not see what others have not committed yet; this waits for them.
        op.execute(
            "ALTER TABLE loan ADD CONSTRAINT ex_loan_alone EXCLUDE USING gist "
            "(int4range(setup, setup, '[]') WITH &&, tstzrange(starts, due) WITH &&) "
            f"WHERE (state NOT IN {_ENDED})"
        )
