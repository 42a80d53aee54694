"""The two implementations behind `signature.verify_signature`: compiled, and pure Python where that is absent.

Nothing else calls them: a backend may be lenient (low-order keys, S + L), the checks in `signature` and `keys` come first.
With those checks both give the same answer on every input; tests/patches/test_signature.py holds them to it.
"""

import functools
import hashlib
from typing import Protocol


class Backend(Protocol):
    """Answers whether a checked signature fits; never raises for a wrong one."""

    name: str

    def p256(self, point: bytes, signature: bytes, data: bytes) -> bool:
        """Tell whether a DER signature of ECDSA with SHA-256 fits the uncompressed point."""

    def ed25519(self, point: bytes, signature: bytes, data: bytes) -> bool:
        """Tell whether an Ed25519 signature of 64 bytes fits the encoded point."""


class Compiled:
    """OpenSSL by way of `cryptography`."""

    name = "cryptography"

    def p256(self, point: bytes, signature: bytes, data: bytes) -> bool:
        """Tell whether a DER signature of ECDSA with SHA-256 fits the uncompressed point."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.hashes import SHA256

        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        try:
            key.verify(signature, data, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True

    def ed25519(self, point: bytes, signature: bytes, data: bytes) -> bool:
        """Tell whether an Ed25519 signature of 64 bytes fits the encoded point."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(point).verify(signature, data)
        except InvalidSignature:
            return False
        return True


class Pure:
    """Pure Python: `ecdsa`, and the Ed25519 that securesystemslib carries. About 3 and 6 ms a signature.

    Neither takes a constant time, so they verify public data only and never sign.
    """

    name = "pure"

    def p256(self, point: bytes, signature: bytes, data: bytes) -> bool:
        """Tell whether a DER signature of ECDSA with SHA-256 fits the uncompressed point."""
        from ecdsa import NIST256p, VerifyingKey  # type: ignore[import-untyped]
        from ecdsa.ellipticcurve import INFINITY  # type: ignore[import-untyped]
        from ecdsa.util import sigdecode_der  # type: ignore[import-untyped]

        # Not VerifyingKey.verify: it fails with a TypeError where the sum below is the point at infinity.
        public = VerifyingKey.from_string(point, curve=NIST256p, valid_encodings=("uncompressed",)).pubkey.point
        order = NIST256p.order
        r, s = sigdecode_der(signature, order)
        inverse = pow(s, -1, order)
        hashed = int.from_bytes(hashlib.sha256(data).digest())
        total = NIST256p.generator.mul_add(hashed * inverse % order, public, r * inverse % order)
        return bool(total != INFINITY and total.x() % order == r)

    def ed25519(self, point: bytes, signature: bytes, data: bytes) -> bool:
        """Tell whether an Ed25519 signature of 64 bytes fits the encoded point."""
        from securesystemslib._vendor.ed25519.ed25519 import SignatureMismatch, checkvalid

        try:
            checkvalid(signature, data, point)  # type: ignore[no-untyped-call]
        except SignatureMismatch:
            return False
        return True


@functools.cache
def active() -> Backend:
    """Return the backend of this process: compiled where `cryptography` can be imported."""
    return Compiled() if compiled_is_there() else Pure()


@functools.cache
def compiled_is_there() -> bool:
    """Tell whether `cryptography` can be imported; a copy built for another system counts as absent."""
    try:
        import cryptography.hazmat.bindings._rust  # noqa: F401
    except ImportError:
        return False
    return True
