"""Trying a login for real, and changing a password at its target: the one door to the kinds of targets.

Spoken here are PostgreSQL, LDAP, SSH, and the basic login of HTTP. Anything else is done by a script of the owner's,
which goes before what is spoken here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from patchline.patches.errors import StateError
from patchline.releaser.setups.targets import directory, postgresql, scripts, shell, website
from patchline.releaser.setups.targets.outcomes import Outcome
from patchline.releaser.setups.targets.shell import KeyLogin
from patchline.releaser.tables.setups import SetupEndpoint
from patchline.vault.setups import Login

__all__ = ["KeyLogin", "Outcome", "Target"]


@dataclass(frozen=True)
class Target:
    """Where a login is tried and changed.

    Attributes:
        name: of setup and endpoint, for people.
        script: the owner's, None where there is none.
        pinned: the fingerprint of the host key of SSH that a person compared.
    """

    name: str
    kind: str
    address: str
    script: Path | None
    pinned: str | None = None

    @classmethod
    def of(cls, home: Path, setup: str, endpoint: SetupEndpoint) -> "Target":
        """Return the target of an endpoint.

        Raises:
            RefusedError: others than its owner may change the script.
        """
        script = scripts.script_of(home, setup, endpoint.name)
        return cls(f"{setup} {endpoint.name}", endpoint.kind, endpoint.address, script, endpoint.host_fingerprint)

    @property
    def _changing(self) -> Callable[[str, Login, str], bool] | None:
        if self.kind == "ldap":
            return directory.change
        postgresql_there = self.kind == "database" and self.address.startswith("postgresql:")
        return postgresql.change if postgresql_there else None

    @property
    def changeable(self) -> bool:
        """Tell whether a password can be changed there from here."""
        return self.script is not None or self._changing is not None

    def try_login(self, login: Login) -> Outcome:
        """Log in and out again."""
        if self.script is not None:
            return scripts.ask(self.script, "check", self.address, login)
        if self.kind == "ldap":
            return directory.try_login(self.address, login)
        if self.kind == "ssh":
            return shell.try_login(self.address, login, self.pinned)
        if self.kind == "http":
            return website.try_login(self.address, login)
        return postgresql.try_login(self.address, login) if self._changing else Outcome.UNTRIED

    def try_key(self, login: KeyLogin) -> Outcome:
        """Log in by a key or certificate of SSH, and out again.

        Raises:
            ValueError: it is no private key of OpenSSH, or the certificate is of another.
        """
        return shell.try_key(self.address, login, self.pinned) if self.kind == "ssh" else Outcome.UNTRIED

    def shown_fingerprint(self) -> str | None:
        """Return the fingerprint of the key that a host of SSH shows, for a person to compare."""
        return shell.host_fingerprint(self.address) if self.kind == "ssh" else None

    def change(self, login: Login, new: str) -> None:
        """Change the password of who logs in.

        Raises:
            StateError: the target does not do it, or it is not known whether it did.
        """
        if self.script is not None:
            done = scripts.ask(self.script, "change", self.address, login, new) is Outcome.WORKS
        else:
            done = self._changing is not None and self._changing(self.address, login, new)
        if not done:
            raise StateError("setup-target", f"{self.name}: the password could not be changed there")
