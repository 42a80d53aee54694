"""Hooks: who may have which events, and where they go."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from patchline.patches.errors import NotFoundError, StateError, UsageError
from patchline.patches.statements import time_text
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change, Register
from patchline.releaser.tables.audit import AuditEvent
from patchline.releaser.tables.people import Role
from patchline.releaser.tables.webhooks import Webhook, WebhookAttempt
from patchline.releaser.webhooks import secrets
from patchline.releaser.webhooks.sending import check_url

_PATTERN = re.compile(r"[a-z][a-z-]*(\.([a-z-]+|\*))?(\.refused)?|\*")
_MOST_PATTERNS = 50
REMOVED = "removed"


@dataclass(frozen=True)
class Made:
    """A hook that was made. Its secret is shown now and never again."""

    hook: Webhook
    secret: str = field(repr=False)


def add(change: Change, register: Register, url: str, events: Sequence[str]) -> Made:
    """Make a hook; it hears of what happens from now on.

    Raises:
        UsageError: it is no address, or no pattern of events.
        RefusedError: who acts does not manage releases.
    """
    require_role(change.session, change.by, Role.RELEASE_MANAGER)
    check_url(url, private=register.settings.webhook_private)
    wrong = next((one for one in events if not _PATTERN.fullmatch(one)), None)
    if not events or len(events) > _MOST_PATTERNS or wrong is not None:
        raise UsageError("webhook-events", f"{wrong or 'nothing'!r} names no events such as hotfix.publish or recall.*")
    newest = change.session.scalar(select(func.max(AuditEvent.sequence))) or 0
    row = Webhook(
        url=url,
        events=sorted(set(events)),
        made=change.now,
        made_by=change.by,
        sequence=newest,
        attempts=0,
        due=change.now,
        given_up=0,
    )
    change.session.add(row)
    change.session.flush()
    secret = secrets.make(register, row.id)
    change.record("webhook.add", str(row.id), {"url": url, "events": row.events})
    return Made(row, secret)


def remove(change: Change, register: Register, number: int) -> Webhook:
    """End a hook for good.

    Raises:
        NotFoundError: there is none.
        StateError: it was removed.
        RefusedError: who acts does not manage releases.
    """
    require_role(change.session, change.by, Role.RELEASE_MANAGER)
    row = the_hook(change.session, number)
    if row.why == REMOVED:
        raise StateError("webhook-removed", f"the webhook {number} was removed")
    row.disabled, row.why = change.now, REMOVED
    change.session.flush()
    change.record("webhook.remove", str(number))
    secrets.forget(register, number)
    return row


def resume(change: Change, number: int) -> Webhook:
    """Let a hook go on that was disabled because its receiver did not answer; it goes on where it was.

    Raises:
        NotFoundError: there is none.
        StateError: it was removed, or goes on already.
        RefusedError: who acts does not manage releases.
    """
    require_role(change.session, change.by, Role.RELEASE_MANAGER)
    row = the_hook(change.session, number)
    if row.why == REMOVED or row.disabled is None:
        raise StateError("webhook-removed", f"the webhook {number} {'was removed' if row.disabled else 'goes on'}")
    row.disabled = row.why = None
    row.given_up = row.attempts = 0
    row.due = change.now
    change.session.flush()
    change.record("webhook.resume", str(number))
    return row


def the_hook(session: Session, number: int) -> Webhook:
    """Return a hook.

    Raises:
        NotFoundError: there is none.
    """
    row = session.get(Webhook, number)
    if row is None:
        raise NotFoundError("webhook", f"there is no webhook {number}")
    return row


def listed(session: Session) -> Sequence[Webhook]:
    """Return all hooks that were not removed."""
    return session.scalars(select(Webhook).where(Webhook.why.is_distinct_from(REMOVED)).order_by(Webhook.id)).all()


def attempts(session: Session, number: int, after: int | None, most: int) -> Sequence[WebhookAttempt]:
    """Return attempts of a hook, the newest first.

    Raises:
        NotFoundError: there is none.
    """
    the_hook(session, number)
    query = select(WebhookAttempt).where(WebhookAttempt.webhook == number)
    query = query if after is None else query.where(WebhookAttempt.id < after)
    return session.scalars(query.order_by(WebhookAttempt.id.desc()).limit(most)).all()


def document(row: Webhook) -> dict[str, Any]:
    """Return a hook for scripts."""
    return {
        "webhook": row.id,
        "url": row.url,
        "events": list(row.events),
        "made": time_text(row.made),
        "made_by": row.made_by,
        "waiting": row.attempts > 0,
        "due": _time(row.due if row.attempts else None),
        "disabled": _time(row.disabled),
        "why": row.why,
    }


def words(row: Webhook) -> str:
    """Return a hook's line in a list."""
    stands = f"disabled {row.disabled:%Y-%m-%d}: {row.why}" if row.disabled else "on"
    stands += f", {row.attempts} tries of the next one" if row.attempts and not row.disabled else ""
    return f"{row.id}  {row.url}  {', '.join(row.events)}  ({stands})"


def attempt_document(row: WebhookAttempt) -> dict[str, Any]:
    """Return an attempt for scripts."""
    told = {"outcome": row.outcome, "status": row.status, "told": row.told}
    return {"id": row.id, "event": row.sequence, "at": time_text(row.at), **told}


def _time(moment: datetime | None) -> str | None:
    return time_text(moment) if moment is not None else None
