"""Logins to SSH, by password, key or certificate, at a host whose key was pinned.

A host whose key nobody pinned gets no password: taking its key at first sight would give the password to whoever stands
between. `host_fingerprint` tells which key it shows, for a person to compare and pin.
"""

import base64
import hashlib
import io
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import paramiko  # type: ignore[import-untyped]

from patchline.releaser.setups.targets.outcomes import SECONDS, Outcome
from patchline.vault.setups import Login

_PORT = 22
_REFUSED = "Authentication failed."
"""What the library says where the server answered no, and of nothing else."""
_ASK = frozenset({"password", "keyboard-interactive"})

logging.getLogger("paramiko").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class KeyLogin:
    """A person's name with a private key, in OpenSSH's form, and the certificate that an authority gave it."""

    username: str
    private: str = field(repr=False)
    certificate: str | None = None


def host_fingerprint(address: str) -> str | None:
    """Return the fingerprint of the key that a host shows, None where it is not reached."""
    try:
        with _connected(address) as transport:
            return _fingerprint(transport)
    except (paramiko.SSHException, OSError, EOFError):
        return None


def try_login(address: str, login: Login, pinned: str | None) -> Outcome:
    """Log in by password and out again; a host that asks for none proves nothing."""
    return _tried(address, pinned, lambda transport: _by_password(transport, login))


def try_key(address: str, login: KeyLogin, pinned: str | None) -> Outcome:
    """Log in by key or certificate and out again.

    Raises:
        ValueError: it is no private key of OpenSSH, or the certificate is of another.
    """
    key = _key(login)

    def work(transport: paramiko.Transport) -> Outcome:
        if _takes_anybody(transport, login.username) is None:
            return Outcome.OPEN
        return _done(transport.auth_publickey(login.username, key))

    return _tried(address, pinned, work)


def _key(login: KeyLogin) -> paramiko.PKey:
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            key = kind.from_private_key(io.StringIO(login.private))
        except (paramiko.SSHException, ValueError, IndexError):
            continue
        return key if login.certificate is None else _certified(key, login.certificate)
    raise ValueError("no private key of OpenSSH")


def _certified(key: paramiko.PKey, certificate: str) -> paramiko.PKey:
    numbers = key.asbytes()[4 + len(key.get_name()) :]
    try:
        key.load_certificate(certificate)
    except (paramiko.SSHException, ValueError, IndexError):
        raise ValueError("no certificate of OpenSSH") from None
    if numbers not in key.public_blob.key_blob:
        raise ValueError("a certificate of another key")
    return key


def _tried(address: str, pinned: str | None, work: Callable[[paramiko.Transport], Outcome]) -> Outcome:
    reached = False
    try:
        with _connected(address) as transport:
            reached = True
            if pinned is None or _fingerprint(transport) != pinned:
                return Outcome.UNPROVED
            return work(transport)
    except paramiko.AuthenticationException as error:
        # Breaking off, and too many tries, are told as failed logins too, in other words.
        return Outcome.REFUSED if str(error) == _REFUSED else Outcome.UNCLEAR
    except (paramiko.SSHException, OSError, EOFError):
        return Outcome.UNCLEAR if reached else Outcome.UNREACHABLE


@contextmanager
def _connected(address: str) -> Iterator[paramiko.Transport]:
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname or "", parts.port or _PORT), SECONDS) as connection:
        transport = paramiko.Transport(connection)
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = SECONDS
        try:
            transport.start_client(timeout=SECONDS)
            transport.get_remote_server_key()  # Running out of time is no error to the library; having no key is.
            yield transport
        finally:
            transport.close()


def _fingerprint(transport: paramiko.Transport) -> str:
    digest = hashlib.sha256(transport.get_remote_server_key().asbytes()).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _takes_anybody(transport: paramiko.Transport, username: str) -> frozenset[str] | None:
    """Return the ways to log in that the host offers, None where it asks for nothing."""
    try:
        transport.auth_none(username)
    except paramiko.BadAuthenticationType as error:
        return frozenset(error.allowed_types)
    return None


def _by_password(transport: paramiko.Transport, login: Login) -> Outcome:
    ways = _takes_anybody(transport, login.username)
    if ways is None:
        return Outcome.OPEN
    if ways.isdisjoint(_ASK):
        return Outcome.UNCLEAR
    return _done(transport.auth_password(login.username, login.password))


def _done(still_wanted: list[str]) -> Outcome:
    """Tell whether that was all: some hosts want a second proof, and then it is not said whether the first was right."""
    return Outcome.UNCLEAR if still_wanted else Outcome.WORKS
