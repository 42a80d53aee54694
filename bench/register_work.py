"""A register with many audit events, and what checks them: ours, and the bare reading and hashing of the same rows."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from patchline.patches import documents
from patchline.patches.audit_chain import START, event_digest
from patchline.releaser import auditing
from patchline.releaser.database import Database, sqlite_url
from patchline.releaser.tables.audit import AuditEvent

_BATCH = 20_000


def prepare(folder: Path, count: int) -> None:
    """Make a register whose audit chain has so many events."""
    folder.mkdir(parents=True)
    database = Database(sqlite_url(folder / "register.db"))
    database.upgrade()
    with database.write() as session:
        batch: list[dict[str, Any]] = []
        for row in _rows(count):
            batch.append(row)
            if len(batch) == _BATCH or row["sequence"] == count:
                session.execute(insert(AuditEvent), batch)
                batch = []
    database.close()


def _rows(count: int) -> Iterator[dict[str, Any]]:
    facts = {"manifest": "a" * 64, "policy": 3}
    document = {
        "action": "hotfix.approve",
        "at": "2026-11-22T12:00:00Z",
        "by": "ada",
        "facts": facts,
        "subject": "HF-#",
    }
    form, previous = documents.encode(document), START
    for sequence in range(1, count + 1):
        body = form.replace(b"HF-#", b"HF-2026-%07d" % sequence)
        digest = event_digest(previous, sequence, body)
        yield {"sequence": sequence, "body": body, "previous": previous, "digest": digest}
        previous = digest


def verify(folder: str) -> None:
    """Check the chain as `patchline audit verify` does."""
    database = Database(sqlite_url(Path(folder) / "register.db"))
    with database.read() as session:
        assert auditing.verify(session, []).count
    database.close()


def hash_rows(folder: str) -> None:
    """Read every row and hash its body, comparing nothing."""
    with sqlite3.connect(Path(folder) / "register.db") as connection:
        for row in connection.execute("SELECT sequence, body, previous, digest FROM audit_event ORDER BY sequence"):
            hashlib.sha256(row[1]).digest()


WORK: dict[str, Callable[..., None]] = {"audit-verify": verify, "audit-hash": hash_rows}
