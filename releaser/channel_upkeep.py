"""What the timer does for a home's channel: nothing in it grows old, and it says what the register says.

A recall list is issued anew, and a checkpoint of the audit chain told, before sites or auditors have reason to ask;
what a crash left undone is done; then what has lived half of its life is signed again.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import select

from patchline.patches import documents
from patchline.patches.audit_chain import Checkpoint
from patchline.patches.channel import CHECKPOINT
from patchline.patches.envelopes import Envelope
from patchline.patches.errors import AuditError, DocumentError
from patchline.patches.policy import RECALL_MAX_AGE_DAYS, Policy
from patchline.patches.recall_list import RecallList
from patchline.releaser import recalls
from patchline.releaser.channel import Channel, Edit, Renewal
from patchline.releaser.channel_status import MOST_BYTES
from patchline.releaser.policies import newest_policy
from patchline.releaser.publishing import follow_all
from patchline.releaser.register import Register
from patchline.releaser.tables.catalogue import Product

_AGED = 3
"""A recall list is issued anew after this part of the age that it may have."""
_CHECKPOINT_LIFE = timedelta(days=1)


def keep_up(register: Register, channel: Channel, person: Callable[[], str], now: datetime) -> Renewal:
    """Bring a channel up to date and sign again what is due.

    Args:
        register: the truth of what is offered.
        channel: its channel.
        person: tells who acts, asked only when a recall list must be issued.
        now: the time.

    Raises:
        StateError: there is no channel yet, or it cannot be written.
        LockedError: others keep publishing.
    """
    before = channel.published().versions
    for product in _with_aged_lists(register, now):
        with register.change(person(), now) as change:
            recalls.issue(change, product)
    follow_all(register, channel, now)
    _tell_checkpoint(register, channel, now)
    renewal = channel.renew(now)
    return replace(renewal, renewed=renewal.versions.newer_than(before))


def _with_aged_lists(register: Register, now: datetime) -> list[str]:
    """Return the products whose recall list should be issued anew."""
    found = []
    with register.read() as session:
        for product in session.scalars(select(Product.id).order_by(Product.id)):
            data, policy = recalls.newest_list(session, product), newest_policy(session, product)
            most = _max_age(policy.envelope) if policy else timedelta(days=RECALL_MAX_AGE_DAYS)
            if data is not None and now - RecallList.parse(data).issued > most / _AGED:
                found.append(product)
    return found


def _max_age(envelope: bytes) -> timedelta:
    read = Envelope.from_document(documents.decode(envelope, what="policy"), "policy")
    return timedelta(days=Policy.parse(read.payload).recall_max_age_days)


def _tell_checkpoint(register: Register, channel: Channel, now: datetime) -> None:
    """Tell the audit chain's checkpoint outside, where the last one told is a day old."""

    def work(edit: Edit) -> None:
        known = edit.published.targets.get(CHECKPOINT)
        last = _read(channel.store.read(known.file, MOST_BYTES)) if known else None
        if last is None or now - datetime.fromisoformat(last.time) >= _CHECKPOINT_LIFE:
            newest = register.checkpoint(now)
            # After a restored backup the chain is shorter than what was told; that is for `audit verify` to say.
            if last is None or newest.count > last.count:
                edit.status(CHECKPOINT, newest.as_bytes())

    channel.change(work, now)


def _read(data: bytes | None) -> Checkpoint | None:
    try:
        return Checkpoint.parse(data) if data is not None else None
    except (AuditError, DocumentError):
        return None
