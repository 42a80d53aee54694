"""DSSE envelopes, and the sidecars that hold one on each line.

- What is signed is the payload's bytes and their type (PAE, DSSE v1); the payload is parsed only after its signature
  was verified, from the very bytes that were verified.
- One form: each line of a sidecar is its own RFC 8785 encoding and ends with a line feed; base64 is strict; an
  envelope has no members but DSSE's own.
- A signature by a known key that does not verify is an error, never a signature that merely does not count.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from patchline.patches import documents
from patchline.patches.base64text import decode_base64, encode_base64
from patchline.patches.errors import StatementError
from patchline.patches.fields import Fields
from patchline.patches.keys import PublicKey
from patchline.patches.limits import LIMITS
from patchline.patches.signature import verify_signature
from patchline.patches.signers import Signer

_MEMBERS = {"payload", "payloadType", "signatures"}
_SIGNATURE_MEMBERS = {"keyid", "sig"}


@dataclass(frozen=True)
class Envelope:
    """A payload, its type, and signatures over both as pairs of key id and signature bytes."""

    payload_type: str
    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]

    @property
    def signed_bytes(self) -> bytes:
        """What a signature covers: DSSE's pre-authentication encoding."""
        kind = self.payload_type.encode()
        return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(self.payload), self.payload)

    def signed_by(self, signer: Signer) -> "Envelope":
        """Return the envelope with one more signature, or with this signer's anew."""
        others = [pair for pair in self.signatures if pair[0] != signer.public.keyid]
        pair = (signer.public.keyid, signer.sign(self.signed_bytes))
        return Envelope(self.payload_type, self.payload, tuple(sorted([*others, pair])))

    def verified_keys(self, keys: Mapping[str, PublicKey]) -> frozenset[str]:
        """Return the ids of those of `keys` that signed; signatures by other keys are left alone.

        Raises:
            SignatureError: a signature by one of the keys is wrong.
        """
        known = [(keyid, signature) for keyid, signature in self.signatures if keyid in keys]
        for keyid, signature in known:
            verify_signature(keys[keyid], signature, self.signed_bytes)
        return frozenset(keyid for keyid, _ in known)

    def require_type(self, payload_type: str, what: str) -> None:
        """Raise StatementError unless the payload is of this type."""
        if self.payload_type != payload_type:
            raise StatementError("payload-type", f"{what} is a {self.payload_type!r}, not a {payload_type!r}")

    def as_document(self) -> dict[str, Any]:
        """Return the envelope as it stands in JSON."""
        return {
            "payload": encode_base64(self.payload),
            "payloadType": self.payload_type,
            "signatures": [{"keyid": keyid, "sig": encode_base64(sig)} for keyid, sig in self.signatures],
        }

    @classmethod
    def from_document(cls, document: Any, what: str, *, unsigned: bool = False) -> "Envelope":
        """Read an envelope; one without signatures only if `unsigned`, for those who are about to sign it.

        Raises:
            StatementError: it breaks a rule.
        """
        fields = Fields(document, what, StatementError)
        _only(fields, _MEMBERS)
        signatures = [_read_signature(entry) for entry in fields.objects("signatures", most=LIMITS.envelopes)]
        if not signatures and not unsigned:
            raise StatementError("unsigned", f"{what} has no signature")
        if len({keyid for keyid, _ in signatures}) != len(signatures):
            raise StatementError("signature-twice", f"{what} has two signatures of one key")
        payload = decode_base64(_text(fields, "payload"), f"{what}.payload")
        return cls(fields.text("payloadType", limit=200), payload, tuple(signatures))


def _only(fields: Fields, members: set[str]) -> None:
    if unknown := sorted(set(fields.document).difference(members)):
        fields.fail("envelope-fields", f" has members that DSSE does not know: {unknown}")


def _text(fields: Fields, key: str) -> str:
    """Return a string of any length; decoding it is its rule."""
    value = fields.document.get(key)
    if not isinstance(value, str):
        fields.fail("type" if key in fields.document else "missing", f".{key} must be a string")
    return str(value)


def _read_signature(fields: Fields) -> tuple[str, bytes]:
    _only(fields, _SIGNATURE_MEMBERS)
    return fields.sha256("keyid"), decode_base64(_text(fields, "sig"), f"{fields.where}.sig")


def sign(payload: bytes, payload_type: str, signer: Signer) -> Envelope:
    """Return a payload in an envelope with one signature."""
    return Envelope(payload_type, payload, ()).signed_by(signer)


def read_sidecar(data: bytes, what: str) -> tuple[Envelope, ...]:
    """Read a sidecar: envelopes, one a line. An empty one holds none.

    Raises:
        StatementError: too large, too many lines, or a line that is no envelope.
        DocumentError: a line that is not canonical JSON.
    """
    if len(data) > LIMITS.sidecar:
        raise StatementError("sidecar-too-large", f"{what} has {len(data)} bytes, more than {LIMITS.sidecar}")
    lines = data.split(b"\n")
    if lines.pop():
        raise StatementError("sidecar-line", f"{what} does not end with a line feed")
    if len(lines) > LIMITS.envelopes:
        raise StatementError("sidecar-too-many", f"{what} has {len(lines)} lines, more than {LIMITS.envelopes}")
    return tuple(_read_line(line, f"{what}, line {number}") for number, line in enumerate(lines, 1))


def _read_line(line: bytes, what: str) -> Envelope:
    if not line:
        raise StatementError("sidecar-line", f"{what} is empty")
    return Envelope.from_document(documents.decode(line, what=what, limit=LIMITS.sidecar, light=True), what)


def write_sidecar(envelopes: Iterable[Envelope]) -> bytes:
    """Return the bytes of a sidecar.

    Raises:
        StatementError: too many or too large to be read again.
    """
    data = b"".join(documents.encode(envelope.as_document()) + b"\n" for envelope in envelopes)
    read_sidecar(data, "sidecar")
    return data
