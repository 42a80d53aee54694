"""`patchline serve` as a process of its own, and clients that do not behave."""

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.programs import BIN


@dataclass
class Served:
    """A server that runs.

    Attributes:
        process: of the program.
        told: what it printed when it was ready.
        log: what it writes besides.
    """

    process: subprocess.Popen
    told: dict[str, Any]
    log: Path

    @property
    def address(self) -> str:
        return self.told["address"]

    @property
    def place(self) -> tuple[str, int]:
        parts = urlsplit(self.address)
        return parts.hostname, parts.port

    def ask(self, path: str = "/sign-in/", method: str = "GET", body: bytes | None = None, **headers: str):
        """Ask once; returns status, headers and body. A name such as `x_y` is the header `x-y`."""
        host, port = self.place
        if self.address.startswith("https"):
            connection = http.client.HTTPSConnection(host, port, timeout=20, context=trusting())
        else:
            connection = http.client.HTTPConnection(host, port, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, {"Host": "localhost", **named})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def connect(self, sent: bytes = b"") -> socket.socket:
        """Connect as a client of any manners."""
        connection = socket.create_connection(self.place, timeout=20)
        connection.sendall(sent)
        return connection

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(45)


def trusting() -> ssl.SSLContext:
    """Take any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@contextmanager
def served(home: Path, *options: object, environment: dict[str, str] | None = None) -> Iterator[Served]:
    """Serve a home on a free port of loopback; no process is left."""
    place = () if "--bind" in options else ("--bind", "127.0.0.1:0")
    line = [BIN / "patchline", "serve", "--home", home, "--json", *place, *options]
    log = home / "serve.log"
    with log.open("wb") as errors:
        started = subprocess.Popen(
            [str(word) for word in line],
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        try:
            yield Served(started, _document(started, log), log)
        finally:
            if started.poll() is None:
                os.killpg(started.pid, signal.SIGKILL)
            started.wait()
            started.stdout.close()


def _document(started: subprocess.Popen, log: Path) -> dict[str, Any]:
    told = b""
    while line := started.stdout.readline():
        told += line
        if line == b"}\n":
            return json.loads(told)
    raise AssertionError(f"it ended with {started.wait()}\n{told.decode()}\n{log.read_text()}")


def within(seconds: float, call: Any) -> Any:
    """Return what a call returns, and insist that it took no longer."""
    began = time.monotonic()
    result = call()
    took = time.monotonic() - began
    assert took < seconds, f"it took {took:.2f} s"
    return result
