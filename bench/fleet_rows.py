"""A register with a large fleet, written in bulk: what the questions are measured on, and how plans are tested.

Everything follows from a seed. Hotfixes of a baseline stand in an order; a site has a random part of those up to some
point, so that old ones are nearly everywhere and new ones nearly nowhere.
"""

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, text

from patchline.patches.documents import digest
from patchline.releaser.database import Database
from patchline.releaser.table_copy import unguarded
from patchline.releaser.tables.base import Base
from patchline.releaser.tables.catalogue import Affected, Baseline, Container, Issue, Product
from patchline.releaser.tables.customers import Customer, Entitlement, Ring, Site
from patchline.releaser.tables.fleet import Applied, Download, SiteState
from patchline.releaser.tables.hotfixes import Hotfix, Revision, RevisionCve, RevisionFix
from patchline.releaser.tables.people import Person

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
BASELINES = ("1.0", "2.0")
TIERS = ("gold", "silver", "bronze")
_BY = {"added": NOW, "added_by": "ada"}
_EVIDENCE = (*["signed-online"] * 6, *["signed-by-hand"] * 3, "told-with-code", "told")
_BATCH = 50_000
_PATIENCE = 50
_UNSEEN = """SELECT count(*) FROM pg_class WHERE relallvisible < relpages
AND relname IN ('site', 'site_state', 'applied', 'download')"""


@dataclass(frozen=True)
class Extent:
    """How large the fleet is.

    Attributes:
        hotfixes: for each of the two baselines of each product.
        applied: at each site, about.
        silent: one site of so many has never reported; another has an unknown baseline, another is retired.
    """

    sites: int
    customers: int
    products: int = 20
    hotfixes: int = 50
    applied: int = 25
    silent: int = 40


def fill(database: Database, extent: Extent, seed: int = 1) -> None:
    """Put a fleet into an empty register."""
    source = random.Random(seed)
    with database.write() as session:
        connection = session.connection()
        with _unwatched(connection):
            _catalogue(connection, extent, source)
            _customers(connection, extent)
            _sites(connection, extent, source)
    settle(database)


@contextmanager
def _unwatched(connection: Connection) -> Iterator[None]:
    """Write rows that come from us alone: on PostgreSQL without looking up what each refers to."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        yield
        return
    with unguarded(connection, []):
        yield


def settle(database: Database) -> None:
    """Let the database look at what it has, as it does by itself after a while."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if database.is_sqlite:
            connection.exec_driver_sql("ANALYZE")
            return
        for _ in range(_PATIENCE):
            connection.exec_driver_sql("VACUUM (ANALYZE)")
            if not connection.exec_driver_sql(_UNSEEN).scalar():
                return
            time.sleep(0.2)  # PostgreSQL's own upkeep looks at the same tables, and so keeps them from being settled.


def revision_of(extent: Extent, product: int, baseline: int, ordinal: int) -> int:
    """Return the id of the revision of a hotfix, by its place in the order of its baseline."""
    return (product * len(BASELINES) + baseline) * extent.hotfixes + ordinal + 1


def _catalogue(connection: Connection, extent: Extent, source: random.Random) -> None:
    places = [(product, baseline) for product in range(extent.products) for baseline in range(len(BASELINES))]
    _add(connection, Person, [{"id": "ada", "name": "Ada", "added": NOW, "version": 1}])
    names = [f"product-{number:02}" for number in range(extent.products)]
    _add(connection, Product, [{"id": name, "name": name, "added": NOW, "version": 1} for name in names])
    _add(connection, Ring, [{"product": name, "name": "early", "ordinal": 1} for name in names])
    pairs = list(enumerate(places, 1))
    _add(connection, Container, [{"id": at, "sha256": digest(b"%d" % at), "entries": 0} for at, _ in pairs])
    same = {"kind": "git", "commit_id": "a" * 40, "files": b"", "files_sha256": "0" * 64, **_BY}
    _add(
        connection,
        Baseline,
        [{**same, "product": names[p], "label": BASELINES[b], "container": at} for at, (p, b) in pairs],
    )
    _hotfixes(connection, extent, places)
    _fixes(connection, extent, source)


def _hotfixes(connection: Connection, extent: Extent, places: Sequence[tuple[int, int]]) -> None:
    same = {"kind": "one-off", "severity": "important", "fixes": [], "customers": None, "version": 1, "legacy": False}
    hotfixes, revisions = [], []
    for product, baseline in places:
        for ordinal in range(extent.hotfixes):
            number = revision_of(extent, product, baseline, ordinal)
            where = {"product": f"product-{product:02}", "baseline": BASELINES[baseline]}
            hotfixes.append({**same, **_BY, **where, "id": f"HF-2026-{number:04}", "title": f"Mend {number}"})
            state = "recalled" if number % 200 == 0 else "published"
            revision = {"id": number, "hotfix": f"HF-2026-{number:04}", "number": 1, "state": state}
            revisions.append({**revision, **_BY, "manifest_sha256": f"{number:064x}", "version": 1, "published": NOW})
    _add(connection, Hotfix, hotfixes)
    _add(connection, Revision, revisions)


def _fixes(connection: Connection, extent: Extent, source: random.Random) -> None:
    """Give every product its issues, each with a hotfix for both baselines; a CVE is in one to three products."""
    fixes, cves, issues, affected = [], [], [], []
    for ordinal in range(extent.hotfixes):
        left, number = list(range(extent.products)), 0
        while left:
            sharing = left[: source.randint(1, 3)]
            left, number = left[len(sharing) :], number + 1
            cve = f"CVE-2026-{ordinal:02}{number:03}"
            for product in sharing:
                issue = f"BUG-{product:02}{ordinal:03}"
                where = {"issue": issue, "product": f"product-{product:02}"}
                issues.append(
                    {"id": issue, "product": where["product"], "title": issue, "severity": "important", "cve": [cve]}
                    | {"workaround": "Switch it off.", "version": 1, **_BY}
                )
                for baseline, label in enumerate(BASELINES):
                    revision = revision_of(extent, product, baseline, ordinal)
                    fixes.append({"revision": revision, "fix": issue, "coverage": "full"})
                    cves.append({"revision": revision, "fix": issue, "cve": cve})
                    affected.append({**where, "baseline": label, "status": "affected", "reason": None})
    _add(connection, Issue, issues)
    _add(connection, Affected, affected)
    _add(connection, RevisionFix, fixes)
    _add(connection, RevisionCve, cves)


def _customers(connection: Connection, extent: Extent) -> None:
    made = [(number, f"c-{number:05}") for number in range(extent.customers)]
    _add(
        connection,
        Customer,
        [
            {"id": name, "title": name, "alias": f"alias-{name}", "tier": TIERS[number % 3], "version": 1, **_BY}
            for number, name in made
        ],
    )


def _sites(connection: Connection, extent: Extent, source: random.Random) -> None:
    sites, states, applied, downloads, entitled = [], [], [], [], set()
    for number in range(1, extent.sites + 1):
        customer, product = f"c-{source.randrange(extent.customers):05}", source.randrange(extent.products)
        entitled.add((customer, product))
        sites.append(_site(number, customer, product, extent))
        baseline = source.randrange(len(BASELINES))
        state = _state(number, customer, product, baseline, extent, source)
        states.append(state)
        if state["baseline"] is not None:
            top = source.randint(min(20, extent.hotfixes), extent.hotfixes)
            chosen = source.sample(range(top), min(extent.applied, top))
            first = revision_of(extent, product, baseline, 0)
            applied += [(number, first + one, NOW - timedelta(days=top - one), one % 50 == 7) for one in sorted(chosen)]
            downloads.append((customer, number, first + source.randrange(extent.hotfixes)))
    _add(connection, Site, sites)
    _add(connection, SiteState, states)
    _load(connection, Applied.__table__, ("site", "revision", "at", "pending"), applied)
    same = {"at": NOW, "how": "online", "outcome": "done"}
    _add(connection, Download, [{"customer": c, "site": s, "revision": r, **same} for c, s, r in downloads])
    same = {"line": "*", "since": NOW - timedelta(days=400), **_BY}
    _add(
        connection,
        Entitlement,
        [{"customer": name, "product": f"product-{product:02}", **same} for name, product in sorted(entitled)],
    )


def _site(number: int, customer: str, product: int, extent: Extent) -> dict[str, Any]:
    name = f"s-{number:06}"
    return {
        "id": number,
        "name": name,
        "customer": customer,
        "product": f"product-{product:02}",
        "title": name,
        "alias": f"alias-{name}",
        "environment": "production",
        "connectivity": "online",
        "ring": "early" if number % 20 == 0 else None,
        "retired": NOW if number % extent.silent == 2 else None,
        "version": 1,
        **_BY,
    }


def _state(
    number: int, customer: str, product: int, baseline: int, extent: Extent, source: random.Random
) -> dict[str, Any]:
    silent = number % extent.silent
    return {
        "site": number,
        "customer": customer,
        "product": f"product-{product:02}",
        "baseline": None if silent in (0, 1) else BASELINES[baseline],
        "label": f"{BASELINES[baseline]}+{number % 97}",
        "evidence": "never-reported" if silent == 0 else source.choice(_EVIDENCE),
        "as_of": None if silent == 0 else NOW - timedelta(hours=source.randrange(5_000)),
        "unfinished": False,
        "drift": 0,
        "unknown": 0,
        "contested": number % 500 == 3,
    }


def _add(connection: Connection, table: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    for start in range(0, len(rows), _BATCH):
        connection.execute(insert(table), rows[start : start + _BATCH])


def _load(connection: Connection, table: Any, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Write many rows by the shortest way that the driver has."""
    driver = connection.connection.driver_connection
    names = ", ".join(columns)
    if connection.dialect.name == "sqlite":
        said = f"INSERT INTO {table.name} ({names}) VALUES ({', '.join('?' * len(columns))})"
        driver.executemany(said, (_plain(row) for row in rows))  # type: ignore[union-attr]
        return
    with driver.cursor().copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:  # type: ignore[union-attr]
        for row in rows:
            copy.write_row(row)


def _plain(row: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(f"{value:%Y-%m-%d %H:%M:%S.%f}" if isinstance(value, datetime) else value for value in row)
