"""One process at a time looks after a loan; whoever holds it lets go by dying, too."""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from patchline.patches.errors import LockedError
from patchline.releaser.register import Register

_FOLDER = "loans"


@contextmanager
def held(register: Register, identifier: str) -> Iterator[None]:
    """Hold a loan; PostgreSQL knows who does, with SQLite a file in the home.

    Raises:
        LockedError: another process holds it.
    """
    way = _by_file if register.database.is_sqlite else _by_database
    with way(register, identifier):
        yield


@contextmanager
def _by_file(register: Register, identifier: str) -> Iterator[None]:
    folder = register.home / _FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    handle = os.open(folder / f"{identifier}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _busy(identifier) from None
        yield
    finally:
        os.close(handle)


@contextmanager
def _by_database(register: Register, identifier: str) -> Iterator[None]:
    number = int.from_bytes(hashlib.sha256(f"loan {identifier}".encode()).digest()[:8], signed=True)
    with register.database.engine.connect() as connection:
        if not connection.scalar(text("SELECT pg_try_advisory_lock(:number)"), {"number": number}):
            raise _busy(identifier)
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": number})


def _busy(identifier: str) -> LockedError:
    return LockedError("loan", f"another process looks after loan {identifier} at this moment")
