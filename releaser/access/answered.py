"""The same request sent twice: who names an idempotency key gets the first answer again, and nothing is done twice.

- The same key with the same request within a day: the same answer. With another request: refused.
- While the first is still under way, the second is told to come again. What broke off with a fault of ours is let go.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from patchline.patches.errors import IdempotencyError, UnderWayError, UsageError
from patchline.releaser.register import Register
from patchline.releaser.tables.tokens import Answered

LIFE = timedelta(hours=24)
_BROKEN_OFF = timedelta(minutes=10)
"""After so long nobody carries a request out any more: its process died."""
_FORM = re.compile(r"[\x21-\x7e]{1,128}")
LARGEST = 1 << 20


@dataclass(frozen=True)
class Answer:
    """What a request was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Asked:
    """A request with a key.

    Attributes:
        owner: whose key it is; keys of different owners have nothing to do with each other.
        key: as the client chose it.
        request: SHA-256 of method, path and body.
    """

    owner: str
    key: str
    request: str

    def __post_init__(self) -> None:
        """Raise UsageError for what is no key."""
        if not _FORM.fullmatch(self.key):
            raise UsageError("idempotency-key", "an idempotency key has 1 to 128 visible ASCII characters")


def begin(register: Register, asked: Asked, now: datetime) -> Answer | None:
    """Return what the request was answered before; None when it is to be carried out now.

    Raises:
        IdempotencyError: the key was another request's, or its first request is still under way.
    """
    insert = sqlite.insert if register.database.is_sqlite else postgresql.insert
    mine = (Answered.owner == asked.owner, Answered.key == asked.key)
    row = {"owner": asked.owner, "key": asked.key, "request": asked.request, "begun": now, "headers": {}}
    with register.database.write() as session:
        stale = (Answered.begun < now - LIFE) | (Answered.status.is_(None) & (Answered.begun < now - _BROKEN_OFF))
        session.execute(delete(Answered).where(stale))
        if session.scalar(insert(Answered).values(row).on_conflict_do_nothing().returning(Answered.key)) is not None:
            return None
        columns = (Answered.request, Answered.status, Answered.headers, Answered.body)
        found = session.execute(select(*columns).where(*mine)).one()
    if found.request != asked.request:
        raise IdempotencyError("other-request", f"the idempotency key {asked.key} was used for another request")
    if found.status is None:
        raise UnderWayError("under-way", f"the first request with the idempotency key {asked.key} is still under way")
    return Answer(found.status, found.headers, found.body or b"")


def end(register: Register, asked: Asked, answer: Answer) -> None:
    """Keep the answer; a fault of ours, or what is too large to keep, lets the key go instead."""
    mine = (Answered.owner == asked.owner, Answered.key == asked.key, Answered.request == asked.request)
    with register.database.write() as session:
        if answer.status >= 500 or len(answer.body) > LARGEST:
            session.execute(delete(Answered).where(*mine))
            return
        values = {"status": answer.status, "headers": dict(answer.headers), "body": answer.body}
        session.execute(update(Answered).where(*mine).values(values))
