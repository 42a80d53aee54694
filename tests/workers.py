"""Workers as processes, and what befalls them. A scene is whatever has a `register`."""

import os
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from tests.programs import BIN, run

PASSPHRASE = "words"


def work(scene, *more, expect=0):
    line = ("patchline", "worker", "--once", "--home", scene.register.home, "--json", *more)
    return run(*line, expect=expect, passphrase=PASSPHRASE).document


@contextmanager
def worker(scene, *more, log: Path):
    """Start a worker's process; it is dead afterwards."""
    environment = {**os.environ, "PATCHLINE_PASSPHRASE": PASSPHRASE}
    line = [BIN / "patchline", "worker", "--home", scene.register.home, *more]
    with log.open("ab") as out, subprocess.Popen(line, env=environment, stdout=out, stderr=out) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def held(scene, table):
    """Let nobody else write to a table; yields a function that ends it and one that tells whether somebody waits."""
    with scene.register.database.engine.connect() as mine:
        mine.execute(text(f"LOCK TABLE {table} IN EXCLUSIVE MODE"))

        def waits():
            query = "SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database WHERE NOT granted AND datname = current_database()"
            return mine.scalar(text(query)) > 0

        yield waits
        mine.rollback()


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def passes(scene):
    """Let so much time pass that whoever gave no sign counts as dead."""
    with scene.register.database.write() as session:
        statement = "UPDATE procrastinate.procrastinate_workers SET last_heartbeat = now() - interval '1 minute'"
        session.execute(text(statement))
