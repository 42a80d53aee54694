"""gunicorn's worker with threads, which gives a thread to whole requests only.

- A connection waits at the poller until the head of its request is there; one that dribbles it never holds a thread.
- A request whose body comes, or whose answer goes, too slowly is cut off (`sockets`).
- A worker all of whose threads are busy takes no new connections; another worker does.
"""

import selectors
import socket
import time
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.http import get_parser  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]

from patchline.web.serving.sockets import Limited, PlainSocket, limited

HEAD_S = 10.0
"""So long the head of a request may take."""
_HEAD_END = b"\r\n\r\n"
_LARGEST_HEAD = 64 << 10
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    """The worker of `patchline serve`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._connections = 0
        self._busy = 0
        super().__init__(*arguments, **options)

    @property
    def worker_connections(self) -> int:
        """How many connections may be open before no more are taken: none more while all threads are busy."""
        return 0 if self._busy >= self.cfg.threads else self._connections

    @worker_connections.setter
    def worker_connections(self, most: int) -> None:
        self._connections = most

    def enqueue_req(self, conn: TConn) -> None:
        """Take a connection on which something of a request may have come."""
        if conn.parser is None:
            conn.sock, conn.early = limited(conn.sock), b""
        else:  # Something may have come right behind the request before it.
            conn.early = conn.parser.unreader.take_buffered()
        if self._has_come(conn):
            self._begin(conn)
            return
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + HEAD_S
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def on_pending_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        """Take what came; once it is enough, a thread goes on."""
        if not self._more(conn):
            return
        self.poller.unregister(client)
        self.pending_conns.remove(conn)
        if len(conn.early) > _LARGEST_HEAD and not self._has_come(conn):
            self._refuse(conn)
        else:
            self._begin(conn)

    def _refuse(self, conn: TConn) -> None:
        with suppress(OSError):
            conn.sock.send(_TOO_LARGE)
        self.nr_conns -= 1
        conn.close()

    def _more(self, conn: TConn) -> bool:
        if self.cfg.is_ssl:  # Only the thread can read what it means; the socket bounds how long that takes.
            return True
        try:
            data = PlainSocket.recv(conn.sock, _LARGEST_HEAD)
        except BlockingIOError:
            return False
        except OSError:
            return True  # The thread meets it too, and closes the connection.
        conn.early += data
        return not data or self._has_come(conn) or len(conn.early) > _LARGEST_HEAD

    def _has_come(self, conn: TConn) -> bool:
        return _HEAD_END in conn.early

    def _begin(self, conn: TConn) -> None:
        if conn.parser is None and not self.cfg.is_ssl:
            conn.parser = get_parser(self.cfg, conn.sock, conn.client)
        if conn.early:
            conn.parser.unreader.unread(conn.early)
        conn.data_ready = True
        self._busy += 1
        super().enqueue_req(conn)

    def handle(self, conn: TConn) -> Any:
        """Answer a request, in a thread."""
        if isinstance(conn.sock, Limited):
            conn.sock.begin()
        return super().handle(conn)

    def finish_request(self, conn: TConn, fs: Any) -> None:
        """Go on with a connection whose request was answered."""
        self._busy -= 1
        super().finish_request(conn, fs)

    def _cap_keepalive(self, deadline: float) -> None:
        """Wait no longer for requests that have not come when the server is told to stop."""
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)
