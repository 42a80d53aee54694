"""Saving a register while it runs: all rows as of one moment, then the files of home, bundles and channel.

The rows come first: a file that they name is written before they are, and never changed after. What is kept in an
object store is not copied. Private keys that are not the server's are never taken.
"""

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from patchline.patches import sealed
from patchline.patches.archive import CHUNK, TarWriter
from patchline.patches.errors import StateError
from patchline.patches.files import open_regular, os_failure, write_atomically
from patchline.patches.progress import watch
from patchline.patches.statements import time_text
from patchline.releaser import audit, server_keys, table_copy
from patchline.releaser.access import web_key
from patchline.releaser.backup_form import (
    BUNDLES,
    CHANNEL,
    DATABASE,
    DIGESTS,
    HOME,
    INDEX,
    Index,
    SavedFile,
    check_name,
    member_name,
)
from patchline.releaser.database import schema_of
from patchline.releaser.register import Register

_PASSING = (".lock", ".part", ".unfinished")
_OWN_KEYS = {f"{server_keys.FOLDER}/{name}{sealed.ENDING}" for name in (*server_keys.NAMES, *server_keys.ROLES)}
_NOT_HOME = {"bundles", "channel", "register.db", "register.db-wal", "register.db-shm"}


@dataclass(frozen=True)
class Saved:
    """What a backup holds, and what was left out: private keys that are not the server's, links and the like."""

    index: Index
    left_out: tuple[str, ...]


def folder_of(register: Register, place: str) -> Path | None:
    """Return the folder of one of the places, None when it is an object store."""
    named = {HOME: str(register.home), BUNDLES: register.bundles, CHANNEL: register.channel}[place]
    return None if "://" in named else Path(named)


def save(register: Register, out: Path, now: datetime) -> Saved:
    """Write a backup.

    Raises:
        StateError: a file vanished or changed meanwhile; a second try does it.
        RefusedError: there is a file of that name.
    """
    with tempfile.TemporaryFile(dir=out.parent) as rows, write_atomically(out, mode=0o600) as file:
        index = _save_rows(register, rows, now)
        files, left_out = _list(register, Path(out).resolve())
        index = replace(index, files=tuple(saved for saved, _ in files))
        _write(file, index, rows, [path for _, path in files])
    return Saved(index, tuple(left_out))


def _save_rows(register: Register, out: BinaryIO, now: datetime) -> Index:
    with register.snapshot() as session:
        schema = schema_of(session.connection()) or ""
        count, head = audit.head(session)
        tables = table_copy.copy_out(session.connection(), out)
    elsewhere = {
        place: named for place, named in ((BUNDLES, register.bundles), (CHANNEL, register.channel)) if "://" in named
    }
    return Index(time_text(now), schema, count, head, tables, (), elsewhere)


def _list(register: Register, out: Path) -> tuple[list[tuple[SavedFile, Path]], list[str]]:
    found: list[tuple[SavedFile, Path]] = []
    left_out: list[str] = []
    own = [folder.resolve() for place in (BUNDLES, CHANNEL) if (folder := folder_of(register, place))]
    for place in (HOME, BUNDLES, CHANNEL):
        folder = folder_of(register, place)
        if folder is None or not folder.is_dir():
            continue
        for path in _files(folder, skipped=own if place == HOME else []):
            name = path.relative_to(folder).as_posix()
            if path.resolve() == out or (place == HOME and name in _NOT_HOME) or name.endswith(_PASSING):
                continue
            if reason := _not_taken(path, name, place):
                left_out.append(f"{place}/{name}: {reason}")
                continue
            found.append((SavedFile(place, check_name(name), path.lstat().st_size), path))
    return found, left_out


def _files(folder: Path, skipped: list[Path]) -> Iterator[Path]:
    for top, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if (Path(top) / name).resolve() not in skipped)
        links = [name for name in folders if (Path(top) / name).is_symlink()]
        yield from (Path(top) / name for name in sorted([*files, *links]))


def _not_taken(path: Path, name: str, place: str) -> str | None:
    """Return why a file is left out, None when it is not."""
    if not stat.S_ISREG(path.lstat().st_mode):
        return "no regular file"
    if (place, name) == (HOME, web_key.FILE):
        return "made anew where it is missing; everybody signs in again"
    if name.endswith(sealed.ENDING) and not (place == HOME and name in _OWN_KEYS):
        return "a private key that is not the server's"
    return None


def _write(file: BinaryIO, index: Index, rows: BinaryIO, paths: Iterable[Path]) -> None:
    writer, digests = TarWriter(file), []
    data = index.as_bytes()
    writer.add(INDEX, len(data), [data])
    size = rows.tell()
    rows.seek(0)
    watch().tell("writing the backup", size + sum(saved.size for saved in index.files))
    digests.append(_add(writer, DATABASE, size, rows))
    for number, (saved, path) in enumerate(zip(index.files, paths, strict=True)):
        try:
            with open_regular(path) as source:
                if os.fstat(source.fileno()).st_size != saved.size:
                    raise StateError("changed-meanwhile", f"{path} changed while the backup was written")
                digests.append(_add(writer, member_name(number), saved.size, source))
        except OSError as error:
            raise os_failure(error) from None
    told = "".join(f"{digest}\n" for digest in digests).encode()
    writer.add(DIGESTS, len(told), [told])
    writer.close()


def _add(writer: TarWriter, name: str, size: int, source: BinaryIO) -> str:
    hasher = hashlib.sha256()

    def chunks() -> Iterator[bytes]:
        left = size
        while left and (chunk := source.read(min(CHUNK, left))):
            left -= len(chunk)
            hasher.update(chunk)
            watch().advance(len(chunk))
            yield chunk

    writer.add(name, size, chunks())
    return hasher.hexdigest()
