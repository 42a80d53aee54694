"""Delivering what waits: each hook its events one after the other, with growing pauses where the receiver fails.

- Events come from the audit chain, so none is lost and none comes without the change that it tells of.
- A receiver may hear of an event twice, when a process dies between its answer and our noting it; the id tells.
- The time during which the receiver is waited for holds no lock; a hook that another process serves is left to it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from patchline.patches.errors import PatchlineError
from patchline.releaser import audit
from patchline.releaser.register import Register
from patchline.releaser.tables.audit import AuditEvent
from patchline.releaser.tables.webhooks import DELIVERED, GIVEN_UP, LATER, Webhook, WebhookAttempt
from patchline.releaser.webhooks import secrets
from patchline.releaser.webhooks.sending import Message, Result, send

PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360, 720, 1440))
"""After the first failure, the second, and so on; after the last one an event is given up."""
MOST_GIVEN_UP = 5
"""So many events given up one after the other end a hook."""
_AT_ONCE = 200
_CLAIM = timedelta(minutes=2)
"""For so long a hook is its process's; longer than any receiver is waited for."""


@dataclass(frozen=True)
class _Next:
    """The next event of a hook."""

    hook: int
    url: str
    sequence: int
    attempts: int
    message: Message


def deliver(register: Register, clock: Callable[[], datetime]) -> int:
    """Deliver all that is due; return how many attempts were made."""
    now = clock()
    with register.read() as session:
        due = select(Webhook.id).where(Webhook.disabled.is_(None), Webhook.due <= now).order_by(Webhook.id)
        hooks = list(session.scalars(due))
    return sum(_serve(register, hook, clock) for hook in hooks)


def ping(register: Register, number: int, now: datetime) -> Result:
    """Send a message that tells of nothing, to see whether it arrives.

    Raises:
        NotFoundError: there is no such hook, or its secret is gone.
    """
    with register.read() as session:
        url = session.get_one(Webhook, number).url
    message = _message("ping", f"ping-{number}-{int(now.timestamp())}", {"action": "ping"}, now)
    return send(url, message, secrets.of(register, number), private=register.settings.webhook_private)


def _serve(register: Register, hook: int, clock: Callable[[], datetime]) -> int:
    """Deliver what a hook has to hear, until nothing waits or its receiver fails."""
    made = 0
    while made < _AT_ONCE and (found := _claim(register, hook, clock())) is not None:
        made += 1
        try:
            result = send(
                found.url, found.message, secrets.of(register, hook), private=register.settings.webhook_private
            )
        except PatchlineError as error:
            result = Result(None, error.message)
        if not _note(register, found, result, clock()):
            break
    return made


def _claim(register: Register, hook: int, now: datetime) -> _Next | None:
    """Take the next event of a hook, unless somebody else has it; what it does not want is passed over."""
    with register.database.write() as session:
        row = session.scalar(select(Webhook).where(Webhook.id == hook).with_for_update(skip_locked=True))
        if row is None or row.disabled is not None or row.due > now:
            return None
        found = _wanted(session, row)
        if found is None:
            return None
        row.due = now + _CLAIM
        sequence, body = found
        facts = json.loads(body)
        message = _message(str(facts["action"]), f"event-{sequence}", {"sequence": sequence, **facts}, now)
        return _Next(row.id, row.url, sequence, row.attempts, message)


def _wanted(session: Session, row: Webhook) -> tuple[int, bytes] | None:
    events = select(AuditEvent.sequence, AuditEvent.body).where(AuditEvent.sequence > row.sequence)
    for sequence, body in session.execute(events.order_by(AuditEvent.sequence).limit(1000)):
        action = str(json.loads(body)["action"])
        if any(fnmatchcase(action, pattern) for pattern in row.events):
            return sequence, body
        row.sequence = sequence
    return None


def _note(register: Register, found: _Next, result: Result, now: datetime) -> bool:
    """Write down how an attempt ended; tell whether the next event may go."""
    lost = not result.taken and (result.final or found.attempts >= len(PAUSES))
    outcome = DELIVERED if result.taken else GIVEN_UP if lost else LATER
    with register.database.write() as session:
        row = session.scalars(select(Webhook).where(Webhook.id == found.hook).with_for_update()).one()
        attempt = {"status": result.status, "told": result.told[:300], "outcome": outcome}
        session.add(WebhookAttempt(webhook=row.id, sequence=found.sequence, at=now, **attempt))
        if outcome == LATER:
            values: dict[str, Any] = {"attempts": found.attempts + 1, "due": now + PAUSES[found.attempts]}
        else:
            values = {"attempts": 0, "due": now, "sequence": found.sequence}
            values["given_up"] = row.given_up + 1 if lost else 0
        if values.get("given_up", 0) >= MOST_GIVEN_UP and row.disabled is None:
            values |= {"disabled": now, "why": f"{MOST_GIVEN_UP} events could not be delivered"}
            audit.record(session, "webhook.disable", str(row.id), {"told": result.told[:300]}, row.made_by, now)
        session.execute(update(Webhook).where(Webhook.id == row.id).values(values))
    register.chain()
    return outcome != LATER and "disabled" not in values


def _message(action: str, id_: str, facts: dict[str, Any], now: datetime) -> Message:
    body = json.dumps({"id": id_, **facts}, sort_keys=True).encode()
    return Message(id_, action, body, int(now.timestamp()))
