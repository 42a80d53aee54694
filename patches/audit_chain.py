"""The chain of a register's audit events, and how anybody checks it, with or without the register.

- The digest of an event is the SHA-256 of three lines: the digest before, the sequence number, and the SHA-256 of the
  event's body. So whoever may not read an event can still check the chain that it stands in.
- A restored register goes on where the outside last saw the chain end: its event of the restore follows the head that
  was told, and says up to which event the backup went. So what was lost is a gap that the chain itself names, and every
  checkpoint from outside still counts.
- A checkpoint says how long the chain was at a time and its head then. Once it is outside (in a channel, in the
  reports of sites, in an auditor's drawer), no event before it can be changed, dropped or added unnoticed.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from patchline.patches import documents
from patchline.patches.errors import AuditError
from patchline.patches.fields import Fields
from patchline.patches.statements import TIME

START = "0" * 64
"""What stands for the digest before the first event."""
FORMAT = 1
CHECKPOINT_LIMIT = 4096
RESTORED = "home.restore"
"""The action of the event that a restore leaves."""
_MOST = 2**53 - 1


class Row(NamedTuple):
    """An event as it stands in the chain; digests as hexadecimal digits."""

    sequence: int
    body: bytes
    previous: bytes
    digest: bytes


class Gap(NamedTuple):
    """Events that a restore lost, and the event that says so."""

    first: int
    last: int
    told_by: int


@dataclass(frozen=True)
class Chain:
    """A chain that holds: its number of events, the digest of the last, and what restores lost."""

    count: int
    head: str
    gaps: tuple[Gap, ...] = ()

    def is_lost(self, sequence: int) -> bool:
        """Tell whether an event was lost. The digest of a gap's last one is known all the same."""
        return any(gap.first <= sequence < gap.last for gap in self.gaps)


@dataclass(frozen=True)
class Checkpoint:
    """How many events the chain had at a time, and the digest of the last."""

    count: int
    head: str
    time: str

    def as_bytes(self) -> bytes:
        """Return the document that is given away."""
        return documents.encode({"format": FORMAT, "count": self.count, "head": self.head, "time": self.time})

    @classmethod
    def parse(cls, data: bytes) -> "Checkpoint":
        """Read a checkpoint.

        Raises:
            AuditError, DocumentError: it is none.
        """
        fields = Fields(documents.decode(data, what="checkpoint", limit=CHECKPOINT_LIMIT), "checkpoint", AuditError)
        fields.integer("format", FORMAT, FORMAT)
        return cls(fields.integer("count", 0, _MOST), fields.sha256("head"), fields.text("time", pattern=TIME))


def event_digest(previous: str, sequence: int, body: bytes) -> str:
    """Return the digest of an event."""
    return hashlib.sha256(_lines(previous.encode(), sequence, hashlib.sha256(body).hexdigest().encode())).hexdigest()


def digest_of_unread(previous: str, sequence: int, body_sha256: str) -> str:
    """Return the digest of an event of whose body only the digest is known."""
    return hashlib.sha256(_lines(previous.encode(), sequence, body_sha256.encode())).hexdigest()


def _lines(previous: bytes, sequence: int, body_sha256: bytes) -> bytes:
    return b"%b\n%d\n%b" % (previous, sequence, body_sha256)


def check(rows: Iterable[Row], outside: Mapping[int, str]) -> Chain:
    """Check a chain from its first event on.

    Args:
        rows: in order.
        outside: heads by number of events, as the world outside was told.

    Raises:
        AuditError: an event was changed, dropped or added, or the chain is another one than the outside was told of.
    """
    count, previous = 0, START.encode()
    gaps: list[Gap] = []
    sha256 = hashlib.sha256  # A million times, so nothing is looked up twice.
    for sequence, body, before, digest in rows:
        count += 1
        if sequence != count:
            gaps.append(_gap(Row(sequence, body, before, digest), count, previous.decode()))
            _check_outside(outside, sequence - 1, before)
            count, previous = sequence, before
        made = sha256(b"%b\n%d\n%b" % (previous, count, sha256(body).hexdigest().encode())).hexdigest().encode()
        if before != previous or digest != made:
            raise _changed(sequence, made_by_itself=before == previous)
        previous = digest
        if count in outside:
            _check_outside(outside, count, previous)
    if (told := max(outside, default=0)) > count:
        raise AuditError("cut-off", f"the outside knows of {told} events; here are {count}")
    return Chain(count, previous.decode(), tuple(gaps))


def _check_outside(outside: Mapping[int, str], count: int, head: bytes) -> None:
    if outside.get(count, head.decode("ascii", "replace")).encode() != head:
        raise AuditError("other-chain", f"the outside knows another event {count}: {outside[count]}")


def _gap(row: Row, expected: int, previous: str) -> Gap:
    """Return the gap before an event, which must be that of a restore that names it."""
    try:
        facts = _restore_facts(row.body)
        backup, told = facts["backup"], facts["told"]
        named = (backup["count"], backup["head"], told["count"], told["head"])
        if named == (expected - 1, previous, row.sequence - 1, row.previous.decode()):
            return Gap(expected, row.sequence - 1, row.sequence)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise AuditError("gap", f"event {expected} is missing; the next one is {row.sequence}")


def _restore_facts(body: bytes) -> Any:
    document = json.loads(body)
    return document["facts"] if document["action"] == RESTORED else {}


def _changed(sequence: int, *, made_by_itself: bool) -> AuditError:
    if made_by_itself or sequence == 1:
        return AuditError("changed", f"event {sequence} was changed")
    return AuditError("changed", f"event {sequence} does not follow event {sequence - 1}: one of the two was changed")
