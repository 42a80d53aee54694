"""The recall list as a document: revisions held back, and recalled ones with what people signed about them.

What it amounts to, `recalls` says: an entry proves nothing before its statements were verified and counted.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from patchline.patches import documents, identifiers
from patchline.patches.envelopes import Envelope
from patchline.patches.errors import RecalledError, RecallListError
from patchline.patches.fields import Fields
from patchline.patches.limits import LIMITS
from patchline.patches.recall_statements import REASON_LENGTH, Revision, statement_digest
from patchline.patches.statements import PAYLOAD_TYPE, TIME, time_text

FORMAT = 1
_MOST_ENTRIES = 100_000


@dataclass(frozen=True)
class Held:
    """A revision that must not be applied for now, and why."""

    revision: Revision
    reason: str

    def as_error(self) -> RecalledError:
        """Return the refusal to apply it."""
        return RecalledError("held", f"{self.revision.label} is held back by the vendor: {self.reason}")


@dataclass(frozen=True)
class Entry:
    """A recalled revision as it stands in a list: envelopes of recalls, and of reinstatements."""

    revision: Revision
    statements: tuple[Envelope, ...]
    reinstated: tuple[Envelope, ...] = ()

    @property
    def digests(self) -> list[str]:
        """The names of its recalls, in their order, each once."""
        return list(dict.fromkeys(statement_digest(envelope.payload) for envelope in self.statements))


@dataclass(frozen=True)
class RecallList:
    """A recall list whose form was checked."""

    data: bytes
    product: str
    number: int
    issued: datetime
    held: tuple[Held, ...]
    recalled: tuple[Entry, ...]

    @classmethod
    def parse(cls, data: bytes) -> "RecallList":
        """Read a list.

        Raises:
            RecallListError, StatementError: it breaks a rule.
            DocumentError: it is not canonical JSON.
        """
        fields = Fields(documents.decode(data, what="recall list"), "recall list", RecallListError)
        if fields.integer("format", 0, 1_000_000) != FORMAT:
            fields.fail("format", f".format is {fields.document['format']}; this client knows {FORMAT}")
        return cls(
            data=data,
            product=fields.text("product", pattern=identifiers.PRODUCT),
            number=fields.integer("number", 1, 1 << 52),
            issued=datetime.fromisoformat(_read_time(fields)).astimezone(UTC),
            held=tuple(_sorted(fields, "held", _read_held)),
            recalled=tuple(_sorted(fields, "recalled", _read_entry)),
        )

    @classmethod
    def make(
        cls, product: str, number: int, issued: datetime, held: Iterable[Held], recalled: Iterable[Entry]
    ) -> "RecallList":
        """Make a list, to be put into the status role.

        Raises:
            RecallListError: a client would refuse it.
        """
        document = {
            "format": FORMAT,
            "product": product,
            "number": number,
            "issued": time_text(issued),
            "held": [
                {**one.revision.as_document(), "reason": one.reason}
                for one in sorted(held, key=lambda one: one.revision.manifest)
            ],
            "recalled": [
                {
                    **entry.revision.as_document(),
                    "statements": [envelope.as_document() for envelope in entry.statements],
                    "reinstated": [envelope.as_document() for envelope in entry.reinstated],
                }
                for entry in sorted(recalled, key=lambda one: one.revision.manifest)
            ],
        }
        return cls.parse(documents.encode(document))


def _read_time(fields: Fields) -> str:
    text = fields.text("issued", pattern=TIME)
    try:
        datetime.fromisoformat(text)
    except ValueError:
        fields.fail("value", f".issued is no time: {text}")
    return text


_Item = TypeVar("_Item", Held, Entry)


def _sorted(fields: Fields, key: str, read: Callable[[Fields], _Item]) -> list[_Item]:
    items = [read(entry) for entry in fields.objects(key, most=_MOST_ENTRIES)]
    digests = [item.revision.manifest for item in items]
    if digests != sorted(set(digests)):
        fields.fail("unsorted", f".{key} is not sorted by manifest without repeats")
    return items


def _read_held(fields: Fields) -> Held:
    return Held(Revision.read(fields), fields.text("reason", limit=REASON_LENGTH))


def _read_entry(fields: Fields) -> Entry:
    statements = _read_envelopes(fields, "statements")
    if not statements:
        fields.fail("unsigned", " has no statement")
    return Entry(Revision.read(fields), statements, _read_envelopes(fields, "reinstated"))


def _read_envelopes(fields: Fields, key: str) -> tuple[Envelope, ...]:
    entries = fields.objects(key, most=LIMITS.envelopes)
    envelopes = tuple(Envelope.from_document(entry.document, entry.where) for entry in entries)
    for envelope in envelopes:
        if len(envelope.signatures) != 1:
            fields.fail("several-signatures", f".{key} has an envelope with {len(envelope.signatures)} signatures")
        envelope.require_type(PAYLOAD_TYPE, f"{fields.where}.{key}")
    return envelopes
