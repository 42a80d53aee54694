"""Sockets that do not wait for ever: whoever stalls, or sends so slowly that it is meant to hold a thread, is gone."""

import errno
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

STALL_S = 30.0
"""So long a client may neither take nor send a byte while one of ours waits for it."""
GRACE_S = 30.0
LEAST_RATE = 4096
"""Bytes per second that a request must come in with on the average, once it took longer than the grace."""


class Limited:
    """What both kinds of socket share.

    The server says "block" where it waits for clients; that means "at most so long" here. A client that breaks the
    limits is told as one that reset its connection, which the server and the pages take quietly.
    """

    _began = 0.0
    _came = 0

    def begin(self) -> None:
        """Begin to count anew: a request comes."""
        self._began, self._came = time.monotonic(), 0

    def setblocking(self, flag: bool) -> None:
        """Wait for a client, or do not."""
        self.settimeout(STALL_S if flag else 0)  # type: ignore[attr-defined]

    def recv(self, *arguments: Any) -> bytes:
        """Take what has come, as long as enough of it comes."""
        took = time.monotonic() - self._began
        if self._began and took > GRACE_S and self._came < took * LEAST_RATE:
            raise ConnectionResetError(errno.ECONNRESET, "the request comes too slowly")
        try:
            data: bytes = super().recv(*arguments)  # type: ignore[misc]
        except TimeoutError:
            raise ConnectionResetError(errno.ECONNRESET, "the client stalls") from None
        self._came += len(data)
        return data

    def send(self, *arguments: Any) -> int:
        """Send some."""
        with _stalls():
            return int(super().send(*arguments))  # type: ignore[misc]

    def sendall(self, *arguments: Any) -> None:
        """Send all."""
        with _stalls():
            super().sendall(*arguments)  # type: ignore[misc]

    def sendfile(self, *arguments: Any, **options: Any) -> int:
        """Send a file, past Python's memory."""
        with _stalls():
            return int(super().sendfile(*arguments, **options))  # type: ignore[misc]


@contextmanager
def _stalls() -> Iterator[None]:
    """Turn a timeout into a client that is gone."""
    try:
        yield
    except TimeoutError:
        raise ConnectionResetError(errno.ECONNRESET, "the client takes nothing") from None


class PlainSocket(Limited, socket.socket):
    """A connection without TLS."""


class TlsSocket(Limited, ssl.SSLSocket):
    """A connection with TLS; made by a context whose `sslsocket_class` it is."""

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands; a first request comes with it."""
        self.begin()
        with _stalls():
            super().do_handshake(block)


def limited(plain: socket.socket) -> PlainSocket:
    """Return the same connection as a socket of ours; the one given is closed by that."""
    return PlainSocket(fileno=plain.detach())
