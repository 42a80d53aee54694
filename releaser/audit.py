"""The audit log: what happened, chained so that nobody can change or drop an event unnoticed.

- An event is written in the transaction of what it tells (`record`, into the outbox), so neither exists without the
  other; the single writer then moves it into the chain (`chain`), in the order in which the outbox has it.
- What the chain is, and how it is checked, says `patches.audit_chain`.
- Events hold no secret and no name of a person's machine; `by` is a person's id.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.orm import Session

from patchline.patches import documents
from patchline.patches.audit_chain import RESTORED, START, Checkpoint, Row, event_digest
from patchline.patches.statements import time_text
from patchline.releaser.tables.audit import AuditEvent, Outbox
from patchline.releaser.tables.audit import Checkpoint as Told

_LOCK = 7_210_451
_BATCH = 1000
_ROWS = 5000
# As bytes, so that a byte that was changed into no character is found here and not by the driver.
_READ = {
    "sqlite": "SELECT sequence, CAST(body AS BLOB) AS body, CAST(previous AS BLOB) AS previous, "
    "CAST(digest AS BLOB) AS digest FROM audit_event WHERE sequence >= :first ORDER BY sequence",
    "postgresql": "SELECT sequence, body, convert_to(previous, 'UTF8') AS previous, "
    "convert_to(digest, 'UTF8') AS digest FROM audit_event WHERE sequence >= :first ORDER BY sequence",
}


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
    session.add(Outbox(body=_body(action, subject, facts, by, now)))


def _body(action: str, subject: str, facts: Mapping[str, Any], by: str, now: datetime) -> bytes:
    body = {"action": action, "at": time_text(now), "by": by, "facts": dict(facts), "subject": subject}
    return documents.encode(body)


def go_on(session: Session, told: Checkpoint | None, facts: Mapping[str, Any], by: str, now: datetime) -> None:
    """Write the event of a restore into the chain, before all that waits: where the outside last saw the chain end.

    Args:
        session: of the restored register, whose schema may still be an older one.
        told: what the outside was told last, None where it was told nothing newer than the backup.
        facts: what the event says; the gap is named here.
        by: who restores.
        now: when.
    """
    count, previous = head(session)
    backup = {"count": count, "head": previous}
    newer = told is not None and told.count > count
    if told is not None and newer:
        count, previous = told.count, told.head
    facts = {**facts, "backup": backup, "told": {"count": count, "head": previous}}
    body = _body(RESTORED, "home", facts, by, now)
    row = {"sequence": count + 1, "body": body, "previous": previous}
    session.execute(insert(AuditEvent), [{**row, "digest": event_digest(previous, count + 1, body)}])


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


def count(session: Session) -> int:
    """Return the number of events in the chain."""
    return session.scalar(select(func.max(AuditEvent.sequence))) or 0


def head(session: Session) -> tuple[int, str]:
    """Return the number of events in the chain and the digest of the last."""
    last = count(session)
    if not last:
        return 0, START
    return last, str(session.scalar(select(AuditEvent.digest).where(AuditEvent.sequence == last)))


def rows(session: Session, first: int = 1) -> Iterator[Row]:
    """Yield the events of the chain in order, a few at a time.

    Args:
        session: to read with.
        first: sequence number to begin with.
    """
    statement = text(_READ[session.connection().dialect.name])
    found = session.execute(statement, {"first": first}, execution_options={"yield_per": _ROWS})
    for part in found.partitions():
        yield from part  # type: ignore[misc]  # rows of these four columns


def waiting(session: Session) -> int:
    """Return the number of events that are not in the chain yet."""
    return session.scalar(select(func.count()).select_from(Outbox)) or 0


def checkpoint(session: Session, now: datetime) -> Checkpoint:
    """Return the checkpoint of the chain as it is, remembered as told outside."""
    count, digest = head(session)
    known = session.get(Told, count)
    if known is None:
        known = Told(count=count, head=digest, made=now)
        session.add(known)
    return Checkpoint(known.count, known.head, time_text(known.made))


def told(session: Session) -> list[Checkpoint]:
    """Return every checkpoint that was told outside, as the register remembers it; the shortest chain first."""
    found = session.scalars(select(Told).order_by(Told.count))
    return [Checkpoint(one.count, one.head, time_text(one.made)) for one in found]
