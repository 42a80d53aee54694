"""Signatures: one checked `verify_signature`, before every backend.

- `verify_signature` is the only function that accepts a signature. It refuses by itself what backends differ on or are
  lenient about: DER that is not the one encoding of (r, s), r or s outside 1..n-1, Ed25519's S >= L, R of small order
  or not canonical. (`keys` refused bad public keys already.) Only then a backend is asked.
- ECDSA signatures are DER everywhere. (r, n-s) verifies where (r, s) does, so signature bytes name or count nothing.
"""

from patchline.patches import backends
from patchline.patches.errors import SignatureError
from patchline.patches.keys import ED25519_ORDER, P256_ORDER, Kind, PublicKey, check_ed25519_point


def verify_signature(key: PublicKey, signature: bytes, data: bytes) -> None:
    """Return if the signature over data was made by the key.

    Raises:
        SignatureError: it was not, or is not in its one allowed form.
    """
    if key.kind is Kind.P256:
        check_p256_signature(signature)
        fits = backends.active().p256(key.point, signature, data)
    else:
        _check_ed25519_signature(signature)
        fits = backends.active().ed25519(key.point, signature, data)
    if not fits:
        raise SignatureError("mismatch", f"the signature by key {key.keyid[:16]} does not fit what it should sign")


def _check_ed25519_signature(signature: bytes) -> None:
    if len(signature) != 64:
        raise SignatureError("length", f"an Ed25519 signature has 64 bytes, not {len(signature)}")
    if int.from_bytes(signature[32:], "little") >= ED25519_ORDER:
        raise SignatureError("scalar", "the S of the Ed25519 signature is not reduced")
    check_ed25519_point(signature[:32], "point")


def check_p256_signature(signature: bytes) -> None:
    """Refuse bytes that are not the one DER encoding of (r, s) with both within 1..n-1."""
    numbers = _read_der_integers(signature)
    if numbers is None or len(numbers) != 2 or encode_p256_signature(*numbers) != signature:
        raise SignatureError("der", "the P-256 signature is not the DER encoding of two numbers")
    if not all(1 <= number < P256_ORDER for number in numbers):
        raise SignatureError("range", "a number of the P-256 signature is not within 1..n-1")


def _read_der_integers(data: bytes) -> list[int] | None:
    """Read SEQUENCE { INTEGER... } with short lengths; None when it is not that. The caller compares the encoding."""
    if len(data) < 2 or data[0] != 0x30 or data[1] != len(data) - 2 or len(data) > 127:
        return None
    numbers, place = [], 2
    while place < len(data):
        size = data[place + 1] if place + 1 < len(data) else 0
        content = data[place + 2 : place + 2 + size]
        if data[place] != 0x02 or not size or len(content) != size:
            return None
        numbers.append(int.from_bytes(content, signed=True))
        place += 2 + size
    return numbers


def encode_p256_signature(r: int, s: int) -> bytes:
    """Return the DER encoding of a signature (what a browser gives as r and s side by side)."""
    parts = b""
    for number in (r, s):
        content = number.to_bytes(number.bit_length() // 8 + 1, signed=True)
        parts += bytes([0x02, len(content)]) + content
    return bytes([0x30, len(parts)]) + parts


def p256_signature_of_browser(raw: bytes) -> bytes:
    """Return the DER encoding of a signature as WebCrypto gives it: r and s, 32 bytes each, side by side.

    Raises:
        SignatureError: it has another length, or a number is not within 1..n-1.
    """
    if len(raw) != 64:
        raise SignatureError("length", f"a browser's P-256 signature has 64 bytes, not {len(raw)}")
    signature = encode_p256_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    check_p256_signature(signature)
    return signature
