"""Testing and replacing the credential that a team uses on an endpoint.

Replacing goes in an order that may be cut off anywhere and is swept up by running it again: the new password is written
into Vault beside the one in force, then changed at the target, then both are tried, then the old one leaves Vault's
newest version, then the register learns of it.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from patchline.patches.errors import NotFoundError, StateError
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change, Register
from patchline.releaser.setups.keeping import KEEPERS, the_setup
from patchline.releaser.setups.logins import Outcome, Target
from patchline.releaser.tables.setups import SetupCredential, SetupEndpoint
from patchline.vault.setups import Kept, Login, TeamSecrets

_BYTES = 24
"""Of chance in a password."""


@dataclass(frozen=True)
class Tested:
    """What became of one endpoint's login.

    Attributes:
        outcome: None where Vault has no credential.
        pending: a replacement was cut off.
        older: Vault has an older version than the register knows of: it was restored from a backup.
        shown: the fingerprint of a host key that is not the one pinned, for a person to compare.
    """

    endpoint: str
    outcome: Outcome | None
    pending: bool = False
    older: bool = False
    shown: str | None = None

    @property
    def fine(self) -> bool:
        """Tell whether nothing is to be mended."""
        return self.outcome in (Outcome.WORKS, Outcome.UNTRIED) and not self.pending


def try_logins(register: Register, vault: TeamSecrets, setup: str, endpoint: str | None = None) -> list[Tested]:
    """Try the login of one endpoint, or of all.

    Raises:
        NotFoundError: there is no such setup or endpoint.
        VaultError: Vault cannot be asked, or does not show the credential.
    """
    with register.read() as session:
        known = the_setup(session, setup)
        rows = [known.endpoint(endpoint)] if endpoint is not None else known.endpoints
    found = []
    for row, credential in rows:
        kept = vault.read(vault.path(setup, row.name))
        if kept is None:
            found.append(Tested(row.name, None))
            continue
        target = Target.of(register.home, setup, row)
        outcome = target.try_login(kept.login)
        shown = target.shown_fingerprint() if outcome is Outcome.UNPROVED else None
        found.append(Tested(row.name, outcome, kept.pending is not None, _older(kept, credential), shown))
    return found


@dataclass(frozen=True)
class Rotated:
    """A credential that was replaced.

    Attributes:
        number: its version in Vault.
        swept: an earlier run had been cut off.
    """

    setup: str
    endpoint: str
    username: str
    number: int
    swept: bool


def rotate(register: Register, vault: TeamSecrets, setup: str, endpoint: str, by: str, now: datetime) -> Rotated:
    """Replace a credential, and prove the one before dead.

    Raises:
        NotFoundError: there is no such setup or endpoint, or no credential in Vault.
        RefusedError: who acts may not.
        StateError: it cannot be changed from here, the target does not take it, or the old one still opens it.
        VaultError: Vault cannot be asked, or somebody else changed it meanwhile.
    """
    with register.read() as session:
        require_role(session, by, *KEEPERS)
        row, credential = the_setup(session, setup).endpoint(endpoint)
    target, path = Target.of(register.home, setup, row), vault.path(setup, endpoint)
    if not target.changeable:
        raise StateError("setup-by-hand", f"{target.name}: its password cannot be changed from here")
    kept = vault.read(path)
    if kept is None:
        raise NotFoundError("setup-credential", f"Vault has no credential of {target.name}")
    swept = kept.pending is not None
    try:
        seen, new = _begin(vault, path, target, kept)
    except StateError as error:
        if not _older(kept, credential):
            raise
        words = f"{target.name}: Vault has version {kept.number} of its credential, and the register knows a newer one"
        raise StateError("setup-vault-older", words) from error
    _change(target, kept.login, new)
    number = vault.write(path, new, seen)
    with register.change(by, now) as change:
        remember(change, row, path, new.username, number).rotated = now
        change.record("setup.rotate", setup, {"endpoint": endpoint, "version": number, "swept": swept})
    return Rotated(setup, endpoint, new.username, number, swept)


def _older(kept: Kept, credential: SetupCredential | None) -> bool:
    """Tell whether Vault has gone back behind what the register saw."""
    return credential is not None and kept.number < credential.number


def _begin(vault: TeamSecrets, path: str, target: Target, kept: Kept) -> tuple[int, Login]:
    """Write the new password beside the one in force, once that was seen to work, unless an earlier run did."""
    if kept.following is not None:
        return kept.number, kept.following
    _insist(target, kept.login, "the credential in Vault")
    new = Login(kept.login.username, secrets.token_urlsafe(_BYTES))
    return vault.write(path, kept.login, kept.number, new.password), new


def _change(target: Target, old: Login, new: Login) -> None:
    """Change the password at the target, unless an earlier run did; then only the new one works there."""
    if target.try_login(new) is not Outcome.WORKS:
        target.change(old, new.password)
        _insist(target, new, "the new password")
    outcome = target.try_login(old)
    if outcome is not Outcome.REFUSED:
        raise StateError("setup-old-alive", f"{target.name}: the old password is not proved dead: {outcome}")


def _insist(target: Target, login: Login, what: str) -> None:
    outcome = target.try_login(login)
    if outcome is not Outcome.WORKS:
        raise StateError("setup-login", f"{target.name}: {what}: {outcome}")


def remember(change: Change, endpoint: SetupEndpoint, path: str, username: str, number: int) -> SetupCredential:
    """Return the register's row on a credential, which says where it lies from now on."""
    there = select(SetupCredential).where(SetupCredential.endpoint == endpoint.id, SetupCredential.audience == "team")
    row = change.session.scalar(there)
    if row is None:
        row = SetupCredential(endpoint=endpoint.id, audience="team", added=change.now, added_by=change.by)
        change.session.add(row)
    row.mount, row.path, row.number, row.username = TeamSecrets.mount, path, number, _hint(username)
    return row


def _hint(username: str) -> str:
    return username[:200]
