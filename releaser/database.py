"""The register's database: SQLite by default, PostgreSQL when it grows; transactions, schema, and errors people read.

- On SQLite one writer at a time, from its first statement on; readers go on meanwhile (WAL).
- A transaction is whole or was never there. What the database refuses by a trigger or constraint is an error of ours.
- The schema is made and changed by the migrations alone; an older or newer one is refused before anything is read.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from patchline.patches.errors import DatabaseError, LockedError, PatchlineError, RefusedError, UsageError

_GUARD = "patchline: "
_WRITING = "patchline_writing"
_BUSY_MS = 30_000
_AT_ONCE = 16
"""So many threads of a process use the database at once; the others wait."""
_EACH = 3
"""Connections that one of them may hold: one that reads while another writes, and one to spare."""
_KEPT_OPEN = 5
_POOL = {"pool_size": _KEPT_OPEN, "max_overflow": _AT_ONCE * _EACH - _KEPT_OPEN}
_PATIENCE_S = 15


class Database:
    """An open database.

    Attributes:
        engine: SQLAlchemy's.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
            self.engine = _sqlite(url) if parsed.get_backend_name() == "sqlite" else _postgresql(url)
        except (ArgumentError, ModuleNotFoundError):
            raise DatabaseError("url", "the setting `database` is no URL of SQLite or PostgreSQL") from None
        self._turns = _Turns()

    @property
    def is_sqlite(self) -> bool:
        """Tell whether it is one file."""
        return self.engine.dialect.name == "sqlite"

    @property
    def file(self) -> Path | None:
        """The file that it is; None where a server keeps it, or the memory."""
        name = self.engine.url.database if self.is_sqlite else None
        return Path(name) if name and name != ":memory:" else None

    def check_there(self) -> None:
        """Refuse a file that is not there: SQLite would make an empty one.

        Raises:
            DatabaseError: so it is.
        """
        if self.file is not None and not self.file.is_file():
            raise DatabaseError("gone", f"the register's database {self.file} is not there")

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Yield a session that sees one state of the database; what it changes is forgotten.

        Raises:
            DatabaseError: the database is gone.
        """
        with (
            _told(),
            self._turns.turn(),
            self.engine.connect() as connection,
            Session(connection, autoflush=False) as session,
        ):
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """Yield a session in which every statement sees the state of the first one; SQLite's readers always do."""
        level = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        with (
            _told(),
            self._turns.turn(),
            self.engine.connect().execution_options(**level) as connection,
            Session(connection, autoflush=False) as session,
        ):
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Yield a session whose changes come in together at the end, or not at all.

        Raises:
            LockedError: others keep writing.
            RefusedError: a rule of the database says no.
            DatabaseError: the database is gone or full.
        """
        with _told(), self._begun() as connection, Session(connection, expire_on_commit=False) as session:
            yield session
            session.flush()

    @contextmanager
    def _begun(self) -> Iterator[Connection]:
        options = {_WRITING: True}
        with self._turns.turn(), self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    # The schema

    def upgrade(self, revision: str = "head") -> None:
        """Bring the schema up to the newest one, or to the one named, in one transaction.

        Raises:
            DatabaseError: it was made by a newer Patchline.
        """
        self._check_known()
        with _told(), self._begun() as connection:
            command.upgrade(_alembic(connection), revision)

    def schema(self) -> str | None:
        """Return the schema's revision; None for an empty database."""
        with _told(), self.engine.connect() as connection:
            return schema_of(connection)

    def check_schema(self) -> None:
        """Refuse a schema that is not the newest.

        Raises:
            DatabaseError: it is older, or made by a newer Patchline.
        """
        there, newest = self._check_known(), newest_schema()
        if there != newest:
            raise DatabaseError("schema-older", f"the database's schema is {there or 'empty'}, not {newest}")

    def check_knows(self, revision: str) -> None:
        """Refuse a schema that the migrations do not lead to.

        Raises:
            DatabaseError: so it is.
        """
        if revision not in _known_schemas():
            raise DatabaseError("schema-newer", f"the schema {revision} was made by a newer Patchline")

    def _check_known(self) -> str | None:
        there = self.schema()
        if there is not None:
            self.check_knows(there)
        return there


class _Turns:
    """Lets only so many threads in that each of them gets the second connection that it may want.

    Otherwise as many as there are connections could hold one each, and all wait for another.
    """

    def __init__(self) -> None:
        self._free = threading.BoundedSemaphore(_AT_ONCE)
        self._mine = threading.local()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn, unless this thread has one.

        Raises:
            LockedError: none came.
        """
        held: list[int] = self._mine.__dict__.setdefault("held", [0])
        if not held[0] and not self._free.acquire(timeout=_BUSY_MS / 1000):
            raise LockedError("database", "too many ask the register's database at once")
        held[0] += 1
        try:
            yield
        finally:
            held[0] -= 1
            if not held[0]:
                self._free.release()


def schema_of(connection: Connection) -> str | None:
    """Return the schema's revision as a transaction sees it; None for an empty database."""
    return MigrationContext.configure(connection).get_current_revision()


def newest_schema() -> str:
    """Return the revision that the migrations lead to."""
    return _known_schemas()[0]


@cache
def _known_schemas() -> tuple[str, ...]:
    """Return the revisions of the migrations, the newest first; reading them takes longer than most questions."""
    return tuple(script.revision for script in ScriptDirectory.from_config(_alembic()).walk_revisions())


def _alembic(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", "patchline.migrations:")
    config.attributes["connection"] = connection
    return config


def sqlite_url(path: Path) -> str:
    """Return the URL of a SQLite file."""
    return f"sqlite:///{path}"


def _sqlite(url: str) -> Engine:
    pool = {} if make_url(url).database in (None, "", ":memory:") else _POOL
    engine = create_engine(url, connect_args={"timeout": _BUSY_MS / 1000}, **pool)

    @event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # We begin transactions ourselves; the module would begin them too late.
        for pragma in ("foreign_keys = ON", "journal_mode = WAL", "synchronous = FULL", f"busy_timeout = {_BUSY_MS}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get(_WRITING)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _postgresql(url: str) -> Engine:
    arguments = {"options": f"-c lock_timeout={_BUSY_MS}", "connect_timeout": _PATIENCE_S}
    return create_engine(url, pool_pre_ping=True, connect_args=arguments, **_POOL)


@contextmanager
def _told() -> Iterator[None]:
    """Turn the driver's errors into ours."""
    try:
        yield
    except DBAPIError as error:
        known = _known(error)
        if known is None:
            raise
        raise known from None


def _known(error: DBAPIError) -> PatchlineError | None:
    said = str(error.orig)
    if _GUARD in said:
        rule = said.split(_GUARD, 1)[1].splitlines()[0]
        return RefusedError("database-rule", f"the database refuses it: {rule}")
    if "cannot contain NUL" in said:  # Nothing here is called so; SQLite finds nothing, PostgreSQL does not even look.
        return UsageError("text", "a text has no zero byte")
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", None) or ""
    if isinstance(error, IntegrityError):
        return None  # The rules say it before in words; reaching this is a bug.
    if state.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) or state in ("40001", "40P01", "55P03"):
        return LockedError("database", "others keep writing to the register's database")
    if state in ("SQLITE_FULL", "53100"):
        return DatabaseError("full", "the disk of the register's database is full")
    if state in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
        return DatabaseError("damaged", "the register's database is damaged")
    if state in ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_IOERR") or state.startswith("SQLITE_IOERR"):
        return DatabaseError("gone", f"the register's database cannot be used: {said.splitlines()[0]}")
    if error.connection_invalidated or not state or state.startswith(("08", "57P")):
        return DatabaseError("gone", "the register's database does not answer")
    return None
