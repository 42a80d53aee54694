"""A register whose sites all have different levels, and a simulation of one more revision against all of them."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from patchline.patches import documents
from patchline.patches.baselines import baseline_list
from patchline.patches.errors import ManifestError
from patchline.patches.fields import Fields
from patchline.patches.manifest import read_state
from patchline.releaser.database import Database, sqlite_url
from patchline.releaser.fleet import simulations
from patchline.releaser.register import opened
from patchline.releaser.settings import FILE
from patchline.releaser.table_copy import unguarded
from patchline.releaser.tables.catalogue import Baseline, Container, Product
from patchline.releaser.tables.customers import TIERS, Customer, Site
from patchline.releaser.tables.fleet import Applied, SiteState
from patchline.releaser.tables.hotfixes import Hotfix, Revision
from patchline.releaser.tables.people import Person, PersonRole, Role

_NOW = datetime(2026, 11, 23, tzinfo=UTC)
_FILES, _HOTFIXES, _PATHS = 5_000, 60, 20
_NEW = "HF-2026-9000"
_BY = {"added": _NOW, "added_by": "ada"}


def prepare(folder: Path, customers: int, sites: int) -> None:
    """Make a home with so many customers, each with so many sites, each with a level of its own."""
    folder.mkdir(parents=True)
    (folder / FILE).touch()
    database = Database(sqlite_url(folder / "register.db"))
    database.upgrade()
    with database.write() as session:
        session.add(Person(id="ada", name="Ada", added=_NOW, roles=[PersonRole(role=Role.ENGINEER)]))
        session.add(Product(id="shop", name="Shop", added=_NOW))
        session.flush()
        _baseline(session)
        with unguarded(session.connection(), []):  # They come in as if they had been through their lives.
            for number in range(1, _HOTFIXES + 1):
                _revision(session, number, f"HF-2026-{number:04}", "published", _requires(number))
            needed = [f"HF-2026-{number:04}" for number in (1, 8, 21)]
            _revision(session, _HOTFIXES + 1, _NEW, "built", needed)
        _fleet(session, customers, sites)
    database.close()


def _baseline(session: Session) -> None:
    states = {_path(number): read_state(Fields(_file(number, 0), "file", ManifestError)) for number in range(_FILES)}
    listed = baseline_list("shop", "1.0", {"app": states})
    session.add(Container(id=1, sha256=documents.digest(listed), entries=_FILES))
    session.flush()
    digest = documents.digest(listed)
    values = {"product": "shop", "label": "1.0", "kind": "artefacts", "source": "made", "container": 1}
    session.add(Baseline(**values, files=listed, files_sha256=digest, **_BY))


def _requires(number: int) -> list[str]:
    """Every fourth hotfix requires the one before it."""
    return [f"HF-2026-{number - 1:04}"] if number % 4 == 0 else []


def _path(number: int) -> str:
    return f"lib/module-{number % 50}/file-{number}.py"


def _file(number: int, version: int) -> dict[str, Any]:
    return {"type": "file", "sha256": f"{number:056x}{version:08x}", "size": 100 + version, "executable": False}


def _revision(session: Session, number: int, identifier: str, state: str, requires: list[str]) -> None:
    first = number * _PATHS
    fix = f"BUG-{number}"
    relations: dict[str, list[Any]] = {name: [] for name in ("conflicts", "supersedes", "includes", "merges")}
    relations["requires"] = [{"hotfix": other, "revision": 1, "manifest": None} for other in requires]
    files = [
        {"root": "app", "path": _path(one), "pre": [_file(one, 0)], "post": _file(one, number), "class": "code",
         "optional": False, "fixes": [fix]}
        for one in range(first - 1, first + _PATHS)  # The last file of one is the first of the next: all meet.
    ]  # fmt: skip
    commits = {name: letter * 40 for name, letter in (("base_commit", "a"), ("head_commit", "b"))}
    commits |= {name: letter * 40 for name, letter in (("base_tree", "c"), ("head_tree", "d"))}
    origin = {"kind": "git", "repository": "shop", "base_tag": "1.0", "commits": ["b" * 40], **commits}
    manifest = documents.encode(
        {
            "format": 1, "hotfix": identifier, "revision": 1, "kind": "one-off", "severity": "moderate",
            "title": f"Mend {fix}", "min_client": "1.0", "critical": [],
            "target": {"product": "shop", "baselines": ["1.0"], "platforms": ["linux"], "requires_products": []},
            "fixes": [{"id": fix, "title": f"Mend {fix}", "coverage": "full", "cve": []}],
            "relations": relations, "provenance": origin, "contributors": ["ada"],
            "files": sorted(files, key=lambda item: str(item["path"])), "scripts": [], "steps": [], "checks": [],
            "guidance": ["none"], "database": [],
        }
    )  # fmt: skip
    given = {"product": "shop", "baseline": "1.0", "kind": "one-off", "severity": "moderate", "title": fix}
    session.add(Hotfix(id=identifier, **given, fixes=[fix], customers=None, legacy=False, **_BY))
    session.flush()
    digest = documents.digest(manifest)
    bytes_ = {"manifest_sha256": digest, "manifest": manifest, "container_sha256": digest, "size": 1}
    session.add(Revision(id=number, hotfix=identifier, number=1, state=state, **bytes_, legacy=False, **_BY))
    session.flush()


def _fleet(session: Session, customers: int, sites: int) -> None:
    choice = random.Random(1)
    session.execute(
        insert(Customer),
        [{"id": f"c{one}", "title": f"C {one}", "alias": f"c{one}", "tier": TIERS[one % 3], "version": 1, **_BY}
         for one in range(customers)],
    )  # fmt: skip
    rows: dict[type, list[dict[str, Any]]] = {Site: [], SiteState: [], Applied: []}
    for number in range(1, customers * sites + 1):
        customer, name = f"c{(number - 1) // sites}", f"s{number}"
        rows[Site].append(
            {"id": number, "name": name, "customer": customer, "product": "shop", "title": name, "alias": name,
             "environment": "production", "connectivity": "online", "version": 1, **_BY}
        )  # fmt: skip
        rows[SiteState].append(
            {"site": number, "customer": customer, "product": "shop", "baseline": "1.0", "evidence": "told",
             "as_of": _NOW, "unfinished": False, "drift": 0, "unknown": 0, "contested": False}
        )  # fmt: skip
        chosen = set(choice.sample(range(1, _HOTFIXES + 1), 20))
        chosen |= {one - 1 for one in chosen if one % 4 == 0}
        rows[Applied] += [{"site": number, "revision": one, "at": _NOW, "pending": False} for one in sorted(chosen)]
    for table, values in rows.items():
        session.execute(insert(table), values)


def simulate(folder: str) -> None:
    """Try the new revision on every level, and keep the answer."""
    with opened(Path(folder)) as register:
        made = simulations.run(register, _NEW, "ada", datetime.now(UTC))
    assert made.counts.keys() <= {"takes", "needs-first", "refuses"}


WORK: dict[str, Callable[..., None]] = {"simulate-levels": simulate}
