"""Sealing the token of a hand-over to a key that the borrower's command has just made, so that the register cannot read it.

The key lives as long as that command does. X25519, HKDF-SHA256, ChaCha20-Poly1305; the loan's id is bound to it.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from patchline.patches.errors import RefusedError

_PUBLIC = 32
_NONCE = bytes(12)
"""Each sealing has a key of its own, which is used once."""


class SealingKey:
    """The borrower's side: a key for one hand-over."""

    def __init__(self) -> None:
        self._private = X25519PrivateKey.generate()

    @property
    def public(self) -> str:
        """The public half, in hexadecimal."""
        return self._private.public_key().public_bytes_raw().hex()

    def unseal(self, sealed: bytes, loan: str) -> str:
        """Return the token.

        Raises:
            RefusedError: it was sealed to another key, for another loan, or changed.
        """
        theirs, text = sealed[:_PUBLIC], sealed[_PUBLIC:]
        try:
            shared = self._private.exchange(X25519PublicKey.from_public_bytes(theirs))
            return _cipher(shared, theirs, self.public).decrypt(_NONCE, text, loan.encode()).decode("ascii")
        except (InvalidTag, ValueError):
            raise RefusedError("loan-sealed", f"the hand-over of loan {loan} was changed in the register") from None


def seal(public: str, token: str, loan: str) -> bytes:
    """Return the token for the holder of a key alone.

    Raises:
        RefusedError: the key is none.
    """
    mine = X25519PrivateKey.generate()
    ours = mine.public_key().public_bytes_raw()
    try:
        shared = mine.exchange(X25519PublicKey.from_public_bytes(bytes.fromhex(public)))
    except ValueError:
        raise RefusedError("loan-sealed", f"the key for the hand-over of loan {loan} is none") from None
    return ours + _cipher(shared, ours, public).encrypt(_NONCE, token.encode("ascii"), loan.encode())


def _cipher(shared: bytes, ours: bytes, theirs: str) -> ChaCha20Poly1305:
    info = b"patchline loan hand-over" + ours + bytes.fromhex(theirs)
    return ChaCha20Poly1305(HKDF(hashes.SHA256(), 32, None, info).derive(shared))
