"""gunicorn as Patchline runs it: settings, the application of each worker, TLS."""

import os
import shutil
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from patchline.releaser.database import Database
from patchline.releaser.register import Register, database_url
from patchline.releaser.settings import read_settings
from patchline.web.app import create_app
from patchline.web.asking import Office
from patchline.web.logs import ServerLogger, write_to
from patchline.web.serving.sockets import TlsSocket

_GRACE_S = 30
_IDLE_S = 15
_BEAT_S = 60


@dataclass(frozen=True)
class Service:
    """What is served, and how.

    Attributes:
        home: of the register.
        bind: `HOST:PORT`, or `unix:PATH`.
        workers, threads: how many processes, and how many requests at once in each.
        certificate, private_key: for TLS without a proxy; PEM files.
    """

    home: Path
    bind: str
    workers: int
    threads: int
    certificate: Path | None = None
    private_key: Path | None = None


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn with settings of ours alone: no file, no variable of the environment and no control socket counts."""

    def __init__(self, service: Service, folder: Path, ready: Callable[[str], None]) -> None:
        self.service, self.folder, self.told = service, folder, ready
        super().__init__()

    def load_config(self) -> None:
        """Set everything that is not as gunicorn would have it."""
        service = self.service
        chosen = {
            "bind": service.bind,
            "workers": service.workers,
            "threads": service.threads,
            "worker_class": "patchline.web.serving.worker.PatientWorker",
            "worker_connections": 1000,
            "worker_tmp_dir": str(self.folder),
            "proc_name": "patchline",
            "preload_app": False,
            "timeout": _BEAT_S,
            "graceful_timeout": _GRACE_S,
            "keepalive": _IDLE_S,
            "limit_request_line": 8190,
            "umask": 0o007,
            "forwarded_allow_ips": "",  # What proxies say is taken by the application, as `web_proxies` has it.
            "control_socket_disable": True,
            "loglevel": "warning",
            "logger_class": ServerLogger,
            "when_ready": self._ready,
            "child_exit": _forget_worker,
        }
        if service.certificate:
            files = {"certfile": service.certificate, "keyfile": service.private_key}
            chosen |= {name: str(path) for name, path in files.items() if path} | {"ssl_context": TlsContext()}
        for name, value in chosen.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Open the register in a worker, for as long as it lives; connections are never shared with other processes."""
        write_to()
        settings = read_settings(self.service.home)
        database = Database(database_url(self.service.home, settings))
        return create_app(Office(Register(self.service.home, settings, database)))

    def _ready(self, arbiter: Any) -> None:
        self.told(address(arbiter.LISTENERS[0].sock.getsockname(), tls=self.service.certificate is not None))


class TlsContext:
    """Makes the context of each connection; a certificate that was renewed counts from the next connection on."""

    def __init__(self) -> None:
        self._made: tuple[tuple[int, ...], ssl.SSLContext] | None = None

    def __call__(self, settings: Any, make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        """Return the context, made anew where one of the files has changed."""
        files = [path for path in (settings.certfile, settings.keyfile) if path]
        stamp = tuple(Path(path).stat().st_mtime_ns for path in files)
        if self._made is None or self._made[0] != stamp:
            try:
                context = make()
            except (OSError, ssl.SSLError):
                if self._made is None:
                    raise
                return self._made[1]  # Half of the pair is new; the other half comes in a moment.
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.sslsocket_class = TlsSocket
            self._made = (stamp, context)
        return self._made[1]


def address(bound: Any, *, tls: bool) -> str:
    """Return the address of a listening socket as people write it."""
    if isinstance(bound, str):
        return f"unix:{bound}"
    host, port = bound[:2]
    return f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


@contextmanager
def run_folder() -> Iterator[Path]:
    """Yield a private folder for what lives as long as the server; systemd's, or one that is gone afterwards."""
    here = os.getpid()
    folder = Path(tempfile.mkdtemp(prefix="patchline-", dir=os.environ.get("RUNTIME_DIRECTORY")))
    try:
        yield folder
    finally:
        if os.getpid() == here:  # Workers leave by the same way.
            shutil.rmtree(folder, ignore_errors=True)


def _forget_worker(_: Any, worker: Any) -> None:
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
