"""Keys of the vectors: derived from their names, known to everybody, never to be used for anything else.

Signatures are deterministic (RFC 6979, RFC 8032), so the vectors come out the same wherever they are made.
"""

import base64
import hashlib
from dataclasses import dataclass
from functools import cache

import ecdsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from ecdsa.util import sigdecode_der, sigencode_der

P256_ORDER = ecdsa.NIST256p.order


def _seed(name: str) -> bytes:
    return hashlib.sha256(f"patchline test vector, not a secret: {name}".encode()).digest()


@dataclass(frozen=True)
class Key:
    """A key pair of the vectors; `kind` is `p256` or `ed25519`."""

    name: str
    kind: str

    @property
    def der(self) -> bytes:
        if self.kind == "p256":
            return bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200") + _p256(self.name)[1]
        return bytes.fromhex("302a300506032b6570032100") + _ed25519(self.name)[1]

    @property
    def keyid(self) -> str:
        return hashlib.sha256(self.der).hexdigest()

    @property
    def pem(self) -> str:
        return pem(self.der)

    def sign(self, data: bytes) -> bytes:
        if self.kind == "ed25519":
            return _ed25519(self.name)[0].sign(data)
        signature: bytes = _p256(self.name)[0].sign_deterministic(data, hashlib.sha256, sigencode_der)
        return signature

    def sign_sha1(self, data: bytes) -> bytes:
        """Sign with a digest that nobody may use."""
        signature: bytes = _p256(self.name)[0].sign_deterministic(data, hashlib.sha1, sigencode_der)
        return signature


def pem(der: bytes) -> str:
    text = base64.b64encode(der).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])


@cache
def _p256(name: str) -> tuple[ecdsa.SigningKey, bytes]:
    number = int.from_bytes(_seed(name)) % (P256_ORDER - 1) + 1
    key = ecdsa.SigningKey.from_secret_exponent(number, ecdsa.NIST256p)
    return key, key.verifying_key.to_string("uncompressed")


@cache
def _ed25519(name: str) -> tuple[Ed25519PrivateKey, bytes]:
    key = Ed25519PrivateKey.from_private_bytes(_seed(name))
    return key, key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def mirrored(signature: bytes) -> bytes:
    """Return the other ECDSA signature that fits where (r, s) fits: (r, n - s)."""
    r, s = sigdecode_der(signature, P256_ORDER)
    other: bytes = sigencode_der(r, P256_ORDER - s, P256_ORDER)
    return other


ROOTS = (Key("root one", "p256"), Key("root two", "p256"), Key("root three", "ed25519"))
BUILDER = Key("kim, builder", "p256")
RELEASE = Key("release", "p256")
BOB = Key("bob, approver", "p256")
BOB_SECOND = Key("bob, second approver's key", "ed25519")
CAROL = Key("carol, approver", "ed25519")
DAN = Key("dan, approver", "p256")
ADA = Key("ada, approver and author", "p256")
KIM_APPROVER = Key("kim, approver", "ed25519")
STRANGER = Key("a stranger", "p256")
