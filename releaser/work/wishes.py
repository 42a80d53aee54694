"""The outbox: a wish is written in the change that asks for it, and a job carries it out.

- A wish is there exactly when the change is. Without an end it is open, whatever became of the process that worked on
  it; so nothing is lost, and a killed job runs again.
- Each wish ends once. That its job does nothing twice is the job's own rule (`releaser.work.jobs`).
- An embedded register carries its wishes out at once, in the same process; on PostgreSQL workers do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, select, text
from sqlalchemy.orm import Session

from patchline.patches.errors import PatchlineError
from patchline.releaser import audit
from patchline.releaser.register import Change, Register
from patchline.releaser.tables.base import Moment
from patchline.releaser.tables.work import Wish, WishEnd
from patchline.releaser.work import queue
from patchline.releaser.work.kinds import Kind

DONE, REFUSED = "done", "refused"
_LONGEST = 1000
_END = text(
    "INSERT INTO wish_end (wish, outcome, told, at) VALUES (:wish, :outcome, :told, :at) "
    "ON CONFLICT (wish) DO NOTHING RETURNING wish"
).bindparams(bindparam("at", type_=Moment))


@dataclass(frozen=True)
class End:
    """How a wish ended. `error` says why it was refused, where this very process tried it."""

    outcome: str
    told: str
    error: PatchlineError | None = None


def ask(change: Change, kind: Kind, arguments: Mapping[str, Any]) -> int:
    """Write a wish down, in the transaction of a change; return its number."""
    wish = Wish(job=kind.name, arguments=dict(arguments), asked=change.now, asked_by=change.by)
    change.session.add(wish)
    change.session.flush()
    change.record("work.ask", f"{kind.name} {wish.id}")
    if change.session.get_bind().dialect.name == "postgresql":
        queue.defer(change.session, kind, wish.id)
    return wish.id


def open_wishes(session: Session) -> list[tuple[int, str]]:
    """Return the wishes that did not end yet, number and job, the oldest first."""
    query = select(Wish.id, Wish.job).where(is_open()).order_by(Wish.id)
    return [(row.id, row.job) for row in session.execute(query)]


def count_open(session: Session) -> int:
    """Return how many wishes did not end yet."""
    return session.scalar(select(func.count()).select_from(Wish).where(is_open())) or 0


def is_open() -> ColumnElement[bool]:
    """Return the condition that a wish did not end yet."""
    return ~select(WishEnd.wish).where(WishEnd.wish == Wish.id).exists()


def close(register: Register, number: int, job: str, end: End, by: str, now: datetime) -> None:
    """Write down how a wish ended; whoever is second writes nothing."""
    told = end.told[:_LONGEST]
    with register.database.write() as session:
        row = {"wish": number, "outcome": end.outcome, "told": told, "at": now}
        if session.scalar(_END, row) is not None:
            audit.record(session, f"work.{end.outcome}", f"{job} {number}", {"told": told}, by, now)
    register.chain()
