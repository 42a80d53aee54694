"""Keys that sign in Vault's Transit engine and never leave it: `transit:MOUNT/KEY`, or `…/KEY@VERSION`.

- A key that could be taken out, or deleted, is refused: its signature would no longer say where the key lies.
- Every signature is verified before it is given away, by the public key that was read when the key was opened; the
  key's id goes into policies, so a rotation in Vault is a new key there.
- Whole messages are sent, never digests: Ed25519 would sign a digest as if it were the message.
"""

import re
from dataclasses import dataclass
from typing import Any

import hvac  # type: ignore[import-untyped]

from patchline.patches.base64text import decode_base64, encode_base64
from patchline.patches.errors import SignatureError, StatementError, VaultError
from patchline.patches.keys import Kind, PublicKey
from patchline.patches.signature import verify_signature
from patchline.vault import names
from patchline.vault.connection import Connection

SCHEME = "transit"
KINDS = {"ecdsa-p256": Kind.P256, "ed25519": Kind.ED25519}
"""What Transit calls our kinds of keys."""
LARGEST = 16 << 20
"""Bytes that are signed at once; statements have a few thousand."""
_UNFIT = {
    "exportable": "it may be exported",
    "allow_plaintext_backup": "it may be taken out as a backup",
    "deletion_allowed": "it may be deleted",
    "derived": "it is derived from a context",
    "imported_key": "it was imported, so somebody had it before",
    "soft_deleted": "it was deleted",
}
_URI = re.compile(r"(?P<mount>[^@]+)/(?P<key>[^/@]+)(?:@(?P<version>[1-9][0-9]{0,5}))?")
_SIGNATURE = re.compile(r"vault:v([1-9][0-9]{0,5}):([A-Za-z0-9+/=]+)")


@dataclass(frozen=True)
class KeyName:
    """A key in a Transit engine.

    Attributes:
        mount: of the engine; it may have several segments.
        key: its name.
        version: a fixed one; None for the newest there is when the key is opened.
    """

    mount: str
    key: str
    version: int | None = None

    @classmethod
    def parse(cls, text: str) -> "KeyName":
        """Read what follows the colon of a URI.

        Raises:
            VaultError: it names no key.
        """
        match = _URI.fullmatch(text)
        if match is None:
            raise VaultError("path", f"{text[:80]!r} is not MOUNT/KEY")
        version = int(match["version"]) if match["version"] else None
        return cls(names.path(match["mount"]), names.name(match["key"]), version)

    def __str__(self) -> str:
        return f"{SCHEME}:{self.mount}/{self.key}" + (f"@{self.version}" if self.version else "")


@dataclass(frozen=True)
class TransitSigner:
    """Signs with one version of a key in Vault; made by `open_transit`."""

    connection: Connection
    name: KeyName
    version: int
    public: PublicKey

    def sign(self, data: bytes) -> bytes:
        """Return the signature: DER for P-256, 64 bytes for Ed25519.

        Raises:
            VaultError: Vault cannot be asked, says no, or signs otherwise than asked.
        """
        if len(data) > LARGEST:
            raise VaultError("too-large", f"{self.name}: more than {LARGEST} bytes are not signed at once")
        wish: dict[str, Any] = {"input": encode_base64(data), "key_version": self.version}
        if self.public.kind is Kind.P256:
            wish |= {"hash_algorithm": "sha2-256", "marshaling_algorithm": "asn1"}
        path = f"/v1/{self.name.mount}/sign/{self.name.key}"

        def question(vault: hvac.Client) -> str:
            return str(vault.adapter.post(path, json=wish)["data"]["signature"])

        # Asked once more only after a new login: a signature made twice harms nobody, but each stands in the audit log.
        signature = self._read(self.connection.ask(f"signing with {self.name}", question))
        try:
            verify_signature(self.public, signature, data)
        except SignatureError:
            raise VaultError("signature", f"{self.name} gave a signature that its public key does not verify") from None
        return signature

    def _read(self, text: str) -> bytes:
        match = _SIGNATURE.fullmatch(text)
        if match is None or int(match[1]) != self.version:
            raise VaultError("signature", f"{self.name} signed with another version than {self.version}")
        try:
            return decode_base64(match[2], what="signature")
        except StatementError:
            raise VaultError("signature", f"{self.name} gave something that is no signature") from None


def open_transit(connection: Connection, name: KeyName) -> TransitSigner:
    """Open a key, after looking at what may be done with it.

    Raises:
        VaultError: there is no such key or version, or it is not fit for signing.
    """
    facts = key_facts(connection, name)
    if facts is None:
        raise VaultError("key-missing", f"Vault has no key {name}")
    check_fit(facts, name)
    version = _version(facts, name)
    return TransitSigner(connection, name, version, _public(facts, version, name))


def key_facts(connection: Connection, name: KeyName) -> dict[str, Any] | None:
    """Return what Transit says of a key; None when there is none.

    Raises:
        VaultError: Vault cannot be asked, or says no.
    """
    path = f"/v1/{name.mount}/keys/{name.key}"
    try:
        return connection.ask(f"the key {name}", lambda vault: dict(vault.adapter.get(path)["data"]), safe=True)
    except VaultError as error:
        if error.code == "vault.missing":
            return None
        raise


def check_fit(facts: dict[str, Any], name: KeyName) -> None:
    """Refuse a key that could leave Vault, or that makes no signatures of ours.

    Raises:
        VaultError: what makes it unfit, all of it.
    """
    if facts.get("type") not in KINDS or facts.get("supports_signing") is not True:
        raise VaultError("key-kind", f"{name} is neither P-256 nor Ed25519")
    reasons = [words for mark, words in _UNFIT.items() if facts.get(mark)]
    reasons += [
        f"Vault does not say of it: {mark}" for mark in ("exportable", "allow_plaintext_backup") if mark not in facts
    ]
    if reasons:
        raise VaultError("key-unfit", f"{name} is not used: {', '.join(reasons)}")


def _version(facts: dict[str, Any], name: KeyName) -> int:
    """Return the version that signs. They are numbers, though the answer lists them as texts: 10 comes after 9."""
    there = sorted(int(version) for version in facts["keys"])
    version = name.version or max(there, default=0)
    oldest = max(int(facts.get("min_encryption_version") or 0), int(facts.get("min_available_version") or 0))
    if version not in there or version < oldest or version > int(facts["latest_version"]):
        raise VaultError("key-version", f"{name} has no version {version} that signs")
    return version


def _public(facts: dict[str, Any], version: int, name: KeyName) -> PublicKey:
    text = str(facts["keys"][str(version)]["public_key"])
    try:
        if KINDS[facts["type"]] is Kind.P256:
            return PublicKey.from_pem(text)
        return PublicKey(Kind.ED25519, decode_base64(text, what="public key"))
    except (SignatureError, StatementError):
        raise VaultError("answer", f"{name} has a public key that must not be used") from None
