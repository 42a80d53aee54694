"""Making a home again from a backup, on top of what was published since.

- The whole backup is checked before anything is written. The settings come last, so that a folder is a home only when
  it is whole; a restore that was broken off is finished by running it again.
- What was published stays: publishing goes on from the channel as sites know it, never from the backup's older copy.
- The audit chain goes on where the backup's ended, with an event that says so, and what was lost is listed.
"""

import re
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from sqlalchemy import inspect, text
from sqlalchemy.orm import Session

from patchline.patches import documents
from patchline.patches.audit_chain import RESTORED, Checkpoint, check
from patchline.patches.errors import AuditError, BackupError, DatabaseError, RefusedError
from patchline.patches.files import os_failure, read_file, sync_folder, write_atomically, write_file
from patchline.patches.progress import watch
from patchline.releaser import audit, backup_form, losses, settings, table_copy
from patchline.releaser.access import links, web_sessions
from patchline.releaser.adopting import Adopted, adopt
from patchline.releaser.backup_form import BUNDLES, CHANNEL, HOME, Checked, Index, SavedFile
from patchline.releaser.database import Database, sqlite_url
from patchline.releaser.losses import Losses
from patchline.releaser.published import read_published
from patchline.releaser.register import Change, Register
from patchline.releaser.settings import Settings
from patchline.releaser.stores import Store

MARKER = "restore.unfinished"
IN_HOME = "sqlite"
"""What stands for the SQLite file in the home, where a URL is expected."""
_SNAPSHOT = re.compile(r"metadata/([0-9]{1,9})\.snapshot\.json")
LOST = "lost"
"""What stands for a channel of which nothing is left."""


@dataclass(frozen=True)
class Order:
    """What is to be restored.

    Attributes:
        backup: the file.
        home: the folder to make.
        by: who restores.
        database: URL of an empty database, `sqlite` for a file in the home; None for what the backup's settings say.
        channel: where what was published lies; None for where the backup's settings publish to, `lost` for nowhere.
    """

    backup: Path
    home: Path
    by: str
    database: str | None = None
    channel: str | None = None


@dataclass(frozen=True)
class Restored:
    """What came of it."""

    index: Index
    losses: Losses
    adopted: Adopted
    database: str


def restore(order: Order, now: datetime) -> Restored:
    """Make a home from a backup.

    Raises:
        BackupError, ArchiveError: the backup is damaged, or was changed.
        RefusedError: there is something else in the home, or nobody says what was published.
        DatabaseError: the database cannot be used, or is not empty.
    """
    _check_new(order.home)
    index = backup_form.check(order.backup)
    given = _settings(order)
    database = Database(_url(order, given))
    try:
        database.check_knows(index.schema)
        source = _channel_source(order, given, index)
        _claim(order.home, index)
        _restore_files(order, given, with_channel=source is Source.BACKUP)
        store = _published(order, given, source)
        _restore_rows(order, index, database, losses.published_checkpoint(store) if store else None, now)
        lost, adopted = _reconcile(order, index, Register(order.home, given, database), store, now)
        _finish(order, given)
    finally:
        database.close()
    return Restored(index, lost, adopted, "sqlite" if database.is_sqlite else "postgresql")


# The folder


def _check_new(home: Path) -> None:
    if home.exists() and not (home / MARKER).exists():
        if (home / settings.FILE).exists():
            raise RefusedError("home-exists", f"{home} is the home of a register already")
        if others := sorted(path.name for path in home.iterdir() if not path.name.startswith(f".{MARKER}.")):
            raise RefusedError("home-not-empty", f"{home} is not empty: it has {', '.join(others[:3])}")


def _claim(home: Path, index: Index) -> None:
    """Make the folder ours, for this backup."""
    digest = documents.digest(index.as_bytes()).encode()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.chmod(0o700)
    except OSError as error:
        raise os_failure(error) from None
    if not (home / MARKER).exists():
        write_file(home / MARKER, digest, mode=0o600)
    elif read_file(home / MARKER, limit=100) != digest:
        raise RefusedError("other-restore", f"the restore of another backup into {home} was broken off")


def _finish(order: Order, given: Settings) -> None:
    """Write the settings, which makes the folder a home."""
    values: dict[str, Any] = given.model_dump(exclude_defaults=True)
    values["database"] = None if order.database == IN_HOME else order.database or _plain(given)
    settings.write_settings(order.home, values, overwrite=True)
    _clear(order.home)
    (order.home / MARKER).unlink()
    sync_folder(order.home)


def _clear(home: Path) -> None:
    """Remove what attempts that were broken off have left beside the marker."""
    for left in home.glob(f".{MARKER}.*"):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink()


# Settings


def _settings(order: Order) -> Settings:
    """Return the settings that the backup holds."""
    with backup_form.reading(order.backup) as backup:
        backup.database().finish()
        for saved, content in backup.files():
            if (saved.place, saved.name) == (HOME, settings.FILE):
                return settings.parse_settings(b"".join(content.chunks()), settings.FILE)
    raise BackupError("missing", f"{order.backup} holds no {settings.FILE}")


def _plain(given: Settings) -> str | None:
    return given.database.get_secret_value() if given.database else None


def _url(order: Order, given: Settings) -> str:
    named = order.database or _plain(given)
    return sqlite_url(order.home / "register.db") if named in (None, IN_HOME) else str(named)


def _place(order: Order, given: Settings, place: str) -> str:
    """Return where bundles or channel lie, as the register will find them."""
    named = given.bundles if place == BUNDLES else given.channel
    return named or str(order.home / place)


# Files


def _restore_files(order: Order, given: Settings, *, with_channel: bool) -> None:
    """Write all files but the settings. Bundles are named by their digests, so they contradict nothing that is there."""
    stores = {BUNDLES: Store.at(_place(order, given, BUNDLES))}
    if with_channel:
        stores[CHANNEL] = Store.at(_place(order, given, CHANNEL))
    with backup_form.reading(order.backup) as backup:
        backup.database().finish()
        watch().tell("restoring files", sum(saved.size for saved in backup.index.files))
        for saved, content in backup.files():
            if saved.place == HOME and saved.name != settings.FILE:
                _write(order.home, saved, content)
            elif saved.place in stores:
                with tempfile.TemporaryDirectory(dir=order.home, prefix=f".{MARKER}.") as folder:
                    _write(Path(folder), saved, content)
                    stores[saved.place].put_file(saved.name, Path(folder) / saved.name)


def _write(folder: Path, saved: SavedFile, content: Checked) -> None:
    path = folder / saved.name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with write_atomically(path, overwrite=True, mode=0o600) as file:
        for chunk in content.chunks():
            file.write(chunk)
            watch().advance(len(chunk))


# What was published


class Source(Enum):
    """Where the channel comes from that publishing goes on from."""

    PLACE = "it lies where it is published"
    OTHER = "it is taken over from elsewhere"
    BACKUP = "nothing is left of it but the backup's copy"
    NONE = "nothing was published yet"


def _channel_source(order: Order, given: Settings, index: Index) -> Source:
    """Decide where the channel comes from.

    Raises:
        RefusedError: nobody says what was published since the backup, or it is older than the backup's.
    """
    own = _place(order, given, CHANNEL)
    newest = _newest_snapshot(saved.name for saved in index.files if saved.place == CHANNEL)
    if order.channel == LOST:
        return Source.BACKUP
    source = Source.OTHER if order.channel not in (None, own) else Source.PLACE
    place = order.channel or own
    if source is Source.PLACE and "://" not in place and not Path(place).is_dir():
        published = 0
    else:
        published = read_published(Store.at(place)).versions.snapshot
    if not published and not newest and CHANNEL not in index.elsewhere and source is Source.PLACE:
        return Source.NONE
    if not published:
        raise RefusedError("no-channel", f"{place} holds no channel; what was published since the backup is not known")
    if published < newest:
        raise RefusedError("older-channel", f"{place} is at version {published}, the backup's channel at {newest}")
    return source


def _newest_snapshot(names: Iterable[str]) -> int:
    found = (_SNAPSHOT.fullmatch(name) for name in names)
    return max((int(match[1]) for match in found if match), default=0)


def _published(order: Order, given: Settings, source: Source) -> Store | None:
    """Return the channel that publishing goes on from; None where nothing is there to compare with."""
    if source in (Source.NONE, Source.BACKUP):
        return None
    own = Store.at(_place(order, given, CHANNEL))
    if source is Source.OTHER:
        _copy(Store.at(str(order.channel)), own)
    return own


def _copy(source: Store, target: Store) -> None:
    """Take over what was published: timestamp last, as it is published too."""
    names = sorted((name for name in source.names("") if not _is_hidden(name)), key=_timestamp_last)
    watch().tell("taking over the channel", len(names), "items")
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            path = Path(folder) / "file"
            size = source.size(name) or 0
            with path.open("wb") as file:
                source.read_into(name, file, size)
            target.put_file(name, path)
            watch().advance(1)


def _is_hidden(name: str) -> bool:
    return name.rpartition("/")[2].startswith(".")


def _timestamp_last(name: str) -> tuple[bool, str]:
    return name.endswith("/timestamp.json"), name


# Rows


def _restore_rows(order: Order, index: Index, database: Database, told: Checkpoint | None, now: datetime) -> None:
    """Make schema and rows, with the event of the restore; all of it done already is no matter."""
    token = documents.digest(index.as_bytes())
    if not _has_event(database, RESTORED, token, index.count):
        if database.schema() is None:
            database.upgrade(index.schema)
        with database.write() as session:
            _check_empty(session, index)
            _load(order, index, session)
            _check_person(session, order.by)
            _check_chain(session, index, told)
            audit.go_on(session, told, {"made": index.made, "token": token}, order.by, now)
    database.upgrade()


def _reconcile(
    order: Order, index: Index, register: Register, store: Store | None, now: datetime
) -> tuple[Losses, Adopted]:
    """Write down what was lost, take in again what was published, and let none of its numbers be given again."""
    token = documents.digest(index.as_bytes())
    done = _has_event(register.database, f"{RESTORED}.losses", token, index.count)
    with register.database.write() as session:
        if store is None:
            lost, adopted = Losses(), Adopted((), ())
        else:
            lost = losses.find(session, store, index)
            losses.raise_counters(session, lost)
            adopted = adopt(register, store, read_published(store), Change(session, order.by, now))
        if not done:
            # Who was signed out or had a link ended since the backup must not come in again by it.
            web_sessions.end_everywhere(session, now)
            links.end_everywhere(session, now)
            facts = {**lost.as_facts(), **adopted.as_facts(), "token": token}
            audit.record(session, f"{RESTORED}.losses", "home", facts, order.by, now)
            session.flush()
        audit.chain(session)
    return lost, adopted


def _check_person(session: Session, by: str) -> None:
    """Refuse somebody whom the backup does not know; its schema may be an older one than the models are of."""
    found = session.execute(text("SELECT disabled FROM person WHERE id = :id"), {"id": by}).all()
    if not found:
        raise RefusedError("unknown-person", f"the backup knows no person {by!r}")
    if found[0].disabled is not None:
        raise RefusedError("disabled-person", f"{by} was disabled")


def _has_event(database: Database, action: str, token: str, after: int) -> bool:
    """Tell whether this restore has come as far as an event; only those after the backup's are looked at."""
    if database.schema() is None:
        return False
    with database.read() as session:
        told = (f'"action":"{action}"'.encode(), token.encode())
        return any(all(word in row.body for word in told) for row in audit.rows(session, after + 1))


def _check_empty(session: Session, index: Index) -> None:
    there = inspect(session.connection()).get_table_names()
    for name in index.tables.keys() & set(there):
        if session.scalar(text(f"SELECT count(*) FROM {name}")):  # noqa: S608 (checked by the index)
            raise DatabaseError("not-empty", "the database holds a register already")


def _load(order: Order, index: Index, session: Session) -> None:
    watch().tell("restoring the database", sum(index.tables.values()), "items")
    with backup_form.reading(order.backup) as backup, tempfile.TemporaryFile(dir=order.home) as lines:
        for chunk in backup.database().chunks():
            lines.write(chunk)
        lines.seek(0)
        counts = table_copy.copy_in(session.connection(), lines)
    if counts != index.tables:
        raise BackupError("tables", "the backup's database has other rows than its index says")


def _check_chain(session: Session, index: Index, told: Checkpoint | None) -> None:
    """Refuse a backup whose events were changed, or are others than the channel was told of."""
    outside = {told.count: told.head} if told and 0 < told.count <= index.count else {}
    try:
        found = check(audit.rows(session), outside)
    except AuditError as error:
        raise BackupError("audit", f"the backup's audit chain does not hold: {error.message}") from None
    if (found.count, found.head) != (index.count, index.head):
        raise BackupError("audit", "the backup's audit chain ends otherwise than its index says")
