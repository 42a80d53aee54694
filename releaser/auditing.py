"""Verifying the register's audit chain, and writing it out for others."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy.orm import Session

from patchline.patches import audit_chain
from patchline.patches.audit_chain import CHECKPOINT_LIMIT, Checkpoint, Gap, Row
from patchline.patches.errors import AuditError
from patchline.patches.files import read_file
from patchline.patches.progress import watch
from patchline.patches.wording import counted
from patchline.releaser import audit

RESTORED = audit_chain.RESTORED
_EVERY = 1000


@dataclass(frozen=True)
class Verified:
    """A chain that holds.

    Attributes:
        count: its number of events.
        head: the digest of the last.
        outside: the checkpoints from outside that it agrees with.
        unchecked: those of events that a restore lost.
        gaps: what restores lost.
        waiting: events that are not chained yet.
    """

    count: int
    head: str
    outside: tuple[Checkpoint, ...]
    unchecked: tuple[Checkpoint, ...]
    gaps: tuple[Gap, ...]
    waiting: int


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint that somebody outside kept."""
    return Checkpoint.parse(read_file(path, limit=CHECKPOINT_LIMIT))


def heads(checkpoints: Sequence[Checkpoint]) -> dict[int, str]:
    """Return the heads that checkpoints name, by number of events.

    Raises:
        AuditError: two of them contradict each other.
    """
    found: dict[int, str] = {}
    for one in checkpoints:
        if (one.count == 0 and one.head != audit_chain.START) or found.setdefault(one.count, one.head) != one.head:
            raise AuditError("checkpoints", f"two checkpoints of {counted(one.count, 'event')} contradict each other")
    found.pop(0, None)
    return found


def verify(session: Session, checkpoints: Sequence[Checkpoint]) -> Verified:
    """Check the whole chain against itself, against what the register remembers having told, and against the outside.

    Args:
        session: to read with.
        checkpoints: kept outside of the register.

    Raises:
        AuditError: an event was changed, dropped or added, or checkpoints from outside are of another chain.
    """
    outside, told = heads(checkpoints), heads(audit.told(session))
    total = audit.count(session)
    watch().tell("checking events", total, "items")
    try:
        chain = audit_chain.check(_watched(audit.rows(session)), {**told, **outside})
    except AuditError as error:
        if error.code in ("audit.other-chain", "audit.cut-off"):
            _explain_restore(session, error, max({**told, **outside}))
        raise
    agreed = tuple(one for one in checkpoints if not chain.is_lost(one.count))
    unchecked = tuple(one for one in checkpoints if chain.is_lost(one.count))
    return Verified(chain.count, chain.head, agreed, unchecked, chain.gaps, audit.waiting(session))


def _watched(rows: Any) -> Any:
    for number, row in enumerate(rows, 1):
        if not number % _EVERY:
            watch().advance(_EVERY)
        yield row


def _explain_restore(session: Session, error: AuditError, told: int) -> None:
    """Raise that a restore lost the events that the outside knows of, where the chain itself says so."""
    mark = RESTORED.encode()
    for row in audit.rows(session):
        if mark in row.body and (restore := _restore(row)) and restore["after"] < told:
            raise AuditError(
                "restored",
                f"{error.message}; event {row.sequence} tells that {restore['by']} restored a backup "
                f"of {counted(restore['after'], 'event')} on {restore['at']}",
            )


def _restore(row: Row) -> dict[str, Any] | None:
    with suppress(ValueError, KeyError, TypeError):
        body = json.loads(row.body)
        if body["action"] == RESTORED:
            return {"by": body["by"], "at": body["at"], "after": int(body["facts"]["backup"]["count"])}
    return None


def export(session: Session, out: BinaryIO) -> tuple[int, str]:
    """Write the chain, an event a line; return its number of events and its head. Nothing is checked.

    A line is JSON: `sequence`, `previous`, `digest` and, as one string, the `body` whose bytes the digest covers.
    """
    count, head = 0, audit_chain.START
    watch().tell("writing events", audit.count(session), "items")
    for row in _watched(audit.rows(session)):
        count, head = row.sequence, row.digest.decode("ascii", "backslashreplace")
        line = {
            "sequence": count,
            "previous": row.previous.decode("ascii", "backslashreplace"),
            "digest": head,
            "body": row.body.decode("utf-8", "backslashreplace"),
        }
        out.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
    return count, head
