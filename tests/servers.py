"""A web server for a channel's folder, well behaved or not; as a thread, or as a process of its own.

    python -m tests.servers FOLDER [QUIRK]        prints its port

Quirks, for names that hold `of` (everything without one): `drip` a byte now and then, `drip-header`, `endless`,
`cut` each answer after a third, `cut-large` the first large answer after a third and
later ones at once, `no-ranges`, `deny` (403), `portal` (a page for everything), `busy` (503),
`redirect` to itself for ever.
"""

import re
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_ABSOLUTE = re.compile(r"^http://channel\.example/idm")
"""What is asked of a proxy."""
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, folder: Path, quirk: str, of: str, asked: list[str], *arguments) -> None:
        self.folder, self.quirk, self.of, self.asked = folder, quirk, of, asked
        super().__init__(*arguments)

    def log_message(self, *arguments) -> None:
        pass

    def do_GET(self) -> None:
        self.asked.append(f"{self.path} {self.headers.get('Range', '')}".strip())
        with suppress(BrokenPipeError, ConnectionResetError):
            self.answer(self.quirk if self.of in self.path else "")

    def answer(self, quirk: str) -> None:
        path = self.folder / _ABSOLUTE.sub("", self.path).lstrip("/")
        if quirk in ("deny", "busy", "redirect", "portal"):
            return self.odd(quirk)
        if not path.is_file():
            return self.whole(404, b"nothing here")
        data = path.read_bytes()
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        if not asked or quirk == "no-ranges":
            return self.send(200, data, {}, quirk)
        first, last = int(asked[1]), int(asked[2] or len(data) - 1)
        if first >= len(data):
            return self.whole(416, b"")
        ranged = {"Content-Range": f"bytes {first}-{min(last, len(data) - 1)}/{len(data)}"}
        return self.send(206, data[first : last + 1], ranged, quirk)

    def odd(self, quirk: str) -> None:
        if quirk == "redirect":
            self.send_response(302)
            self.send_header("Location", self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        status = {"deny": 403, "busy": 503, "portal": 200}[quirk]
        self.whole(status, b"<html>please sign in</html>")

    def whole(self, status: int, body: bytes) -> None:
        self.send(status, body, {}, "")

    def send(self, status: int, body: bytes, headers: dict[str, str], quirk: str) -> None:
        if quirk == "drip-header":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            return self.drip(b"x" * 10_000)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if quirk == "endless":
            self.send_header("Connection", "close")
            self.end_headers()
            while True:
                self.wfile.write(b"[" * 65_536)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if quirk == "drip":
            return self.drip(body)
        if quirk == "cut" or (quirk == "cut-large" and len(body) > 1 << 20):
            first = quirk == "cut" or "bytes 0-" in headers.get("Content-Range", "")
            self.wfile.write(body[: len(body) // 3] if first else b"")
            self.close_connection = True
            return None
        self.wfile.write(body)
        return None

    def drip(self, body: bytes) -> None:
        for number in range(len(body)):
            self.wfile.write(body[number : number + 1])
            self.wfile.flush()
            time.sleep(0.1)


class Server:
    """A running server; `asked` holds what was asked of it."""

    def __init__(self, folder: Path, quirk: str = "", of: str = "", certificate=None) -> None:
        self.scheme = "https" if certificate else "http"
        self.asked: list[str] = []
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, folder, quirk, of, self.asked))
        self.http.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.http.server_port}"


@contextmanager
def serving(folder: Path, quirk: str = "", of: str = "", **more) -> Iterator[Server]:
    server = Server(folder, quirk, of, **more)
    thread = threading.Thread(target=partial(server.http.serve_forever, poll_interval=0.02), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join()


@contextmanager
def served(folder: Path, quirk: str = "", of: str = "") -> Iterator[str]:
    """A server in a process of its own; yields its address."""
    line = [sys.executable, "-m", "tests.servers", str(folder), quirk, of]
    with subprocess.Popen(line, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]) as process:
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


if __name__ == "__main__":
    standing = Server(Path(sys.argv[1]), *sys.argv[2:4])
    print(standing.http.server_port, flush=True)
    standing.http.serve_forever()
