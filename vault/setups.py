"""Credentials that teams use on their setups, in the key-value engine of Vault: `setups/SETUP/team/ENDPOINT`.

Every write says which version it saw (check-and-set), so nobody overwrites what they have not read; Vault keeps the
versions before. A credential under replacement holds both: the one in force, and the one that is to follow.
"""

from dataclasses import dataclass, field
from typing import Any

from patchline.patches.errors import UsageError, VaultError
from patchline.vault import names
from patchline.vault.connection import Connection
from patchline.vault.preparing import SETUPS

LONGEST = 4096
"""Characters of a name or password."""


@dataclass(frozen=True)
class Login:
    """A person's name and password at a target; the password is never printed by accident."""

    username: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        for text in (self.username, self.password):
            if not 0 < len(text) <= LONGEST or "\0" in text:
                raise UsageError("setup-login", f"a name and a password have 1 to {LONGEST} characters each")


@dataclass(frozen=True)
class Kept:
    """A credential as Vault has it.

    Attributes:
        number: the version that says so.
        login: in force.
        pending: the password that is to follow, while it is being replaced.
    """

    number: int
    login: Login
    pending: str | None = field(default=None, repr=False)

    @property
    def following(self) -> Login | None:
        """The login that is to follow."""
        return Login(self.login.username, self.pending) if self.pending is not None else None


class TeamSecrets:
    """The credentials of teams, as far as the login of the connection may see them."""

    mount = SETUPS

    def __init__(self, connection: Connection) -> None:
        """Take the connection to ask."""
        self._connection = connection

    @staticmethod
    def path(setup: str, endpoint: str) -> str:
        """Return where a credential lies, below the mount."""
        return f"{names.name(setup)}/team/{names.name(endpoint)}"

    def read(self, path: str, number: int | None = None) -> Kept | None:
        """Return a credential, in its newest version or another; None where there is none.

        Raises:
            VaultError: Vault cannot be asked, or something else lies there.
        """
        version = f"?version={number}" if number is not None else ""

        def question(vault: Any) -> Kept:
            found = vault.adapter.get(f"/v1/{self.mount}/data/{path}{version}")["data"]
            said = found["data"]
            pending = str(said["pending"]) if "pending" in said else None
            login = Login(str(said["username"]), str(said["password"]))
            return Kept(int(found["metadata"]["version"]), login, pending)

        try:
            return self._connection.ask(self._about(path), question, safe=True)
        except VaultError as error:
            if error.code == "vault.missing":
                return None
            raise

    def had(self, path: str, newest: Kept, login: Login) -> bool:
        """Tell whether a login is or was the one in force there, as far back as Vault keeps versions.

        Raises:
            VaultError: Vault cannot be asked.
        """
        if login == newest.login:
            return True
        earlier = (self.read(path, number) for number in range(newest.number - 1, 0, -1))
        return any(one is not None and one.login == login for one in earlier)

    def write(self, path: str, login: Login, seen: int, pending: str | None = None) -> int:
        """Write a credential; return its version.

        Args:
            path: where it lies.
            login: in force.
            seen: the newest version that was read, 0 for none.
            pending: the password that is to follow.

        Raises:
            VaultError: Vault cannot be asked, or has a newer version than the one seen.
        """
        data = {"username": login.username, "password": login.password}
        data |= {"pending": pending} if pending is not None else {}

        def question(vault: Any) -> int:
            wanted = {"options": {"cas": seen}, "data": data}
            return int(vault.adapter.post(f"/v1/{self.mount}/data/{path}", json=wanted)["data"]["version"])

        return self._connection.ask(self._about(path), question)

    def destroy(self, path: str) -> None:
        """Destroy a credential with all its versions; where there is none, that is no error.

        Raises:
            VaultError: Vault cannot be asked, or does not permit it.
        """

        def question(vault: Any) -> None:
            vault.adapter.delete(f"/v1/{self.mount}/metadata/{path}")

        self._connection.ask(self._about(path), question)

    def _about(self, path: str) -> str:
        return f"the credential {self.mount}/{path}"
