"""Sealed key files: one private key under a passphrase (scrypt, then AES-256-GCM).

A file is one canonical JSON document `{header, sealed, checksum}`:
- `header` says everything needed to open it and is the associated data of the encryption, so nothing in it can be
  exchanged: format, kind of key, public key, scrypt's numbers and salt, nonce;
- `sealed` is the encrypted 32 secret bytes;
- `checksum` (SHA-256 over the other two) tells a damaged file from a wrong passphrase. It protects against nobody.

The cost is bounded before any work is done for a file, since a hostile one could ask for all memory of the machine.
"""

import hashlib
import os
import re
import stat
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from patchline.patches import documents
from patchline.patches.base64text import decode_base64, encode_base64
from patchline.patches.errors import (
    MalformedError,
    NotFoundError,
    SealedKeyError,
    SignatureError,
    StatementError,
    UsageError,
)
from patchline.patches.fields import Fields
from patchline.patches.keys import Kind, PublicKey
from patchline.patches.limits import LIMITS
from patchline.patches.signers import LocalSigner, new_secret, require_cryptography

FORMAT = 1
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
ENDING = ".key"


@dataclass(frozen=True)
class Cost:
    """Work of scrypt: memory is 128 * n * r bytes, time grows with n * r * p."""

    n: int = 1 << 17
    r: int = 8
    p: int = 1


COST = Cost()
CHEAPEST, DEAREST = Cost(1 << 10, 8, 1), Cost(1 << 18, 8, 4)
"""Bounds on what a file may ask for: 1 MiB to 256 MiB. Only test suites make keys below `COST`."""


def key_path(folder: Path, name: str) -> Path:
    """Return where the sealed key of a name lies.

    Raises:
        UsageError: the name could not be a plain file name everywhere.
    """
    if not NAME.fullmatch(name):
        raise UsageError("key-name", f"{name!r} is no name for a key")
    return folder / f"{name}{ENDING}"


def create_sealed(path: Path, kind: Kind, passphrase: bytes, cost: Cost = COST) -> PublicKey:
    """Make a new private key and seal it in a new file of mode 0600.

    Raises:
        SealedKeyError: the file exists already, or the passphrase is empty.
        SettingsError: `cryptography` is missing.
    """
    if not passphrase:
        raise SealedKeyError("empty-passphrase", f"the passphrase for {path.name} is empty")
    _check_cost(cost, path)
    secret = new_secret(kind)
    public = LocalSigner(kind, secret).public
    write_private(path, _seal(secret, kind, public, passphrase, cost))
    return public


def _seal(secret: bytes, kind: Kind, public: PublicKey, passphrase: bytes, cost: Cost) -> bytes:
    require_cryptography("sealing a key")
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    salt, nonce = os.urandom(32), os.urandom(12)
    header = {
        "format": FORMAT,
        "kind": kind.value,
        "public": public.to_pem(),
        "kdf": {"name": "scrypt", "n": cost.n, "r": cost.r, "p": cost.p, "salt": encode_base64(salt)},
        "cipher": {"name": "aes-256-gcm", "nonce": encode_base64(nonce)},
    }
    key = _derive(passphrase, salt, cost)
    body = {"header": header, "sealed": encode_base64(AESGCM(key).encrypt(nonce, secret, documents.encode(header)))}
    return documents.encode({**body, "checksum": documents.digest(documents.encode(body))}) + b"\n"


def _derive(passphrase: bytes, salt: bytes, cost: Cost) -> bytes:
    """Return the AES key. Composed and decomposed letters of a passphrase are the same to people, so to us."""
    typed = unicodedata.normalize("NFC", passphrase.decode("utf-8", "surrogateescape"))
    memory = 128 * cost.r * (cost.n + cost.p + 2) + (1 << 20)
    return hashlib.scrypt(
        typed.encode("utf-8", "surrogateescape"), salt=salt, n=cost.n, r=cost.r, p=cost.p, maxmem=memory, dklen=32
    )


@dataclass(frozen=True)
class SealedKey:
    """A sealed key file as read, not opened: `public` is what the file claims until it is opened."""

    path: Path
    public: PublicKey
    header: dict[str, Any]
    salt: bytes
    nonce: bytes
    sealed: bytes
    cost: Cost

    def open(self, passphrase: bytes) -> LocalSigner:
        """Unseal the private key.

        Raises:
            SealedKeyError: wrong passphrase, or the file was put together by somebody else.
            SettingsError: `cryptography` is missing.
        """
        require_cryptography("opening a sealed key")
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = _derive(passphrase, self.salt, self.cost)
        try:
            secret = AESGCM(key).decrypt(self.nonce, self.sealed, documents.encode(self.header))
            signer = LocalSigner(self.public.kind, secret)
        except InvalidTag:
            raise SealedKeyError("passphrase", f"the passphrase does not open {self.path.name}") from None
        except ValueError:
            raise SealedKeyError("damaged", f"{self.path.name} holds no key of the kind it names") from None
        if signer.public != self.public:
            raise SealedKeyError("damaged", f"{self.path.name} names another public key than its own")
        return signer


def open_sealed(path: Path, passphrase: Callable[[], bytes]) -> LocalSigner:
    """Read and unseal a key file; the passphrase is asked for only when the file is whole.

    Raises:
        NotFoundError: no such file.
        SealedKeyError: not a sealed key, damaged, too costly, or the passphrase is wrong.
    """
    key = read_sealed(path)
    return key.open(passphrase())


def read_sealed(path: Path) -> SealedKey:
    """Read a key file without opening it.

    Raises:
        NotFoundError: no such file.
        SealedKeyError: not a sealed key, damaged or too costly.
    """
    data = read_private(path)
    try:
        document = documents.decode(data.removesuffix(b"\n"), what=path.name, limit=LIMITS.key_file)
        return _read(Fields(document, path.name, SignatureError), path)
    except (MalformedError, SignatureError, StatementError) as error:
        raise SealedKeyError("damaged", f"{path.name} is no sealed key or is damaged: {error.message}") from None


def _read(fields: Fields, path: Path) -> SealedKey:
    header = fields.object("header")
    body = {"header": header.document, "sealed": fields.text("sealed")}
    if documents.digest(documents.encode(body)) != fields.sha256("checksum"):
        raise SealedKeyError("damaged", f"the checksum of {path.name} does not fit; the file is damaged")
    if header.integer("format", 0, 1000) != FORMAT:
        raise SealedKeyError("format", f"{path.name} has another format than {FORMAT}")
    kdf, cipher = header.object("kdf"), header.object("cipher")
    kdf.choice("name", ("scrypt",))
    cipher.choice("name", ("aes-256-gcm",))
    cost = Cost(*(kdf.integer(key, 1, 1 << 40) for key in ("n", "r", "p")))
    _check_cost(cost, path)
    public = PublicKey.from_pem(header.text("public", limit=1000, lines=True))
    if public.kind != header.text("kind"):
        header.fail("value", ".kind is not the kind of its public key")
    return SealedKey(
        path=path,
        public=public,
        header=header.document,
        salt=_sized(kdf, "salt", 32),
        nonce=_sized(cipher, "nonce", 12),
        sealed=_sized(fields, "sealed", 48),
        cost=cost,
    )


def _sized(fields: Fields, key: str, size: int) -> bytes:
    data = decode_base64(fields.text(key), f"{fields.where}.{key}")
    if len(data) != size:
        fields.fail("value", f".{key} has {len(data)} bytes, not {size}")
    return data


def _check_cost(cost: Cost, path: Path) -> None:
    power_of_two = cost.n & (cost.n - 1) == 0
    within = CHEAPEST.n <= cost.n <= DEAREST.n and cost.r == COST.r and 1 <= cost.p <= DEAREST.p
    if not (power_of_two and within):
        raise SealedKeyError("cost", f"{path.name} asks for scrypt n={cost.n} r={cost.r} p={cost.p}, out of bounds")


def exists_already(path: Path) -> SealedKeyError:
    """Return the error that a key of this name is there."""
    return SealedKeyError("exists", f"{path} exists already; a key is never overwritten")


def write_private(path: Path, data: bytes) -> None:
    """Write a new file that only its owner may read, to the disk.

    Raises:
        SealedKeyError: something exists under that name.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise exists_already(path) from None
    except OSError as error:
        raise SealedKeyError("unwritable", f"{path} cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise SealedKeyError("unwritable", f"{path} cannot be written: {error.strerror}") from None


def read_private(path: Path) -> bytes:
    """Read a small regular file, following no link.

    Raises:
        NotFoundError: nothing there.
        SealedKeyError: a link, not a regular file, or too large for a key.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFoundError("key", f"there is no key {path}") from None
    except OSError as error:
        raise SealedKeyError("unreadable", f"{path} cannot be read: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SealedKeyError("unreadable", f"{path} is no regular file")
        data = os.read(descriptor, LIMITS.key_file + 1)
    finally:
        os.close(descriptor)
    if len(data) > LIMITS.key_file:
        raise SealedKeyError("damaged", f"{path} is too large for a key")
    return data
