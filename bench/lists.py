"""L1: a page of the list of hotfixes, and one looked at from close, in registers a factor ten apart."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import event, insert
from sqlalchemy.orm import Session

from bench.figures import Figure
from bench.timing import exponent
from patchline.releaser import overview
from patchline.releaser.database import Database, sqlite_url
from patchline.releaser.overview import Filter
from patchline.releaser.states import State
from patchline.releaser.tables.catalogue import Baseline, Container, Product
from patchline.releaser.tables.hotfixes import Hotfix, Revision, RevisionFix
from patchline.releaser.tables.people import Person

NOW = datetime(2026, 11, 22, tzinfo=UTC)
_BY = {"added": NOW, "added_by": "ada"}


def run(folder: Path, sizes: tuple[int, int], rounds: int) -> Iterator[Figure]:
    """Ask for pages of 50, by state and fix, and by text, among few and among many hotfixes."""
    spent = []
    for size in sizes:
        (folder / str(size)).mkdir(parents=True)
        database = Database(sqlite_url(folder / str(size) / "register.db"))
        database.upgrade()
        with database.write() as session:
            fill(session, size)
        for name, wanted in (("all", Filter()), ("by state and fix", Filter(states=("published",), fix="BUG-7"))):
            seconds, statements = asked(database, wanted, rounds)
            what = f"a page of 50 among {size:,} hotfixes, {name}"
            yield Figure("L1", what, seconds * 1000, "ms", details={"statements": statements})
        spent.append(seconds)
        database.close()
    yield Figure(
        "L1", f"growth of a page, {sizes[1] // sizes[0]} times the hotfixes", exponent(*spent, sizes[1] / sizes[0]), ""
    )


def asked(database: Database, wanted: Filter, rounds: int) -> tuple[float, int]:
    """Return the seconds that the fastest page took, and how many statements each takes."""
    sent: list[str] = []

    def counted(_: object, __: object, statement: str, *___: object) -> None:
        sent.append(statement)

    event.listen(database.engine, "before_cursor_execute", counted)
    fastest = min(_timed(lambda: _page(database, wanted)) for _ in range(max(rounds, 3)))
    event.remove(database.engine, "before_cursor_execute", counted)
    return fastest, len(sent) // max(rounds, 3)


def _page(database: Database, wanted: Filter) -> None:
    with database.read() as session:
        overview.listed(session, wanted)


def _timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def fill(session: Session, size: int) -> None:
    """Put hotfixes into an empty register; one fix each, of a hundred."""
    session.add_all([Person(id="ada", name="Ada", added=NOW), Product(id="demo", name="Demo", added=NOW)])
    session.add(Container(id=1, sha256="0" * 64, entries=0))
    session.flush()
    same = {"product": "demo", "kind": "git", "commit_id": "a" * 40, "files": b"", "files_sha256": "0" * 64}
    session.add(Baseline(label="1.0", container=1, **same, **_BY))
    session.flush()
    ids = [f"HF-2026-{number:05}" for number in range(size)]
    hotfix = {"product": "demo", "baseline": "1.0", "kind": "one-off", "severity": "moderate", "customers": None}
    hotfix |= {"campaign": None, "legacy": True, "version": 1, "added_by": "ada"}
    moments = [NOW + timedelta(seconds=number) for number in range(size)]
    session.execute(
        insert(Hotfix),
        [
            {**hotfix, "id": id_, "title": f"Mend {id_}", "fixes": [], "added": moment}
            for id_, moment in zip(ids, moments, strict=True)
        ],
    )
    revision = {"number": 1, "state": State.PUBLISHED, "legacy": True, "version": 1, **_BY}
    session.execute(insert(Revision), [{**revision, "id": n + 1, "hotfix": id_} for n, id_ in enumerate(ids)])
    fixes = [{"revision": n + 1, "fix": f"BUG-{n % 100}", "coverage": "full"} for n in range(size)]
    session.execute(insert(RevisionFix), fixes)
