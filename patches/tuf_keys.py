"""Our keys in TUF metadata: python-tuf verifies through `signature.verify_signature`, with or without `cryptography`.

`register` puts `TufKey` in the place of securesystemslib's own class for the two kinds. That one accepts Ed25519 keys
of small order and S + L where `cryptography` is missing, and no P-256 at all.
"""

from typing import Any

from patchline.patches.errors import SignatureError
from patchline.patches.keys import Kind, PublicKey
from patchline.patches.signature import verify_signature
from patchline.patches.signers import Signer
from patchline.patches.tuf_library import (
    KEY_FOR_TYPE_AND_SCHEME,
    Key,
    Signature,
    TufSignerBase,
    UnverifiedSignatureError,
)

_NAMES = {Kind.P256: ("ecdsa", "ecdsa-sha2-nistp256"), Kind.ED25519: ("ed25519", "ed25519")}


class TufKey(Key):
    """A key of TUF metadata: as TUF writes it, with our check behind it."""

    def __init__(self, public: PublicKey) -> None:
        """Take the key; its TUF id is our key id."""
        value = public.to_pem() if public.kind is Kind.P256 else public.point.hex()
        super().__init__(public.keyid, *_NAMES[public.kind], {"public": value})
        self.public = public

    @classmethod
    def from_dict(cls, keyid: str, key_dict: dict[str, Any]) -> "TufKey":
        """Read a key.

        Raises:
            ValueError: another kind, spare members, or an id that is not the digest of the key.
        """
        names = {pair: kind for kind, pair in _NAMES.items()}
        pair = (key_dict.get("keytype"), key_dict.get("scheme"))
        if pair not in names:
            raise ValueError(f"keys of kind {pair} are not used")
        try:
            public = _read(names[pair], key_dict["keyval"]["public"])
        except SignatureError as error:
            raise ValueError(error.message) from None
        key = cls(public)
        if key.to_dict() != key_dict or keyid != public.keyid:
            raise ValueError("its id is not its own digest, or it has members that do not belong there")
        return key

    def to_dict(self) -> dict[str, Any]:
        """Return the key as it stands in metadata."""
        return self._to_dict()

    def verify_signature(self, signature: Signature, data: bytes) -> None:
        """Return if the signature fits; raise securesystemslib's error if not."""
        try:
            verify_signature(self.public, bytes.fromhex(signature.signature), data)
        except (SignatureError, ValueError) as error:
            raise UnverifiedSignatureError(str(error)) from None


def _read(kind: Kind, value: str) -> PublicKey:
    key = PublicKey.from_pem(value) if kind is Kind.P256 else PublicKey(kind, bytes.fromhex(value))
    if key.kind is not kind:
        raise ValueError(f"the key is not of kind {kind}")
    return key


def register() -> None:
    """Let securesystemslib make our class of every P-256 and Ed25519 key."""
    for pair in _NAMES.values():
        KEY_FOR_TYPE_AND_SCHEME[pair] = TufKey


class TufSigner(TufSignerBase):
    """Lets python-tuf sign with one of our signers."""

    def __init__(self, signer: Signer) -> None:
        """Take the signer."""
        self._signer = signer

    @classmethod
    def from_priv_key_uri(cls, priv_key_uri: str, public_key: Key, secrets_handler: Any = None) -> "TufSigner":
        """Refuse: keys are opened by `signers.open_signer`."""
        raise NotImplementedError("open keys by signers.open_signer")

    @property
    def public_key(self) -> Key:
        """The key that verifies what this signs."""
        return TufKey(self._signer.public)

    def sign(self, payload: bytes) -> Signature:
        """Return the signature in TUF's form."""
        return Signature(self._signer.public.keyid, self._signer.sign(payload).hex())
