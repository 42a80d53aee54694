"""Trying a login for real, and changing a password at its target.

PostgreSQL and the basic login of HTTP are spoken here. Anything else is done by a script of the owner's, the program
`HOME/setups/SETUP/ENDPOINT`: it is started with `check` or `change`, reads one line of JSON (`address`, `username`,
`password`, for `change` also `new_password`), and ends with 0 for yes, 1 for a refused login, anything else for trouble.
What it prints is thrown away, since it may hold secrets.
"""

import os
import subprocess
from base64 import b64encode
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psycopg
import requests
from psycopg import sql

from patchline.patches import documents
from patchline.patches.errors import RefusedError, StateError
from patchline.releaser.tables.setups import SetupEndpoint
from patchline.vault.setups import Login

_SECONDS = 5
_SCRIPT_SECONDS = 60
_REFUSED = "password authentication failed"
_UNAUTHORISED, _FORBIDDEN = 401, 403


class Outcome(StrEnum):
    """What became of a login."""

    WORKS = "works"
    REFUSED = "refused"
    OPEN = "no password is asked for"
    UNREACHABLE = "not reached"
    UNCLEAR = "neither taken nor refused"
    UNTRIED = "cannot be tried here"


@dataclass(frozen=True)
class Target:
    """Where a login is tried and changed.

    Attributes:
        name: of setup and endpoint, for people.
        script: the owner's, None where there is none.
    """

    name: str
    kind: str
    address: str
    script: Path | None

    @classmethod
    def of(cls, home: Path, setup: str, endpoint: SetupEndpoint) -> "Target":
        """Return the target of an endpoint.

        Raises:
            RefusedError: others than its owner may change the script.
        """
        script = home / "setups" / setup / endpoint.name
        there = script.is_file()
        if there and (script.stat().st_mode & 0o022 or not os.access(script, os.X_OK)):
            raise RefusedError("setup-script", f"{script} is no program that its owner alone may change")
        name = f"{setup} {endpoint.name}"
        return cls(name, endpoint.kind, endpoint.address, script if there else None)

    @property
    def _postgresql(self) -> bool:
        return self.kind == "database" and self.address.startswith("postgresql:")

    @property
    def changeable(self) -> bool:
        """Tell whether a password can be changed there from here."""
        return self.script is not None or self._postgresql

    def try_login(self, login: Login) -> Outcome:
        """Log in and out again."""
        if self.script is not None:
            return self._ask_script("check", login)
        if self._postgresql:
            return _try_postgresql(self.address, login)
        return _try_http(self.address, login) if self.kind == "http" else Outcome.UNTRIED

    def change(self, login: Login, new: str) -> None:
        """Change the password of who logs in.

        Raises:
            StateError: the target does not do it, or it is not known whether it did.
        """
        if self.script is not None:
            done = self._ask_script("change", login, new) is Outcome.WORKS
        else:
            done = _change_postgresql(self.address, login, new)
        if not done:
            raise StateError("setup-target", f"{self.name}: the password could not be changed there")

    def _ask_script(self, task: str, login: Login, new: str | None = None) -> Outcome:
        asked = {"address": self.address, "username": login.username, "password": login.password}
        asked |= {"new_password": new} if new is not None else {}
        line = documents.encode(asked) + b"\n"
        silent = subprocess.DEVNULL
        environment = {"PATH": os.environ.get("PATH", os.defpath)}
        try:
            done = subprocess.run(  # noqa: S603 (the owner's own program, which nobody else may change)
                [str(self.script), task],
                check=False,
                input=line,
                stdout=silent,
                stderr=silent,
                env=environment,
                timeout=_SCRIPT_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired):
            return Outcome.UNCLEAR
        return {0: Outcome.WORKS, 1: Outcome.REFUSED}.get(done.returncode, Outcome.UNCLEAR)


def _postgresql(address: str, login: Login) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(
        address, user=login.username, password=login.password, connect_timeout=_SECONDS, autocommit=True
    )


def _try_postgresql(address: str, login: Login) -> Outcome:
    try:
        with _postgresql(address, login) as connection:
            return Outcome.WORKS if connection.pgconn.used_password else Outcome.OPEN
    except psycopg.Error as error:
        if error.pgconn is None or not error.pgconn.used_password:
            return Outcome.UNREACHABLE
        return Outcome.REFUSED if _REFUSED in str(error) else Outcome.UNCLEAR


def _change_postgresql(address: str, login: Login, new: str) -> bool:
    """Change it by its verifier, so that the password itself is in no log of the database."""
    try:
        with _postgresql(address, login) as connection:
            verifier = connection.pgconn.encrypt_password(new.encode(), login.username.encode())
            connection.execute(sql.SQL("ALTER ROLE CURRENT_USER PASSWORD {}").format(sql.Literal(verifier.decode())))
    except psycopg.Error:
        return False
    return True


def _try_http(address: str, login: Login) -> Outcome:
    """Ask without a login first: where that is no error, a login proves nothing."""
    try:
        with requests.Session() as session:
            session.trust_env = False
            anonymous = _status(session, address, None)
            if anonymous != _UNAUTHORISED:
                return Outcome.OPEN if anonymous < 300 else Outcome.UNCLEAR
            status = _status(session, address, login)
    except requests.RequestException:
        return Outcome.UNREACHABLE
    if status in (_UNAUTHORISED, _FORBIDDEN):
        return Outcome.REFUSED
    return Outcome.WORKS if status < 400 else Outcome.UNCLEAR


def _status(session: requests.Session, address: str, login: Login | None) -> int:
    headers = {}
    if login is not None:
        headers["Authorization"] = f"Basic {b64encode(f'{login.username}:{login.password}'.encode()).decode()}"
    with session.get(address, headers=headers, timeout=_SECONDS, allow_redirects=False, stream=True) as answer:
        return answer.status_code
