"""What a person signed, remembered beside their own keys: so that they notice what somebody else signed with them.

    signed     one line for each signature made here: the key's id and the SHA-256 of what was signed
    watched    the same for signatures that the person has been shown elsewhere and took as their own (`accepted`),
               or was merely shown (`shown`); and releases that were looked through (`looked`), by their digest

Signatures made in a browser, or with a key in Vault from another machine, are unknown until the person accepts them.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from patchline.patches import documents
from patchline.patches.errors import MalformedError, NotFoundError, TrustError
from patchline.patches.fields import Fields
from patchline.patches.files import os_failure, read_file, write_file
from patchline.patches.keys import PublicKey
from patchline.patches.passphrases import passphrase_for
from patchline.patches.signers import Signer, keys_folder, open_signer
from patchline.releaser.vault_access import let_vault_sign

SIGNED, WATCHED = "signed", "watched.json"
FORMAT = 1
_LIMIT = 1 << 28
_MOST = 1_000_000


def mark(keyid: str, signed: bytes) -> str:
    """Return what a signature is remembered by; never its bytes, of which one statement has many."""
    return f"{keyid} {documents.digest(signed)}"


@dataclass(frozen=True)
class OwnSigner:
    """A person's key whose every signature is remembered before it is given away."""

    signer: Signer
    folder: Path

    @property
    def public(self) -> PublicKey:
        """The public key that verifies what this signs."""
        return self.signer.public

    def sign(self, data: bytes) -> bytes:
        """Return the signature."""
        signature = self.signer.sign(data)
        _append(self.folder / SIGNED, mark(self.public.keyid, data))
        return signature


def open_own(name: str) -> Signer:
    """Open a key of the person at this machine, as `signers.open_signer` does.

    Raises:
        PatchlineError: as there; a signature fails that cannot be remembered.
    """
    let_vault_sign()
    return OwnSigner(open_signer(name, passphrase_for), keys_folder())


def _append(path: Path, line: str) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, f"{line}\n".encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise os_failure(error) from None


def signed_here(folder: Path) -> frozenset[str]:
    """Return the marks of what was signed on this machine."""
    try:
        return frozenset(read_file(folder / SIGNED, limit=_LIMIT).decode("ascii").splitlines())
    except NotFoundError:
        return frozenset()
    except UnicodeDecodeError:
        raise MalformedError("not-a-file", f"{folder / SIGNED} is damaged") from None


@dataclass(frozen=True)
class Watched:
    """What the person has seen of their signatures elsewhere.

    Attributes:
        shown: marks of all that was ever shown.
        accepted: those they took as their own.
        looked: by whose keys and which release, what need not be read again.
    """

    shown: frozenset[str] = field(default_factory=frozenset)
    accepted: frozenset[str] = field(default_factory=frozenset)
    looked: frozenset[str] = field(default_factory=frozenset)

    def after(self, marks: Iterable[str], looked: Iterable[str], *, accept: bool) -> "Watched":
        """Return what was seen after these were shown."""
        marks = frozenset(marks)
        accepted = self.accepted | marks if accept else self.accepted
        return replace(self, shown=self.shown | marks, accepted=accepted, looked=self.looked.union(looked))

    @classmethod
    def read(cls, folder: Path) -> "Watched":
        """Read what a person's folder of keys has of it.

        Raises:
            TrustError, DocumentError: the file is damaged.
        """
        try:
            data = read_file(folder / WATCHED, limit=_LIMIT)
        except NotFoundError:
            return cls()
        fields = Fields(documents.decode(data, what=WATCHED, limit=_LIMIT), WATCHED, TrustError)
        return cls(*(frozenset(fields.texts(key, most=_MOST)) for key in ("shown", "accepted", "looked")))

    def write(self, folder: Path) -> None:
        """Keep it."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        document = {key: sorted(getattr(self, key)) for key in ("shown", "accepted", "looked")}
        data = documents.encode({"format": FORMAT, **document})
        write_file(folder / WATCHED, data, overwrite=True, mode=0o600)
