"""The pages under gunicorn, as they are served: worker processes with threads, on a loopback port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_APP = """
from pathlib import Path
import os
from datetime import datetime, UTC
from patchline.releaser.register import opened
from patchline.web.app import create_app
from patchline.web.asking import Office

kept = opened(Path(os.environ["SHOP"]))
app = create_app(Office(kept.__enter__(), lambda: datetime.fromisoformat(os.environ["SHOP_NOW"])))
"""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def gunicorn(home: Path, folder: Path, now: str, workers: int = 1, threads: int = 4) -> Iterator[str]:
    """Serve the register of a home; yields the address."""
    folder.mkdir(exist_ok=True)
    (folder / "served_shop.py").write_text(_APP)
    port = free_port()
    environment = {**os.environ, "SHOP": str(home), "SHOP_NOW": now}
    arguments = ["--chdir", str(folder), "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread"]
    arguments += ["--workers", str(workers), "--threads", str(threads), "--log-level", "error"]
    command = [sys.executable, "-m", "gunicorn", *arguments, "served_shop:app"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        _wait(port, process, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(log.read_text())
