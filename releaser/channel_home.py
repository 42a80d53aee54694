"""The channel of a home: where it is published, and by which of the home's keys."""

from pathlib import Path

from patchline.patches import sealed
from patchline.patches.channel import HOTFIXES, SNAPSHOT, STATUS, TIMESTAMP
from patchline.patches.errors import UsageError
from patchline.patches.signers import Passphrase, Signer, open_signer
from patchline.releaser.channel import Channel
from patchline.releaser.channel_writing import OnlineKeys
from patchline.releaser.register import Register
from patchline.releaser.server_keys import ONLINE, open_server_key, server_keys_folder
from patchline.releaser.stores import Store
from patchline.releaser.vault_access import let_vault_sign

PUBLISHER = "publisher"
_NAMES = {HOTFIXES: PUBLISHER, STATUS: STATUS, SNAPSHOT: SNAPSHOT, TIMESTAMP: TIMESTAMP}
"""A key of the home that is named so signs this role; without one, the online key does."""


def open_channel(register: Register, passphrase: Passphrase, former: tuple[str, ...] = ()) -> Channel:
    """Open the channel of a register, with its keys.

    Args:
        register: an open one.
        passphrase: asked for each key once.
        former: names of the home's keys that a rotation takes away.

    Raises:
        NotFoundError: a key is not there.
        SealedKeyError: a key cannot be unsealed.
        VaultError: the publisher's key lies in Vault, and it cannot be opened there.
        StoreError: the channel's place cannot be opened.
    """
    keys: dict[str, Signer] = {}

    def opened(name: str) -> Signer:
        if name not in keys:
            keys[name] = open_server_key(register.home, name, passphrase)
        return keys[name]

    roles = {role: opened(name if _is_there(register.home, name) else ONLINE) for role, name in _NAMES.items()}
    if register.settings.publisher_key:
        roles[HOTFIXES] = _in_vault(register.settings.publisher_key, passphrase)
    return Channel(
        Store.at(register.channel),
        OnlineKeys(
            roles[HOTFIXES], roles[STATUS], roles[SNAPSHOT], roles[TIMESTAMP], tuple(opened(name) for name in former)
        ),
    )


def _in_vault(uri: str, passphrase: Passphrase) -> Signer:
    if not uri.startswith("transit:"):
        raise UsageError("key-uri", f"publisher_key is {uri[:80]!r}, which is no key in Vault")
    let_vault_sign()
    return open_signer(uri, passphrase)


def _is_there(home: Path, name: str) -> bool:
    return sealed.key_path(server_keys_folder(home), name).exists()
