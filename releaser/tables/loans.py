"""Loans of setups: who has what until when, by which login at each endpoint, and how it was proved dead.

No column holds a secret: accessors, leases and versions say where Vault has one, and open nothing by themselves.
"""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from patchline.releaser.tables.base import Base
from patchline.releaser.tables.setups import STRATEGIES

STATES = ("reserved", "issuing", "on-loan", "revoking", "returned", "quarantined", "cancelled")
PARTS = ("waiting", "made", "ending", "dead", "stated")
"""Of a login: not made yet; made; being ended; proved dead; ended by hand, as somebody says."""
_HELD = text("state IN ('issuing', 'on-loan', 'revoking', 'quarantined')")


def _words(column: str, words: tuple[str, ...]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(word) for word in words)})", name=column)


class Loan(Base):
    """A setup that a team has, or is to have, for a time; a booking is one that is reserved.

    Attributes:
        team: the borrower's.
        starts, due: its time; the due date may be moved.
        with_login: the lender's own login to Vault has to make it, and the broker must not.
        ssh_key: the borrower's public key, for certificates.
        accessor: names the loan's token in Vault, so that it can be ended; it cannot be used by it.
        level_before, level_after: the level that the site was at when it was lent and when it came back.
        drift_before, drift_after: files that were not as expected.
        reset: what became of the owner's reset hook.
        opened: when the borrower had the credentials.
        reminded: the newest reminder.
        ending, ending_by: when somebody began to end it, and who did; None for the clock.
        trouble: what stands in the way at present.
        alarm: when a hand-over was found opened by somebody else.
    """

    __tablename__ = "loan"
    __table_args__ = (
        _words("state", STATES),
        CheckConstraint("starts <= due", name="window"),
        Index("uq_loan_held", "setup", unique=True, postgresql_where=_HELD, sqlite_where=_HELD),
        Index("ix_loan_requested_id", "requested", "id"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    setup: Mapped[int] = mapped_column(ForeignKey("setup.site"), index=True)
    borrower: Mapped[str] = mapped_column(ForeignKey("person.id"))
    team: Mapped[str] = mapped_column(String(64))
    purpose: Mapped[str] = mapped_column(String(300))
    starts: Mapped[datetime]
    due: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(16), index=True)
    with_login: Mapped[bool]
    ssh_key: Mapped[str | None] = mapped_column(String(1000))
    requested: Mapped[datetime]
    approved: Mapped[datetime | None]
    lender: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    accessor: Mapped[str | None] = mapped_column(String(64))
    issued: Mapped[datetime | None]
    level_before: Mapped[str | None] = mapped_column(String(400))
    level_after: Mapped[str | None] = mapped_column(String(400))
    drift_before: Mapped[int | None]
    drift_after: Mapped[int | None]
    reset: Mapped[str | None] = mapped_column(String(16))
    opened: Mapped[datetime | None]
    reminded: Mapped[datetime | None]
    extended: Mapped[int]
    ending: Mapped[datetime | None]
    ending_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    ended: Mapped[datetime | None]
    trouble: Mapped[str | None] = mapped_column(String(300))
    alarm: Mapped[datetime | None]
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 (as the mapper reads it)


class LoanPart(Base):
    """The login that a loan has at one endpoint.

    Attributes:
        strategy: how it was made, whatever the endpoint says by now.
        username: a hint for people.
        lease: names what Vault ends with the loan's token.
        number: version in Vault of the login, at `setups/SETUP/loan/LOAN/ENDPOINT`.
        expires: when it ends by itself, None where it does not.
        told: what somebody says they did by hand.
        proved: when it was seen to fail.
    """

    __tablename__ = "loan_part"
    __table_args__ = (UniqueConstraint("loan", "endpoint"), _words("state", PARTS), _words("strategy", STRATEGIES))

    id: Mapped[int] = mapped_column(primary_key=True)
    loan: Mapped[str] = mapped_column(ForeignKey("loan.id"))
    endpoint: Mapped[int] = mapped_column(ForeignKey("setup_endpoint.id"))
    strategy: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    username: Mapped[str | None] = mapped_column(String(200))
    lease: Mapped[str | None] = mapped_column(String(200))
    number: Mapped[int | None]
    expires: Mapped[datetime | None]
    told: Mapped[str | None] = mapped_column(String(300))
    proved: Mapped[datetime | None]


class LoanHandover(Base):
    """A one-time wrapping of a loan's credentials, on its way to the borrower.

    Attributes:
        key: the public key to which the borrower's command wants it sealed, None where the lender hands it over.
        sealed: the wrapping's token, which that command alone can read; gone once it is opened.
        accessor: names the wrapping in Vault.
        expires: when nobody can open it any more.
        refused: why there is none.
    """

    __tablename__ = "loan_handover"

    id: Mapped[int] = mapped_column(primary_key=True)
    loan: Mapped[str] = mapped_column(ForeignKey("loan.id"), index=True)
    key: Mapped[str | None] = mapped_column(String(64))
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    accessor: Mapped[str | None] = mapped_column(String(64))
    asked: Mapped[datetime]
    asked_by: Mapped[str] = mapped_column(ForeignKey("person.id"))
    expires: Mapped[datetime | None]
    opened: Mapped[datetime | None]
    refused: Mapped[str | None] = mapped_column(String(300))


class LoanEvent(Base):
    """A step of a loan, for people who look at it later. Never changed; the audit chain has it too.

    Attributes:
        by: who did it, None for the clock.
    """

    __tablename__ = "loan_event"

    id: Mapped[int] = mapped_column(primary_key=True)
    loan: Mapped[str] = mapped_column(ForeignKey("loan.id"), index=True)
    action: Mapped[str] = mapped_column(String(32))
    told: Mapped[str] = mapped_column(String(300))
    at: Mapped[datetime]
    by: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
