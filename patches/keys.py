"""Public keys: ECDSA on P-256 and Ed25519, and nothing else.

- A key is its DER SubjectPublicKeyInfo, which for these two kinds is a fixed prefix and the point: nothing to parse.
- Its key id is the SHA-256 of that DER, so a key cannot go by two ids.
- A `PublicKey` can only be made of a point that is safe to verify with: on its curve, canonically written and, for
  Ed25519, without a part of small order. A key of small order verifies any message; one of mixed order verifies some
  messages with one library and not with another. Every reader of keys comes through here.
"""

import base64
import binascii
import functools
import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from patchline.patches import identifiers
from patchline.patches.errors import SignatureError

_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----\n((?:[A-Za-z0-9+/=]{1,64}\n)+)-----END PUBLIC KEY-----\n")
_PEM_LIMIT = 4096

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
_P256_FIELD = 2**256 - 2**224 + 2**192 + 2**96 - 1
_P256_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_ED25519_FIELD = 2**255 - 19
_ED25519_D = -121665 * pow(121666, -1, _ED25519_FIELD) % _ED25519_FIELD
_ED25519_ORDER_8_Y = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
# The y coordinates of the eight points of small order: of order 1, 2, 4 and 8 (two values).
_SMALL_ORDER_Y = frozenset(
    [1, _ED25519_FIELD - 1, 0, _ED25519_ORDER_8_Y, _ED25519_FIELD - _ED25519_ORDER_8_Y],
)


class Kind(StrEnum):
    """Kinds of keys, as the command line names them."""

    P256 = "p256"
    ED25519 = "ed25519"


# What stands before the point in a DER SubjectPublicKeyInfo; P-256 points are uncompressed.
_PREFIXES = {
    Kind.P256: bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200"),
    Kind.ED25519: bytes.fromhex("302a300506032b6570032100"),
}
_POINT_SIZES = {Kind.P256: 65, Kind.ED25519: 32}


@dataclass(frozen=True)
class PublicKey:
    """A public key whose point was checked.

    Attributes:
        kind: which signatures it verifies.
        point: for P-256 the uncompressed point (0x04, x, y: 65 bytes), for Ed25519 its 32 bytes.
    """

    kind: Kind
    point: bytes

    def __post_init__(self) -> None:
        if self.kind is Kind.P256:
            _check_p256_point(self.point)
        else:
            check_ed25519_point(self.point, "key")
            _check_prime_order(self.point)

    @property
    def der(self) -> bytes:
        """The DER SubjectPublicKeyInfo."""
        return _PREFIXES[self.kind] + self.point

    @cached_property
    def keyid(self) -> str:
        """SHA-256 of the DER, in hexadecimal."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def fingerprint(self) -> str:
        """The key id in the form that people compare."""
        return identifiers.fingerprint(self.keyid)

    @classmethod
    def from_der(cls, der: bytes) -> "PublicKey":
        """Read a DER SubjectPublicKeyInfo.

        Raises:
            SignatureError: another kind of key, or a point that must not be used.
        """
        for kind, prefix in _PREFIXES.items():
            if der.startswith(prefix) and len(der) == len(prefix) + _POINT_SIZES[kind]:
                return cls(kind, der[len(prefix) :])
        raise SignatureError("key-kind", "the key is neither P-256 (uncompressed point) nor Ed25519")

    @classmethod
    def from_pem(cls, pem: str) -> "PublicKey":
        r"""Read a PEM public key exactly as `to_pem` and `openssl pkey -pubout` write it.

        Raises:
            SignatureError: no such PEM, another kind of key, or a point that must not be used.
        """
        match = _PEM.fullmatch(pem) if len(pem) <= _PEM_LIMIT else None
        if match is None:
            raise SignatureError("key-pem", "the key is no PEM public key")
        try:
            der = base64.b64decode(match[1].replace("\n", ""), validate=True)
        except binascii.Error:
            raise SignatureError("key-pem", "the key's base64 is wrong") from None
        key = cls.from_der(der)
        if key.to_pem() != pem:
            raise SignatureError("key-pem", "the key's PEM is not in its one canonical form")
        return key

    def to_pem(self) -> str:
        """Return the key as PEM, ending with a line feed."""
        text = base64.b64encode(self.der).decode()
        lines = [text[start : start + 64] for start in range(0, len(text), 64)]
        return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])


def _check_p256_point(point: bytes) -> None:
    """Refuse what is not an uncompressed point of P-256; its group has prime order, so no small subgroups exist."""
    if len(point) != 65 or point[0] != 4:
        raise SignatureError("key-kind", "the P-256 key is not an uncompressed point")
    x, y = int.from_bytes(point[1:33]), int.from_bytes(point[33:])
    if x >= _P256_FIELD or y >= _P256_FIELD:
        raise SignatureError("key-not-canonical", "a coordinate of the P-256 key is not reduced")
    if (y * y - (x * x * x - 3 * x + _P256_B)) % _P256_FIELD:
        raise SignatureError("key-off-curve", "the key is not a point of P-256")


@functools.lru_cache(maxsize=1024)
def _check_prime_order(encoded: bytes) -> None:
    """Refuse a key A with L A != O. No honest program makes one; 5 ms, hence the cache."""
    from securesystemslib._vendor.ed25519 import ed25519

    product = ed25519.scalarmult(ed25519.decodepoint(encoded), ED25519_ORDER)  # type: ignore[no-untyped-call]
    if ed25519.encodepoint(product) != (1).to_bytes(32, "little"):  # type: ignore[no-untyped-call]
        raise SignatureError("key-mixed-order", "the Ed25519 key has a part of small order")


def check_ed25519_point(encoded: bytes, what: str) -> None:
    """Refuse an encoded Ed25519 point that is not canonical, not on the curve or of small order.

    Args:
        encoded: 32 bytes, y in little-endian order with the sign of x in the highest bit.
        what: `key` or `point` (the R of a signature); the first word of the error code.
    """
    if len(encoded) != 32:
        raise SignatureError(f"{what}-kind", f"an Ed25519 {what} has 32 bytes, not {len(encoded)}")
    y = int.from_bytes(encoded, "little") & (1 << 255) - 1
    if y >= _ED25519_FIELD:
        raise SignatureError(f"{what}-not-canonical", f"the Ed25519 {what} is not reduced")
    # Also catches x = 0 with the sign bit set: only y = 1 and y = -1 have x = 0.
    if y in _SMALL_ORDER_Y:
        raise SignatureError(f"{what}-small-order", f"the Ed25519 {what} has small order; it would fit any message")
    x_squared = (y * y - 1) * pow(_ED25519_D * y * y + 1, -1, _ED25519_FIELD)
    if pow(x_squared, (_ED25519_FIELD - 1) // 2, _ED25519_FIELD) != 1:
        raise SignatureError(f"{what}-off-curve", f"the {what} is not a point of Ed25519")
