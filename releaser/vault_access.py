"""How the vendor's programs come to Vault: address from the settings, login from what the process was given."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from patchline.patches import signers
from patchline.patches.errors import VaultError
from patchline.patches.signers import Passphrase, Signer
from patchline.releaser.home import home_folder
from patchline.releaser.settings import FILE, Settings, parse_settings, read_settings

if TYPE_CHECKING:
    from patchline.vault.connection import Connection, Server

_CONNECTION = "patchline.vault-connection"


def vault_settings(home: Path | None = None) -> Settings:
    """Return the settings of a home, or where there is none (an approver's machine) those of the environment.

    Raises:
        SettingsError: one is wrong.
    """
    home = home or home_folder()
    return read_settings(home) if (home / FILE).exists() else parse_settings(b"", "the environment")


def vault_server(settings: Settings) -> "Server":
    """Return where Vault is.

    Raises:
        VaultError: the settings do not say, or name what is no address.
    """
    from patchline.vault.connection import Server

    if not settings.vault_address:
        raise VaultError("address", "no setting says where Vault is")
    return Server(settings.vault_address, settings.vault_namespace or None, settings.vault_ca)


def vault_connection(home: Path | None = None) -> "Connection":
    """Return the connection of the command that runs; all its parts share one login.

    Raises:
        VaultError: nothing says where Vault is, or nobody is logged in.
    """
    from patchline.vault.connection import Connection
    from patchline.vault.login import found_login

    context = click.get_current_context(silent=True)
    known = context.meta.get(_CONNECTION) if context else None
    if isinstance(known, Connection):
        return known
    settings = vault_settings(home)
    made = Connection(vault_server(settings), found_login(settings.vault_role_id))
    if context:
        context.meta[_CONNECTION] = made
    return made


def _open_transit(rest: str, passphrase: Passphrase) -> Signer:
    from patchline.vault.signing import KeyName, open_transit

    return open_transit(vault_connection(), KeyName.parse(rest))


def let_vault_sign() -> None:
    """Let `signers.open_signer` open keys in Vault."""
    signers.register("transit", _open_transit)


_MOST_SKEW = 30
"""Seconds; tokens and wrapped secrets live for minutes."""


def skew_words(skew: int) -> list[str]:
    """Say how far Vault's clock is ahead of ours, when that matters; skew in seconds."""
    if abs(skew) <= _MOST_SKEW:
        return []
    return [f"Vault's clock is {abs(skew)} seconds {'ahead of' if skew > 0 else 'behind'} this machine's"]
