"""Reading the audit log backwards, some events at a time: by what was done, to what, and by whom.

The log has no index by these, since an index could be made to say something else than the chain. So one call looks
through a bounded number of events, and says where it stopped.
"""

import json
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.errors import AuditError, UsageError
from patchline.patches.statements import time_text
from patchline.releaser import audit, auditing
from patchline.releaser.auditing import Verified
from patchline.releaser.tables.audit import AuditEvent
from patchline.releaser.tables.audit import Checkpoint as Told

LOOKED_THROUGH = 20_000
_AT_ONCE = 2000
_LONGEST = 200

# What goes past a rule that holds otherwise, or takes one away; the register of such events.
OVERRIDES = {
    "freeze.end": "ended a freeze before its time",
    "home.adopt": "took in what the channel knew and the backup did not",
    "home.restore": "restored a backup",
    "product.set": "changed what a product asks for before publishing",
    "site.accept-restore": "accepted that a site was set back",
    "site.split": "took two reports of one site for two sites",
    "database.rebuild": "computed what follows from the facts anew",
}


@dataclass(frozen=True)
class Wanted:
    """Which events are looked for; None for all.

    Attributes:
        action: one, or the beginning of several up to a dot, such as `hotfix`.
        subject: part of what it was done to.
        person: who did it.
        actions: any of these instead of `action`.
    """

    action: str | None = None
    subject: str | None = None
    person: str | None = None
    actions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise UsageError for what nothing can be found by."""
        if any(len(one or "") > _LONGEST for one in (self.action, self.subject, self.person)):
            raise UsageError("page", f"events are looked for by at most {_LONGEST} characters")

    def has(self, event: "Event") -> bool:
        """Tell whether an event is one of them."""
        if self.actions and event.action not in self.actions:
            return False
        if self.action and event.action != self.action and not event.action.startswith(f"{self.action}."):
            return False
        if self.subject and self.subject.casefold() not in event.subject.casefold():
            return False
        return not self.person or event.by == self.person


@dataclass(frozen=True)
class Event:
    """An event as it stands in the chain."""

    sequence: int
    at: str
    by: str
    action: str
    subject: str
    facts: dict[str, Any]
    digest: str

    def as_document(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {**vars(self)}

    @property
    def facts_words(self) -> str:
        """What else is known, on one line."""
        return ", ".join(f"{name}: {_value(value)}" for name, value in self.facts.items())


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


@dataclass(frozen=True)
class Seen:
    """What a look found.

    Attributes:
        events: the newest first.
        after: the sequence number to go on before; None at the beginning of the log.
    """

    events: tuple[Event, ...]
    after: int | None


def look(session: Session, wanted: Wanted, most: int, before: int | None = None) -> Seen:
    """Return events, the newest first, from before a sequence number on backwards.

    Raises:
        AuditError: an event cannot be read.
    """
    found: list[Event] = []
    last = before
    with closing(_backwards(session, before)) as events:
        for event in events:
            last = event.sequence
            if wanted.has(event):
                found.append(event)
            if len(found) == most:
                break
    return Seen(tuple(found), last if last is not None and last > 1 and last != before else None)


def _backwards(session: Session, before: int | None) -> Generator[Event, None, None]:
    query = select(AuditEvent.sequence, AuditEvent.body, AuditEvent.digest).order_by(AuditEvent.sequence.desc())
    if before is not None:
        query = query.where(AuditEvent.sequence < before)
    # A few at a time, since most looks end early; the rest is closed unread.
    with session.execute(query.limit(LOOKED_THROUGH), execution_options={"yield_per": _AT_ONCE}) as rows:
        for row in rows:
            yield _event(row.sequence, row.body, row.digest)


def _event(sequence: int, body: bytes, digest: str) -> Event:
    try:
        told = json.loads(body)
        at, by, action, subject = (str(told[name]) for name in ("at", "by", "action", "subject"))
        return Event(sequence, at, by, action, subject, dict(told["facts"]), digest)
    except (ValueError, KeyError, TypeError):
        raise AuditError("changed", f"event {sequence} cannot be read") from None


@dataclass(frozen=True)
class Standing:
    """How the chain stands.

    Attributes:
        count: its events.
        waiting: events that are not in it yet.
        told: the newest checkpoint that the outside was told.
        verified: what checking all of it found; None when that was not asked for.
        problem: why it does not hold.
    """

    count: int
    head: str
    waiting: int
    told: Told | None
    verified: Verified | None
    problem: AuditError | None

    def as_document(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {
            "count": self.count,
            "head": self.head,
            "waiting": self.waiting,
            "verified": self.verified.count if self.verified else None,
            "problem": self.problem.as_document() if self.problem else None,
            "told": {"count": self.told.count, "time": time_text(self.told.made)} if self.told else None,
        }


def standing(session: Session, *, whole: bool) -> Standing:
    """Return how the chain stands; it is checked when `whole` says so, or where that is quickly done."""
    count = audit.count(session)
    told = session.scalars(select(Told).order_by(Told.count.desc()).limit(1)).first()
    if not whole and count > LOOKED_THROUGH:
        return Standing(count, audit.head(session)[1], audit.waiting(session), told, None, None)
    try:
        verified = auditing.verify(session, ())
    except AuditError as error:
        return Standing(count, audit.head(session)[1], audit.waiting(session), told, None, error)
    return Standing(verified.count, verified.head, verified.waiting, told, verified, None)
