"""The index of what lies in baselines, on its way into the register.

What lies in an archive is a fact about its bytes: it is stored under the archive's digest, in short transactions of its
own, before the baseline is. An archive that any baseline held before is not even opened, an addition that was cut off
goes on where it was, and other people's changes wait for no index.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from patchline.patches.manifest import File
from patchline.patches.progress import progress
from patchline.releaser.archive_index import (
    BOUNDS,
    ArchiveReader,
    Bounds,
    Entry,
    Listed,
    is_of_other_kind,
    looks_like_archive,
    of_other_kind,
)
from patchline.releaser.baseline_sources import BaselineSource, Place
from patchline.releaser.components import LARGEST, component_of, evidence, file_name, stem_of
from patchline.releaser.database import Database
from patchline.releaser.tables.catalogue import Container, Content

_BATCH = 20_000
"""Rows of one transaction."""
_LOCK = 7_210_452


@dataclass(frozen=True)
class Indexed:
    """What lies in a baseline directly; what lies in its archives is in the register already.

    Attributes:
        opened: how many archives were looked into for the first time.
    """

    entries: list[Entry]
    opened: int


def index(database: Database, sources: Mapping[str, BaselineSource], bounds: Bounds = BOUNDS) -> Indexed:
    """Index the archives of a baseline that the register does not know yet.

    Args:
        database: the register's.
        sources: by what stands before the roots in the paths of the index.
        bounds: how far to look.

    Raises:
        PatchlineError: a source cannot be read, or the database does not take it.
    """
    with database.read() as session:
        known = set(session.scalars(select(Container.sha256)))
    writer = _Writer(database, known)
    entries: list[Entry] = []
    for prefix, source in sources.items():
        entries += _index_source(prefix, source, writer, bounds)
    writer.flush()
    return Indexed(entries, writer.count)


def _index_source(prefix: str, source: BaselineSource, writer: "_Writer", bounds: Bounds) -> list[Entry]:
    files = {
        (root, path): state
        for root, states in source.states.items()
        for path, state in states.items()
        if isinstance(state, File)
    }
    archives = {place: state for place, state in files.items() if looks_like_archive(place[1], source.start(place))}
    for place, state in files.items():
        if place not in archives and is_of_other_kind(place[1]) and state.sha256 not in writer.known:
            writer.take(of_other_kind(state.sha256))
    new = {state.sha256: place for place, state in archives.items() if state.sha256 not in writer.known}
    with progress("indexing", sum(files[place].size for place in new.values())) as advance:
        reader = ArchiveReader(writer.known.__contains__, writer.take, advance, bounds)
        for place, file in source.opened(new.values()):
            reader.read(file, files[place].sha256)
    told = [place for place, state in files.items() if evidence(place[1]) and state.size <= LARGEST]
    components = {place: component_of(place[1], file.read()) for place, file in source.opened(told)}
    return [
        Entry(_path(prefix, place), state.sha256, state.size, components.get(place)) for place, state in files.items()
    ]


def _path(prefix: str, place: Place) -> str:
    return f"{prefix}{place[0]}/{place[1]}"


class _Writer:
    """Collects archives, and stores them some at a time."""

    def __init__(self, database: Database, known: set[str]) -> None:
        self.known = known
        self.count = 0
        self._database = database
        self._waiting: list[Listed] = []
        self._rows = 0

    def take(self, listed: Listed) -> None:
        """Take an archive that was read."""
        self.known.add(listed.sha256)
        self.count += 1
        self._waiting.append(listed)
        self._rows += len(listed.entries) + 1
        if self._rows >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Store what waits, but for what somebody else stored meanwhile."""
        if not self._waiting:
            return
        with self._database.write() as session:
            store(session, self._waiting)
        self._waiting, self._rows = [], 0


def store(session: Session, containers: Iterable[Listed]) -> dict[str, int]:
    """Store containers that are not there yet; return the number of each that was stored, by digest."""
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    listed = {one.sha256: one for one in containers}
    there = session.scalars(select(Container.sha256).where(Container.sha256.in_(listed)))
    for sha256 in list(there):
        del listed[sha256]
    first = (session.scalar(select(func.max(Container.id))) or 0) + 1
    ids = {sha256: number for number, sha256 in enumerate(listed, first)}
    if not ids:
        return ids
    connection.execute(insert(Container), [_container(ids[one.sha256], one) for one in listed.values()])
    rows = [row for one in listed.values() for row in _rows(ids[one.sha256], one.entries)]
    if rows:
        connection.execute(insert(Content), rows)
    return ids


def _container(number: int, listed: Listed) -> dict[str, object]:
    code, told = listed.finding or (None, None)
    return {"id": number, "sha256": listed.sha256, "entries": len(listed.entries), "finding": code, "told": told}


def _rows(container: int, entries: list[Entry]) -> Iterator[dict[str, object]]:
    for number, entry in enumerate(entries):
        name = file_name(entry.path)
        component = entry.component
        yield {
            "container": container,
            "number": number,
            "path": entry.path,
            "name": name,
            "stem": stem_of(name),
            "sha256": entry.sha256,
            "size": entry.size,
            "component": component.url if component else None,
            "component_name": component.name if component else None,
            "component_version": component.version if component else None,
        }
