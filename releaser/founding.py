"""Making the home of a vendor's register: folder, online keys, database, first person, settings.

The settings come last, so that a folder is a home only when it is whole. A folder in which this was broken off is
known by a marker, and may be finished or removed; nothing else that exists is ever touched.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from patchline.patches import sealed
from patchline.patches.errors import DatabaseError, RefusedError
from patchline.patches.files import os_failure, read_file, sync_folder, write_file
from patchline.patches.keys import PublicKey
from patchline.releaser import audit, persons, server_keys, settings
from patchline.releaser.database import Database, sqlite_url
from patchline.releaser.tables.audit import AuditEvent, Outbox
from patchline.releaser.tables.people import Person, Role

MARKER = "init.unfinished"
_TOKEN_LIMIT = 100


@dataclass(frozen=True)
class Founding:
    """What a home is made with.

    Attributes:
        name: the vendor's, as customers read it.
        database: URL; None for SQLite in the home.
        person: the first one, who gets every role.
        trial: whether everything is for trying out.
    """

    person: str
    name: str | None = None
    database: str | None = None
    trial: bool = False


def found(home: Path, founding: Founding, passphrases: Mapping[str, bytes], now: datetime) -> dict[str, PublicKey]:
    """Make a home; return the public halves of the server's keys by name.

    Args:
        home: a folder that is not there, empty, or in which this was broken off.
        founding: what it is made with.
        passphrases: of the server's keys, by name.
        now: the time of it.

    Raises:
        RefusedError: it is a home already, or there is something else in it.
        DatabaseError: the database cannot be used, or is not empty.
    """
    first = persons.new_person(founding.person, founding.person, tuple(Role), now)
    database = Database(founding.database or sqlite_url(home / "register.db"))
    try:
        token = _claim(home)
        if (home / settings.FILE).exists():
            return {name: server_keys.server_public(home, name) for name in server_keys.NAMES}
        keys = {name: _make_key(home, name, passphrases[name]) for name in server_keys.NAMES}
        _make_register(database, first, token, founding.trial, now)
    finally:
        database.close()
    values = {"name": founding.name, "database": founding.database, "trial": founding.trial or None}
    settings.write_settings(home, values)
    return keys


def finish(home: Path) -> None:
    """Take the marker away: the home is whole."""
    (home / MARKER).unlink(missing_ok=True)
    sync_folder(home)


def is_unfinished(home: Path) -> bool:
    """Tell whether making the home was broken off."""
    return (home / MARKER).exists()


def _claim(home: Path) -> str:
    """Make the folder ours; return what this founding is known by in the database."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_new(home)
        if not is_unfinished(home):
            home.chmod(0o700)
            write_file(home / MARKER, secrets.token_hex(16).encode(), mode=0o600)
        return read_file(home / MARKER, limit=_TOKEN_LIMIT).decode()
    except OSError as error:
        raise os_failure(error) from None


def check_new(home: Path) -> None:
    """Refuse a folder that is a home already, or holds something else.

    Raises:
        RefusedError: so it is.
    """
    if is_unfinished(home) or not home.exists():
        return
    if (home / settings.FILE).exists():
        raise RefusedError("home-exists", f"{home} is the home of a register already")
    if others := sorted(path.name for path in home.iterdir() if not _may_be_there(path.name)):
        raise RefusedError("home-not-empty", f"{home} is not empty: it has {', '.join(others[:3])}")


def _may_be_there(name: str) -> bool:
    """Tell whether something in a new home is no matter: remembered git sources, and a marker that was never finished."""
    return name == "mirrors" or name.startswith(f".{MARKER}.")


def _make_key(home: Path, name: str, passphrase: bytes) -> PublicKey:
    """Make a key; one that a broken-off attempt left has never signed anything."""
    sealed.key_path(server_keys.server_keys_folder(home), name).unlink(missing_ok=True)
    return server_keys.make_server_key(home, name, passphrase)


def _make_register(database: Database, first: Person, token: str, trial: bool, now: datetime) -> None:
    if database.schema() is None:
        database.upgrade()
    database.check_schema()
    with database.write() as session:
        if _begun_by(session, token):
            return
        if session.scalar(select(func.count()).select_from(Person)) or audit.head(session)[0]:
            raise DatabaseError("not-empty", "the database holds a register already")
        session.add(first)
        audit.record(session, "home.init", first.id, {"token": token, "trial": trial}, first.id, now)
    with database.write() as session:
        audit.chain(session)


def _begun_by(session: Session, token: str) -> bool:
    """Tell whether this very founding has come as far as the database."""
    bodies = session.scalars(select(AuditEvent.body).limit(2)).all() or session.scalars(select(Outbox.body).limit(2))
    told = list(bodies)
    return len(told) == 1 and token.encode() in told[0]
