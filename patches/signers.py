"""Private keys: what signs, and how a key is named.

- A private key is named by a URI, `scheme:rest`; a bare name means `sealed:NAME`. `register` adds schemes.
- Every signer checks its own signature before giving it away.
- Signing takes `cryptography` (or, for a site's plain key, openssl): pure Python would leak a key through its timing.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from patchline.patches import backends
from patchline.patches.errors import SettingsError, UsageError
from patchline.patches.keys import Kind, PublicKey
from patchline.patches.signature import verify_signature


class Signer(Protocol):
    """Something that signs with one private key, wherever that lies."""

    @property
    def public(self) -> PublicKey:
        """The public key that verifies what this signs."""

    def sign(self, data: bytes) -> bytes:
        """Return the signature: DER for P-256, 64 bytes for Ed25519."""


def require_cryptography(purpose: str) -> None:
    """Raise SettingsError unless `cryptography` can be imported; `purpose` says what needs it."""
    if not backends.compiled_is_there():
        raise SettingsError("cryptography", f"{purpose} needs the Python package cryptography, which is missing here")


class LocalSigner:
    """Signs with a private key held in memory."""

    def __init__(self, kind: Kind, secret: bytes) -> None:
        """Take the 32 secret bytes: a P-256 scalar (most significant byte first) or an Ed25519 seed.

        Raises:
            SettingsError: `cryptography` is missing.
            ValueError: the bytes are no secret of this kind.
        """
        require_cryptography("signing")
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519

        self._p256: ec.EllipticCurvePrivateKey | None = None
        self._ed25519: ed25519.Ed25519PrivateKey | None = None
        if kind is Kind.P256:
            self._p256 = ec.derive_private_key(int.from_bytes(secret), ec.SECP256R1())
        else:
            self._ed25519 = ed25519.Ed25519PrivateKey.from_private_bytes(secret)
        self.public = PublicKey.from_der(self._public_der())

    def _public_der(self) -> bytes:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        private = self._p256 or self._ed25519
        assert private is not None  # noqa: S101 - one of the two is set above
        return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, data: bytes) -> bytes:
        """Return the signature: DER for P-256, 64 bytes for Ed25519."""
        signature = self._sign(data)
        verify_signature(self.public, signature, data)
        return signature

    def _sign(self, data: bytes) -> bytes:
        if self._ed25519 is not None:
            return self._ed25519.sign(data)
        assert self._p256 is not None  # noqa: S101 - one of the two is set
        return self._p256.sign(data, _p256_scheme())


def _p256_scheme() -> Any:
    """Return how P-256 signs: by RFC 6979 (the same signature for the same bytes), which openssl before 3.2 cannot."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        return ECDSA(SHA256(), deterministic_signing=True)
    except UnsupportedAlgorithm:
        return ECDSA(SHA256())


def new_secret(kind: Kind) -> bytes:
    """Return 32 fresh secret bytes of a kind, as `LocalSigner` takes them.

    Raises:
        SettingsError: `cryptography` is missing.
    """
    require_cryptography("making a key")
    if kind is Kind.ED25519:
        return os.urandom(32)
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value.to_bytes(32)


Passphrase = Callable[[str], bytes]
"""Asks for the passphrase of the key named; called only for keys that have one."""


def keys_folder() -> Path:
    """Return the folder of this person's sealed keys: `PATCHLINE_KEYS`, else below the configuration folder."""
    if named := os.environ.get("PATCHLINE_KEYS"):
        return Path(named)
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "patchline" / "keys"


def _open_sealed_key(name: str, passphrase: Passphrase) -> Signer:
    from patchline.patches import sealed

    path = sealed.key_path(keys_folder(), name)
    return sealed.open_sealed(path, lambda: passphrase(name))


_OPENERS: dict[str, Callable[[str, Passphrase], Signer]] = {"sealed": _open_sealed_key}


def register(scheme: str, opener: Callable[[str, Passphrase], Signer]) -> None:
    """Let `open_signer` open URIs of a scheme; the opener gets what follows the colon."""
    _OPENERS[scheme] = opener


def open_signer(uri: str, passphrase: Passphrase) -> Signer:
    """Open the private key that a URI names; a bare name means `sealed:NAME`.

    Raises:
        UsageError: nothing opens such a URI.
        NotFoundError: no such key.
        SealedKeyError: it cannot be unsealed.
    """
    scheme, colon, rest = uri.partition(":")
    if not colon:
        scheme, rest = "sealed", uri
    if scheme not in _OPENERS:
        raise UsageError("key-uri", f"{uri!r} names no key that can sign; known are {', '.join(sorted(_OPENERS))}")
    return _OPENERS[scheme](rest, passphrase)
