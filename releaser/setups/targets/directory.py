"""Logins to LDAP directories, and their passwords changed by the password-modify operation (RFC 3062).

- No password goes over a connection that does not prove who answers: `ldaps`, or StartTLS, which is asked for wherever
  the address names another machine or the authority of the certificate (`sslrootcert`). Nothing falls back to less.
- A bind that ends as nobody is no login: the directory is asked who came, and where it cannot tell, a password of
  chance must be refused.
"""

import secrets
import ssl
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from patchline.releaser.setups.targets.outcomes import HERE, SECONDS, Outcome
from patchline.vault.setups import Login

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # The library asks pyasn1 by names of yesterday.
    import ldap3  # type: ignore[import-untyped]
    from ldap3.core.exceptions import LDAPException  # type: ignore[import-untyped]

_PORTS = {"ldap": 389, "ldaps": 636}
_SUCCESS, _INVALID = 0, 49
_DEAD = ("data 52e,", "data 525,")
"""What Active Directory adds where name or password are wrong; anything else it adds means that they were right."""


class _Tls(ldap3.Tls):  # type: ignore[misc]
    """Insists on the certificate and the name in it, and remembers when they were not accepted."""

    def __init__(self, authority: Path | None) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self.authority, self.doubted = authority, False

    def wrap_socket(self, connection: Any, do_handshake: bool = True) -> None:
        """Protect a connection.

        Raises:
            OSError: it cannot be protected, or proves another.
        """
        try:
            context = ssl.create_default_context(cafile=self.authority)
            connection.socket = context.wrap_socket(connection.socket, server_hostname=connection.server.host)
        except (ssl.SSLError, FileNotFoundError):
            self.doubted = True
            raise


@dataclass(frozen=True)
class _Place:
    """Where a directory is; `protected` says whether StartTLS comes before anything else."""

    host: str
    port: int
    tls: _Tls
    from_start: bool
    protected: bool

    @classmethod
    def of(cls, address: str) -> "_Place":
        parts = urlsplit(address)
        authority = parse_qs(parts.query).get("sslrootcert", [None])[0]
        host = parts.hostname or ""
        return cls(
            host,
            parts.port or _PORTS[parts.scheme],
            _Tls(Path(authority) if authority else None),
            parts.scheme == "ldaps",
            host not in HERE or authority is not None,
        )

    @contextmanager
    def connected(self, login: Login) -> Iterator[Any]:
        """Give a connection on which nobody is logged in yet."""
        server = ldap3.Server(
            self.host, self.port, use_ssl=self.from_start, tls=self.tls, get_info=ldap3.NONE, connect_timeout=SECONDS
        )
        connection = ldap3.Connection(
            server,
            user=login.username,
            password=login.password,
            authentication=ldap3.SIMPLE,
            auto_referrals=False,
            check_names=False,
            receive_timeout=SECONDS,
        )
        try:
            connection.open(read_server_info=False)
            if self.protected and not self.from_start:
                self._protect(connection)
            yield connection
        finally:
            connection.strategy.close()
            if connection.socket is not None:  # The library leaves it open where protecting it failed.
                connection.socket.close()

    def _protect(self, connection: Any) -> None:
        self.tls.doubted = True
        connection.start_tls(read_server_info=False)
        self.tls.doubted = False


def connected(address: str, login: Login) -> AbstractContextManager[Any]:
    """Give a connection for somebody, on which they are not logged in yet; the caller reads what ldap3 raises."""
    return _Place.of(address).connected(login)


def try_login(address: str, login: Login) -> Outcome:
    """Log in and out again."""
    place, reached = _Place.of(address), False
    try:
        with place.connected(login) as connection:
            reached = True
            return _bound(place, connection, login)
    except (LDAPException, OSError, ValueError):
        if place.tls.doubted:
            return Outcome.UNPROVED
        return Outcome.UNCLEAR if reached else Outcome.UNREACHABLE


def _bound(place: _Place, connection: Any, login: Login) -> Outcome:
    connection.bind(read_server_info=False)
    outcome = _told(connection.result)
    if outcome is not Outcome.WORKS or _somebody(connection):
        return outcome
    with place.connected(Login(login.username, secrets.token_urlsafe(24))) as other:
        other.bind(read_server_info=False)
        return Outcome.WORKS if _told(other.result) is Outcome.REFUSED else Outcome.OPEN


def _told(result: dict[str, Any]) -> Outcome:
    """Tell what the answer to a bind means; a locked account, or an expired password, does not say that it is wrong."""
    if result["result"] == _SUCCESS:
        return Outcome.WORKS
    said = str(result["message"])
    if result["result"] == _INVALID and ("data " not in said or any(words in said for words in _DEAD)):
        return Outcome.REFUSED
    return Outcome.UNCLEAR


def _somebody(connection: Any) -> bool:
    """Tell whether the directory says that somebody came."""
    return bool(connection.extend.standard.who_am_i()) and connection.result["result"] == _SUCCESS


def change(address: str, login: Login, new: str) -> bool:
    """Change the password of who logs in."""
    try:
        with _Place.of(address).connected(login) as connection:
            if not connection.bind(read_server_info=False):
                return False
            connection.extend.standard.modify_password(old_password=login.password, new_password=new)
            return bool(connection.result["result"] == _SUCCESS)
    except (LDAPException, OSError, ValueError):
        return False
