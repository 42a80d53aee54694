"""The audit log: what happened, chained so that nobody can change or drop an event unnoticed.

- An event is written in the transaction of what it tells (`record`, into the outbox), so neither exists without the
  other; the single writer then moves it into the chain (`chain`), in the order in which the outbox has it.
- The digest of an event is the SHA-256 of the digest before, its sequence number and its body, each on a line.
- Events hold no secret and no name of a person's machine; `by` is a person's id.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.orm import Session

from patchline.patches import documents
from patchline.patches.errors import AuditError
from patchline.patches.statements import time_text
from patchline.releaser.tables.audit import AuditEvent, Outbox

START = "0" * 64
"""What stands for the digest before the first event."""
_LOCK = 7_210_451
_BATCH = 1000


@dataclass(frozen=True)
class Row:
    """An event as it stands in the chain."""

    sequence: int
    body: bytes
    previous: str
    digest: str


def record(session: Session, action: str, subject: str, facts: Mapping[str, Any], by: str, now: datetime) -> None:
    """Write an event beside what it tells of.

    Args:
        session: of the same transaction.
        action: what was done, such as `hotfix.publish`.
        subject: to what, such as `HF-2026-0012-r1`.
        facts: what else there is to know; JSON.
        by: who did it.
        now: when.
    """
    body = {"action": action, "at": time_text(now), "by": by, "facts": dict(facts), "subject": subject}
    session.add(Outbox(body=documents.encode(body)))


def chain(session: Session) -> int:
    """Move what waits in the outbox into the chain; return how many events that were."""
    if session.connection().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    moved = 0
    while waiting := session.execute(select(Outbox.id, Outbox.body).order_by(Outbox.id).limit(_BATCH)).all():
        sequence, previous = head(session)
        rows = []
        for waits in waiting:
            sequence += 1
            digest = event_digest(previous, sequence, waits.body)
            rows.append({"sequence": sequence, "body": waits.body, "previous": previous, "digest": digest})
            previous = digest
        session.execute(insert(AuditEvent), rows)
        session.execute(delete(Outbox).where(Outbox.id.in_([waits.id for waits in waiting])))
        moved += len(rows)
    return moved


def head(session: Session) -> tuple[int, str]:
    """Return the number of events in the chain and the digest of the last."""
    count = session.scalar(select(func.max(AuditEvent.sequence)))
    if count is None:
        return 0, START
    return count, str(session.scalar(select(AuditEvent.digest).where(AuditEvent.sequence == count)))


def event_digest(previous: str, sequence: int, body: bytes) -> str:
    """Return the digest of an event."""
    return hashlib.sha256(b"%b\n%d\n%b" % (previous.encode(), sequence, body)).hexdigest()


def check(rows: Iterable[Row], outside: Mapping[int, str]) -> tuple[int, str]:
    """Check a chain from its first event on; return its number of events and its head.

    Args:
        rows: in order.
        outside: heads by number of events, as the world outside was told.

    Raises:
        AuditError: an event was changed, dropped or added, or the chain is another one than the outside was told of.
    """
    count, previous = 0, START
    for row in rows:
        if row.sequence != count + 1:
            raise AuditError("gap", f"event {count + 1} is missing; the next one is {row.sequence}")
        if row.previous != previous or row.digest != event_digest(previous, row.sequence, row.body):
            raise AuditError("changed", f"event {row.sequence} was changed, or one before it")
        count, previous = row.sequence, row.digest
        if outside.get(count, previous) != previous:
            raise AuditError("other-chain", f"the outside knows another event {count}: {outside[count]}")
    if (told := max(outside, default=0)) > count:
        raise AuditError("cut-off", f"the outside knows of {told} events; here are {count}")
    return count, previous
