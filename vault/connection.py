"""The one connection to OpenBao or HashiCorp Vault; everything that asks Vault goes through `Connection.ask`."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import hvac  # type: ignore[import-untyped]

from patchline.patches.errors import PatchlineError, VaultError
from patchline.vault import names
from patchline.vault.failures import FAILURES, failure
from patchline.vault.login import Login, Token
from patchline.vault.session import TIMEOUTS, Session

Answer = TypeVar("Answer")

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_PASSING = frozenset(f"vault.{code}" for code in ("standby", "busy", "behind", "gateway", "unreachable"))
_PAUSES = (0.1, 0.3, 0.6)
"""Seconds before a question that changes nothing is asked again."""


@dataclass(frozen=True)
class Server:
    """Where Vault is.

    Attributes:
        address: `https://HOST[:PORT]`; plain http only on this machine.
        namespace: without slashes around it, None for the root.
        ca: the certificate authority's PEM file, None for the public ones.
    """

    address: str
    namespace: str | None = None
    ca: Path | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.address)
        plain = parts.scheme == "http" and parts.hostname in _LOOPBACK
        if not parts.hostname or parts.username or parts.query or parts.fragment or parts.path.strip("/"):
            raise VaultError("address", f"{parts.hostname or 'nothing'!r} is no address of Vault")
        if parts.scheme != "https" and not plain:
            raise VaultError("address", f"{parts.hostname} would be asked without TLS")
        if self.namespace is not None and names.path(self.namespace) != self.namespace:
            raise VaultError("namespace-name", "the namespace is no name in Vault")
        if self.ca is not None and not self.ca.is_file():
            raise VaultError("ca", f"{self.ca} is no file")

    def client(self, token: str = "", session: Session | None = None) -> hvac.Client:
        """Return a client of hvac's; its token is never taken from the environment or a file."""
        verify = str(self.ca) if self.ca else True
        return hvac.Client(
            url=self.address.rstrip("/"),
            token=token,
            verify=verify,
            timeout=TIMEOUTS,
            session=session or Session(verify),
            namespace=self.namespace,
            allow_redirects=False,
        )


@dataclass(frozen=True)
class Health:
    """What a server says of itself; it takes no login.

    Attributes:
        state: `active`, `standby`, `sealed` or `uninitialised`.
        version: of the server.
        clock: its time, in seconds since 1970.
    """

    state: str
    version: str
    clock: int


def health(server: Server) -> Health:
    """Ask a server how it is.

    Raises:
        VaultError: it does not answer, or is none.
    """
    try:
        # Health is the whole server's; a namespace answers another thing under this path.
        answer = replace(server, namespace=None).client().adapter.get("/v1/sys/health", raise_exception=False)
        said = answer if isinstance(answer, dict) else answer.json()
        return Health(_state(said), str(said["version"])[:40], int(said["server_time_utc"]))
    except FAILURES as error:
        raise failure(error, "the health of Vault") from None


def _state(said: dict[str, Any]) -> str:
    if not said["initialized"]:
        return "uninitialised"
    if said["sealed"]:
        return "sealed"
    return "standby" if said["standby"] else "active"


class Connection:
    """A session with Vault under one login; it may be shared by threads."""

    def __init__(self, server: Server, login: Login, clock: Callable[[], float] = time.monotonic) -> None:
        """Take a server and a way to log in; nothing is sent before the first question."""
        self.server = server
        self._login, self._clock = login, clock
        self._session = Session(str(server.ca) if server.ca else True)
        self._lock = threading.RLock()
        self._token: Token | None = None
        self._since = 0.0
        self._asking: hvac.Client | None = None

    def ask(self, doing: str, question: Callable[[hvac.Client], Answer], *, safe: bool = False) -> Answer:
        """Ask Vault once; every failure is a VaultError.

        Args:
            doing: what it is about, for people; without secrets.
            question: asks the client given and reads the answer.
            safe: it changes nothing, so it may be asked again after a passing failure. Reading credentials of a
                database changes something: each reading makes a user.

        Raises:
            VaultError: Vault cannot be asked, or says no.
        """
        for pause in _PAUSES if safe else ():
            try:
                return self._once(doing, question)
            except VaultError as error:
                if error.code not in _PASSING:
                    raise
            time.sleep(pause)
        return self._once(doing, question)

    def _once(self, doing: str, question: Callable[[hvac.Client], Answer]) -> Answer:
        client = self._client()
        try:
            return question(client)
        except FAILURES as error:
            told = failure(error, doing)
        # What was denied was not done: after a new login it may be asked once more.
        if told.code != "vault.denied" or not self._dead(client):
            raise told from None
        with self._lock:
            if self._token is not None and self._token.text == client.token:
                self._token = None
        try:
            return question(self._client())
        except FAILURES as error:
            raise failure(error, doing) from None

    def _client(self) -> hvac.Client:
        with self._lock:
            token = self._token
            if token is None or self._due(token):
                token = self._token = self._renewed(token) or self._logged_in()
            if self._asking is None or self._asking.token != token.text:
                self._asking = self.server.client(token.text, self._session)
            return self._asking

    def _due(self, token: Token) -> bool:
        """Tell whether two thirds of its life are over."""
        return token.ttl > 0 and self._clock() - self._since >= token.ttl * 2 / 3

    def _renewed(self, token: Token | None) -> Token | None:
        """Return the token with a longer life, None when that cannot be had any more."""
        if token is None:
            return None
        left = token.ttl - (self._clock() - self._since)
        if token.renewable:
            try:
                client = self.server.client(token.text, self._session)
                longer = Token.of(client.adapter.post("/v1/auth/token/renew-self", json={})["auth"])
            except FAILURES as error:
                if failure(error, "the login to Vault").code != "vault.denied":
                    raise failure(error, "the login to Vault") from None
            else:
                if longer.ttl > left:
                    self._since = self._clock()
                    return longer
        return self._last_part(token, left)

    def _last_part(self, token: Token, left: float) -> Token | None:
        """Log in anew where that can be done; else use up what is left of the token."""
        try:
            return self._logged_in()
        except PatchlineError:
            if left <= 0:
                raise
        self._since = self._clock()
        return Token(token.text, int(left), renewable=False)

    def _logged_in(self) -> Token:
        token = self._login.log_in(self.server.client(session=self._session))
        self._since = self._clock()
        return token

    def _dead(self, client: hvac.Client) -> bool:
        """Tell whether the token itself is gone, and not merely forbidden this."""
        try:
            client.adapter.get("/v1/auth/token/lookup-self")
        except FAILURES as error:
            return failure(error, "the login to Vault").code == "vault.denied"
        return False

    def renew(self) -> None:
        """Renew the login when it is time; long-lived processes call it when idle.

        Raises:
            VaultError: it has ended and there is no other.
        """
        self._client()

    def end(self) -> None:
        """Revoke the token, where it came of a login of ours; Vault then ends everything that hangs on it."""
        with self._lock:
            token, self._token = self._token, None
        if token is not None and self._login.ours:
            self.ask_with(
                token.text, "the end of the login", lambda client: client.adapter.post("/v1/auth/token/revoke-self")
            )

    def ask_with(self, token: str, doing: str, question: Callable[[hvac.Client], Answer]) -> Answer:
        """Ask once with another token than the login's, such as a loan's own.

        Raises:
            VaultError: as `ask`.
        """
        try:
            return question(self.server.client(token, self._session))
        except FAILURES as error:
            raise failure(error, doing) from None
