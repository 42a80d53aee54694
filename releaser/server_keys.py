"""The server's own keys: sealed in the home, and the only private keys that may lie there.

`online` signs the channel (status, snapshot, timestamp and, at small vendors, what is published), `kit` the snapshot
and timestamp of kits. Beside each lies its public half, for those who make roots and top-level targets elsewhere.
"""

from pathlib import Path

from patchline.patches import sealed
from patchline.patches.files import write_file
from patchline.patches.keys import Kind, PublicKey
from patchline.patches.signers import Passphrase, Signer

ONLINE, KIT = "online", "kit"
NAMES = (ONLINE, KIT)
"""The keys of every home."""
ROLES = ("publisher", "status", "snapshot", "timestamp")
"""Keys of homes that sign these roles by keys of their own, instead of the online one."""
FOLDER = "keys"


def server_keys_folder(home: Path) -> Path:
    """Return the folder of the server's keys."""
    return home / FOLDER


def make_server_key(home: Path, name: str, passphrase: bytes) -> PublicKey:
    """Make a key of the server, and write its public half beside it.

    Raises:
        SealedKeyError: there is one of this name already.
    """
    folder = server_keys_folder(home)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    public = sealed.create_sealed(sealed.key_path(folder, name), Kind.P256, passphrase)
    write_file(public_path(home, name), public.to_pem().encode(), overwrite=True)
    return public


def public_path(home: Path, name: str) -> Path:
    """Return where the public half of a key lies."""
    return server_keys_folder(home) / f"{name}.pem"


def server_public(home: Path, name: str) -> PublicKey:
    """Return the public half of a key of the server; needs no passphrase.

    Raises:
        NotFoundError: there is no such key.
    """
    return sealed.read_sealed(sealed.key_path(server_keys_folder(home), name)).public


def open_server_key(home: Path, name: str, passphrase: Passphrase) -> Signer:
    """Open a key of the server.

    Raises:
        NotFoundError: there is no such key.
        SealedKeyError: it cannot be unsealed.
    """
    return sealed.open_sealed(sealed.key_path(server_keys_folder(home), name), lambda: passphrase(name))
