"""How a process gets its token: a person's own login, or AppRole with a wrapped secret id that opens once."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import hvac  # type: ignore[import-untyped]

from patchline.patches.errors import VaultError
from patchline.patches.passphrases import secret_of_environment
from patchline.vault.failures import FAILURES, failure

_MADE_BY_APPROLE = re.compile(r"auth/[a-z0-9-]+(?:/[a-z0-9-]+)*/role/[a-z0-9_.-]+/secret-id")
_TOKEN = re.compile(r"[A-Za-z0-9._-]{4,4096}")
TOKEN_FILE = ".vault-token"  # noqa: S105 - the name that bao login uses


@dataclass(frozen=True)
class Token:
    """What a login gave.

    Attributes:
        text: the token itself; never shown.
        ttl: seconds it lives from now; 0 for ever.
        renewable: whether its life can be made longer.
    """

    text: str = field(repr=False)
    ttl: int
    renewable: bool

    @classmethod
    def of(cls, auth: dict[str, Any]) -> "Token":
        """Read the part `auth` of an answer."""
        return cls(_checked(auth["client_token"]), int(auth["lease_duration"]), bool(auth["renewable"]))


class Login(Protocol):
    """A way to a token.

    Attributes:
        ours: whether the token was made for this process, and ends with it.
    """

    ours: bool

    def log_in(self, anonymous: hvac.Client) -> Token:
        """Return a token; `anonymous` has none.

        Raises:
            VaultError: Vault does not give one.
        """


class OwnToken:
    """The login that a person made with `bao login`; it is never made anew or revoked here."""

    ours = False

    def __init__(self, text: str) -> None:
        self._text = _checked(text)

    def log_in(self, anonymous: hvac.Client) -> Token:
        """Ask what the token is worth."""
        try:
            answer = _with(anonymous, self._text).adapter.get("/v1/auth/token/lookup-self")["data"]
            return Token(self._text, int(answer["ttl"]), bool(answer.get("renewable")))
        except FAILURES as error:
            raise _token_failure(error) from None


class AppRole:
    """Logs in as a role, each time with a new wrapping token that holds a secret id."""

    ours = True

    def __init__(self, role_id: str, wrapped: Callable[[], str | None], mount: str = "approle") -> None:
        """Take the role's id and what gives the newest wrapping token, None when there is none."""
        self._role_id, self._wrapped, self._mount = role_id, wrapped, mount
        self._last: str | None = None

    def log_in(self, anonymous: hvac.Client) -> Token:
        """Open the wrapping, and log in with what it holds.

        Raises:
            VaultError: it was opened already (the alarm), was not made by AppRole, or there is no new one.
        """
        wrapped = self._wrapped()
        if wrapped is None:
            raise VaultError("no-login", "no wrapped secret id was given to log in with")
        if wrapped == self._last:
            raise VaultError("login-spent", "the session has ended, and its secret id opens no other")
        self._last = wrapped
        secret = _unwrapped(anonymous, _checked(wrapped))
        try:
            login = {"role_id": self._role_id, "secret_id": secret}
            return Token.of(anonymous.adapter.post(f"/v1/auth/{self._mount}/login", json=login)["auth"])
        except FAILURES as error:
            told = failure(error, "the login to Vault")
        if told.code in ("vault.denied", "vault.missing"):
            # So it answers in a namespace that has no such login.
            raise VaultError("login", f"the login to Vault: there is no login {self._mount}/ in this namespace")
        raise told


def _unwrapped(anonymous: hvac.Client, wrapped: str) -> str:
    """Return the secret id, after looking at who made the wrapping."""
    try:
        looked = anonymous.adapter.post("/v1/sys/wrapping/lookup", json={"token": wrapped})["data"]
        if not _MADE_BY_APPROLE.fullmatch(looked["creation_path"]):
            raise VaultError("wrapping-other", "the wrapped secret was not made as a secret id")
        # It has to be the token of the request itself: anybody else may not open it.
        return str(_with(anonymous, wrapped).adapter.post("/v1/sys/wrapping/unwrap")["data"]["secret_id"])
    except FAILURES as error:
        raise failure(error, "the wrapped secret id") from None


def _with(anonymous: hvac.Client, token: str) -> hvac.Client:
    adapter = anonymous.adapter
    return hvac.Client(
        url=adapter.base_uri,
        token=token,
        verify=adapter.session.verify,
        timeout=adapter._kwargs["timeout"],
        session=adapter.session,
        namespace=adapter.namespace,
        allow_redirects=False,
    )


def _token_failure(error: Exception) -> Exception:
    told = failure(error, "the login to Vault")
    if getattr(told, "code", "") == "vault.denied":
        return VaultError("token", "the login to Vault: the token was revoked or has ended")
    return told


def check_token(text: str) -> str:
    """Return a text that can be a token.

    Raises:
        VaultError: it cannot; it is not repeated.
    """
    return _checked(text)


def _checked(text: str) -> str:
    text = text.strip()
    if not _TOKEN.fullmatch(text):
        raise VaultError("no-login", "what was given to log in with is no token of Vault")
    return text


WRAPPED, TOKEN = "PATCHLINE_VAULT_WRAPPED", "VAULT_TOKEN"
CREDENTIAL = "patchline-vault-wrapped"


def found_login(role_id: str | None) -> Login:
    """Return the login that this process was given: AppRole where there is a role id, else the person's own.

    A wrapping token comes from the systemd credential `patchline-vault-wrapped`, which is read again for each login, or
    from `PATCHLINE_VAULT_WRAPPED`; a person's token from `VAULT_TOKEN` or from the file that `bao login` writes.
    No child process inherits what stood in the environment.

    Raises:
        VaultError: there is none.
    """
    wrapped, token = secret_of_environment(WRAPPED), secret_of_environment(TOKEN)
    if wrapped and not role_id:
        raise VaultError("no-login", "a wrapped secret id was given, and no role id")
    if role_id and (wrapped or _credential()):
        return AppRole(role_id, lambda: wrapped or _read(_credential()))
    text = token or _read(Path.home() / TOKEN_FILE)
    if not text:
        raise VaultError("no-login", "nobody is logged in to Vault")
    return OwnToken(text)


def _credential() -> Path | None:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(folder) / CREDENTIAL if folder else None
    return path if path is not None and path.is_file() else None


def _read(path: Path | None) -> str | None:
    try:
        return path.read_text(encoding="ascii")[:8192].strip() if path is not None else None
    except (OSError, UnicodeDecodeError):
        return None
