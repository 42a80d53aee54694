"""The report of a site, read: the envelope found in whatever somebody hands over, and what it says.

- A report is one line of canonical JSON without a blank in it, so it can be found again in the text of a mail: broken
  into lines, quoted by `> `, between other words, as quoted-printable, or as base64. Nothing is guessed: what is taken
  out must be the canonical envelope, byte by byte, and the signature covers the payload.
- `docs/report-format.md` is the form.
"""

import base64
import binascii
import html
import quopri
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from patchline.patches import documents, identifiers
from patchline.patches.envelopes import Envelope
from patchline.patches.errors import DocumentError, ReportError, StatementError
from patchline.patches.fields import Fields
from patchline.patches.limits import LIMITS, MIB
from patchline.patches.site.ledger import REFERENCE_LENGTH
from patchline.patches.site.report import PAYLOAD_TYPE

MOST_BYTES = 8 * MIB
"""Of what somebody hands over: one report as large as it may be, with what a mail program adds."""
_MOST_HOTFIXES = 10_000
_MOST_DRIFT = 100_000
_FIRST = datetime(2000, 1, 1, tzinfo=UTC)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ENVELOPE = re.compile(
    r'\{"payload":"[A-Za-z0-9+/=]*","payloadType":"[A-Za-z0-9./+-]{1,200}",'
    r'"signatures":\[(?:\{"keyid":"[0-9a-f]{64}","sig":"[A-Za-z0-9+/=]*"\},?)*\]\}'
)
_BEGINS = '{"payload":"'
_BASE64 = re.compile(base64.b64encode(b'{"payload":').decode()[:14] + r"[A-Za-z0-9+/]*={0,2}")
_ADDED = re.compile(r"[\s>|\u00ad\u200b-\u200d\u2060\ufeff]+")
"""What mail programs put in: line ends, marks of quotes, invisible characters. A report has none of them."""
_QUOTES = str.maketrans("\u201c\u201d\u201e\u00ab", '""""')


@dataclass(frozen=True)
class InForce:
    """A hotfix in force at a site.

    Attributes:
        manifest: digest of its manifest; None where somebody told of it by its name.
        preserved, kept: how many files stayed as the customer had them.
        lost: fixes whose loss was accepted.
        pending: the running processes do not use it yet, as far as the site's client knows.
        reference: the customer's own change number.
    """

    hotfix: str
    revision: int
    manifest: str | None
    applied: datetime | None
    preserved: int = 0
    kept: int = 0
    lost: tuple[str, ...] = ()
    unratified: bool = False
    pending: bool = False
    reference: str | None = None

    @property
    def label(self) -> str:
        """Identifier and revision."""
        return f"{self.hotfix}-r{self.revision}"


@dataclass(frozen=True)
class Statement:
    """What the report of a site says.

    Attributes:
        site: its own id.
        epoch: drawn when its client began to count; another one means that it began anew.
        made: the site's own time.
        checked: how many places were compared, None when they were not.
        drift: digest of the path, and whose file it should be, of what is not as expected.
        recalls: number of the recall list it has, None before it took one.
        checkpoint: of the vendor's audit log, as the site last saw it.
    """

    product: str
    site: str
    epoch: str
    counter: int
    made: datetime
    client: str
    baseline: str
    label: str
    digest: str
    hotfixes: tuple[InForce, ...]
    unfinished: bool
    checked: int | None
    drift: tuple[tuple[str, str], ...]
    policy: int
    recalls: int | None
    checkpoint: dict[str, Any] | None

    @property
    def manifests(self) -> frozenset[str]:
        """Digests of what is in force."""
        return frozenset(one.manifest for one in self.hotfixes if one.manifest)


@dataclass(frozen=True)
class Carried:
    """A report as it came, its signatures not looked at yet.

    Attributes:
        data: the envelope's canonical bytes.
    """

    data: bytes
    envelope: Envelope
    statement: Statement

    @property
    def sha256(self) -> str:
        """SHA-256 of the envelope."""
        return documents.digest(self.data)

    @property
    def payload_sha256(self) -> str:
        """SHA-256 of what it says."""
        return documents.digest(self.envelope.payload)


def read_report(data: bytes) -> Carried:
    """Read the one report in what somebody handed over.

    Raises:
        ReportError: there is none, it is damaged, or there are several.
    """
    found = read_reports(data)
    if len(found) > 1:
        raise ReportError("several", f"there are {len(found)} reports in it, not one")
    return found[0]


def read_reports(data: bytes) -> list[Carried]:
    """Read every report in what somebody handed over: a file, or the text of a mail.

    Raises:
        ReportError: there is none, or one is damaged.
    """
    if len(data) > MOST_BYTES:
        raise ReportError("too-large", f"it has {len(data)} bytes, more than a report can have ({MOST_BYTES})")
    return [_carried(envelope) for envelope in _envelopes(data)]


def _envelopes(data: bytes) -> list[bytes]:
    """Return the bytes of every envelope in a text."""
    line = data.strip()
    if line.startswith(_BEGINS.encode()) and line.count(b"\n") == 0 and _ENVELOPE.fullmatch(line.decode("latin-1")):
        return [line]
    text = _text(data)
    if found := _in_text(text) or _in_text(_unquoted(text)) or _in_text(_from_base64(text)):
        return found
    if _BEGINS in _plain(text) or _BASE64.search(_plain(text)):
        raise ReportError("truncated", "a report begins there, and does not end, or something is missing in it")
    raise ReportError("text", "there is no report in it")


def _text(data: bytes) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _plain(text: str) -> str:
    return html.unescape(_ADDED.sub("", text)).translate(_QUOTES)


def _in_text(text: str) -> list[bytes]:
    found = {match[0].encode(): None for match in _ENVELOPE.finditer(_plain(text))}
    return list(found)


def _unquoted(text: str) -> str:
    """Return a text without the marks of quoted-printable."""
    lines = "\n".join(line.lstrip("> ").rstrip("\r") for line in text.split("\n"))
    return quopri.decodestring(lines.encode("utf-8", "replace")).decode("utf-8", "replace")


def _from_base64(text: str) -> str:
    match = _BASE64.search(_plain(text))
    if match is None:
        return ""
    try:
        return base64.b64decode(match[0]).decode("utf-8", "replace")
    except binascii.Error:
        return ""


def _carried(data: bytes) -> Carried:
    try:
        document = documents.decode(data, what="the report", limit=MOST_BYTES, light=True)
        envelope = Envelope.from_document(document, "the report", unsigned=True)
    except (DocumentError, StatementError) as error:
        raise ReportError("fields", error.message) from None
    if envelope.payload_type != PAYLOAD_TYPE:
        raise ReportError("other-document", f"it is a {envelope.payload_type!r}, not the report of a site")
    return Carried(data, envelope, read_statement(envelope.payload))


def read_statement(payload: bytes) -> Statement:
    """Read what a report says.

    Raises:
        ReportError: it breaks a rule.
    """
    try:
        document = documents.decode(payload, what="the report", limit=LIMITS.sidecar)
    except DocumentError as error:
        raise ReportError("fields", error.message) from None
    fields = Fields(document, "report", ReportError)
    if fields.integer("format", 1, 1_000_000) != 1:
        raise ReportError("fields", "the report has a form that only a newer Patchline knows")
    level = fields.object("level")
    return Statement(
        product=fields.text("product", pattern=identifiers.PRODUCT),
        site=fields.text("site", pattern=_NAME),
        epoch=fields.text("epoch", pattern=_NAME),
        counter=fields.integer("counter", 1, 2**53 - 1),
        made=_moment(fields, "time"),
        client=fields.text("client", limit=64),
        baseline=fields.text("baseline", pattern=identifiers.VERSION),
        label=level.text("label", limit=MIB),
        digest=level.sha256("digest"),
        hotfixes=_hotfixes(fields),
        unfinished=fields.boolean("unfinished"),
        checked=fields.integer("checked", 0, 2**53 - 1) if fields.has("checked") else None,
        drift=tuple(_drift(fields, item) for item in fields.items("drift", most=_MOST_DRIFT)),
        policy=fields.integer("policy", 0, 2**53 - 1),
        recalls=fields.integer("recalls", 0, 2**53 - 1) if fields.has("recalls") else None,
        checkpoint=fields.object("checkpoint").document if fields.has("checkpoint") else None,
    )


def _hotfixes(fields: Fields) -> tuple[InForce, ...]:
    found = tuple(
        InForce(
            hotfix=entry.text("hotfix", pattern=identifiers.HOTFIX),
            revision=entry.integer("revision", 1, 10_000),
            manifest=entry.sha256("manifest"),
            applied=_moment(entry, "applied"),
            preserved=entry.integer("preserved", 0, _MOST_DRIFT),
            kept=entry.integer("kept", 0, _MOST_DRIFT),
            lost=entry.texts("lost"),
            unratified=entry.boolean("unratified"),
            # Clients before these were told know nothing of them.
            pending=entry.has("pending") and entry.boolean("pending"),
            reference=entry.text("reference", limit=REFERENCE_LENGTH) if entry.has("reference") else None,
        )
        for entry in fields.objects("hotfixes", most=_MOST_HOTFIXES)
    )
    if len({one.manifest for one in found}) != len(found):
        fields.fail("value", ".hotfixes names the same hotfix twice")
    return found


def _drift(fields: Fields, item: Any) -> tuple[str, str]:
    if not isinstance(item, list) or len(item) != 2 or not all(isinstance(part, str) for part in item):
        fields.fail("type", ".drift must hold pairs of digest and owner")
    fields.check_text("drift", item[0], pattern=identifiers.DIGEST)
    fields.check_text("drift", item[1])
    return item[0], item[1]


def _moment(fields: Fields, key: str) -> datetime:
    text = fields.text(key, limit=40)
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None and moment >= _FIRST:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    return fields.fail("value", f".{key} is no time: {text!r}")  # type: ignore[no-any-return]
