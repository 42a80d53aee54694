"""D2: sites that check in and hear nothing new, beside a Flask view that takes the same bytes and does nothing."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import reports_work as work
from bench import serving_load as load
from bench.figures import Figure
from patchline.releaser.database import sqlite_url
from tests.gunicorns import free_port
from tests.served import served

_BARE = """
from flask import Flask, request

app = Flask(__name__)


@app.post("/api/v1/check-in")
def take():
    request.get_data()
    return "", 204
"""
_AT = "/api/v1/check-in"
_CONNECTIONS = 8


def run(folder: Path, sites: int, seconds: int) -> Iterator[Figure]:
    """Measure with so many sites, which check in one after the other for so many seconds."""
    home = folder / "home"
    folder.mkdir(parents=True)
    work.prepare(home, sqlite_url(home / "register.db"), sites)
    reports = list(work.reports(sites, sites))
    with served(home) as running, _bare(folder) as peer:
        known = [(f"{_AT}?known={_taken(running.address, data)}", data) for data in reports]
        load.send(folder, running.address, known, _CONNECTIONS, 1)  # Both workers have their first request behind them.
        ours = load.send(folder, running.address, known, _CONNECTIONS, seconds)
        bare = load.send(folder, peer, known, _CONNECTIONS, seconds)
    if ours.failed or ours.refused or not ours.requests:
        raise RuntimeError(f"sites were not answered: {ours}")
    rate, peers = ours.requests / seconds, bare.requests / seconds
    beside = {"half ms": ours.half, "empty POST /s": peers, "times the empty one": peers / rate}
    yield Figure("D2", f"check-ins of {sites} sites, nothing new", rate, "/s", 350.0, at_least=True, details=beside)
    yield Figure("D2", "the same, 99 % within", ours.p99, "ms", 100.0, details={"empty POST ms": bare.p99})


def _taken(address: str, report: bytes) -> str:
    """Check in for the first time; return the name of what was answered."""
    request = urllib.request.Request(address + _AT, report, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        json.loads(answer.read())
        return str(answer.headers["ETag"]).strip('"')


@contextmanager
def _bare(folder: Path) -> Iterator[str]:
    """Serve the view that does nothing, by gunicorn with as many processes and threads."""
    (folder / "bare.py").write_text(_BARE)
    where = f"127.0.0.1:{free_port()}"
    line = [sys.executable, "-m", "gunicorn", "--workers", "2", "--threads", "64", "--bind", where, "bare:app"]
    process = subprocess.Popen(line, cwd=folder, stderr=subprocess.DEVNULL)
    try:
        _wait(f"http://{where}")
        yield f"http://{where}"
    finally:
        process.terminate()
        process.wait()


def _wait(address: str) -> None:
    for _ in range(200):
        try:
            with urllib.request.urlopen(urllib.request.Request(address + _AT, b""), timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the empty server does not answer")
