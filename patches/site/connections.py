"""Connections to a web server that end at a deadline, whatever the server does."""

import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.request import getproxies, proxy_bypass

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection

_MOST_WATCHED = 8


class Deadline:
    """Ends whatever is read from the connections it watches once a time has passed."""

    def __init__(self) -> None:
        self.passed = False
        self._watched: deque[socket.socket] = deque()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Let the block's requests take so long."""
        self.passed = False
        timer = threading.Timer(seconds, self._end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def watched(self, made: socket.socket) -> socket.socket:
        """Take in a new connection, before anything was said over it, TLS included."""
        # A second descriptor of the same connection: TLS takes the first one over.
        self._watched.append(made.dup())
        if len(self._watched) > _MOST_WATCHED:
            self._watched.popleft().close()
        if self.passed:
            self._end()
        return made

    def close(self) -> None:
        """Let go of every connection."""
        while self._watched:
            self._watched.popleft().close()

    def _end(self) -> None:
        self.passed = True
        for connection in list(self._watched):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def connections(scheme: str, host: str, deadline: Deadline, *, proxied: bool) -> PoolManager:
    """Return the connections to a host, if `proxied` through the proxy that the environment names for it."""

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return deadline.watched(super()._new_conn())

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return deadline.watched(super()._new_conn())

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    proxies = getproxies()
    proxy = None if not proxied or proxy_bypass(host) else proxies.get(scheme, proxies.get("all"))
    pool = ProxyManager(proxy, maxsize=1) if proxy else PoolManager(maxsize=1)
    pool.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
    return pool
