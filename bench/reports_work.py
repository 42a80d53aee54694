"""A register of sites with keys, and the reports that they make: real signatures, real files, on either database."""

import hashlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Table, insert

from patchline.patches import documents, identifiers
from patchline.patches.envelopes import sign
from patchline.patches.errors import PatchlineError
from patchline.patches.keys import Kind
from patchline.patches.manifest import CLIENT
from patchline.patches.signers import LocalSigner
from patchline.patches.site.report import PAYLOAD_TYPE
from patchline.releaser.database import Database
from patchline.releaser.fleet.reports import ONLINE, receive_all
from patchline.releaser.register import opened
from patchline.releaser.table_copy import unguarded
from patchline.releaser.tables.base import Base
from patchline.releaser.tables.catalogue import Baseline, Container, Product
from patchline.releaser.tables.customers import Customer, Site, SiteKey
from patchline.releaser.tables.fleet import EvidenceGrade, SiteState
from patchline.releaser.tables.hotfixes import Hotfix, Revision
from patchline.releaser.tables.people import Person, PersonRole, Role

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
_HOTFIXES = 60
_IN_FORCE = 20
_HALF = 0x7FFFFFFF00000000000000000000000000000000000000000000000000000000


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def key(site: int) -> LocalSigner:
    """Return the key of a site."""
    return LocalSigner(Kind.P256, (int(_digest(f"key {site}"), 16) % _HALF + 1).to_bytes(32))


def prepare(home: Path, url: str, sites: int) -> None:
    """Make a home with so many sites, each with a confirmed key, and hotfixes that may be in force."""
    home.mkdir(parents=True)
    (home / "settings.toml").write_text(f'database = "{url}"\n')
    database = Database(url)
    database.upgrade()
    by: dict[str, Any] = {"added": NOW, "added_by": "rita"}
    with database.write() as session:
        tables: list[Table] = list(Base.metadata.tables.values())
        with unguarded(session.connection(), tables):
            session.add(Person(id="rita", name="Rita", added=NOW, roles=[PersonRole(role=Role.RELEASE_MANAGER)]))
            session.flush()
            session.add(Product(id="demo", name="Demo", repository=None, added=NOW))
            session.add(Container(id=1, sha256=_digest("1.0"), entries=0))
            session.flush()
            files = {"files": b"{}", "files_sha256": _digest("1.0"), "container": 1}
            session.add(Baseline(product="demo", label="1.0", kind="artefacts", source="a benchmark", **files, **by))
            session.add(Customer(id="acme", title="Acme", alias="C1", tier="gold", **by))
            session.flush()
            _add_hotfixes(session.execute, by)
            _add_sites(session.execute, sites, by)
    database.close()


def _add_hotfixes(execute: Any, by: dict[str, Any]) -> None:
    common = {"product": "demo", "baseline": "1.0", "kind": "one-off", "severity": "moderate", "fixes": []}
    names = [f"HF-2026-{number:04}" for number in range(_HOTFIXES)]
    execute(
        insert(Hotfix), [{"id": name, "title": name, "legacy": False, "version": 1, **common, **by} for name in names]
    )
    rows = [{"hotfix": name, "number": 1, "manifest_sha256": _digest(name), "published": NOW, **by} for name in names]
    execute(insert(Revision), [{"state": "published", "legacy": False, "version": 1, **row} for row in rows])


def _add_sites(execute: Any, sites: int, by: dict[str, Any]) -> None:
    numbers = range(1, sites + 1)
    common = {
        "customer": "acme",
        "product": "demo",
        "environment": "production",
        "connectivity": "online",
        "version": 1,
    }
    rows = [
        {"id": one, "name": f"s{one}", "title": "S", "alias": f"S{one}", "identity": _digest(f"site {one}")[:32]}
        for one in numbers
    ]
    execute(insert(Site), [{**row, **common, **by} for row in rows])
    keys = [(one, key(one).public) for one in numbers]
    values = {"enrolled": NOW, "confirmed": NOW, "confirmed_by": "rita"}
    execute(insert(SiteKey), [{"keyid": one.keyid, "site": site, "pem": one.to_pem(), **values} for site, one in keys])
    nothing = {"evidence": EvidenceGrade.NEVER, "unfinished": False, "drift": 0, "unknown": 0, "contested": False}
    execute(insert(SiteState), [{"site": one, "customer": "acme", "product": "demo", **nothing} for one in numbers])


def reports(sites: int, count: int) -> Iterator[bytes]:
    """Yield so many reports of the sites in turn; every other one of a site tells of one hotfix more."""
    for number in range(count):
        site, turn = number % sites + 1, number // sites + 1
        names = [f"HF-2026-{one:04}" for one in range(_IN_FORCE + turn // 2)]
        level = _digest("+".join(names))
        document = {
            "format": 1,
            "audience": "vendor",
            "product": "demo",
            "site": _digest(f"site {site}")[:32],
            "epoch": _digest(f"epoch {site}")[:32],
            "counter": turn,
            "time": (NOW + timedelta(minutes=turn)).isoformat(),
            "client": CLIENT,
            "baseline": "1.0",
            "level": {"label": "1.0", "digest": level, "code": identifiers.level_code(level)},
            "hotfixes": [_in_force(name) for name in names],
            "unfinished": False,
            "checked": 1000,
            "drift": [],
            "policy": 1,
            "recalls": 1,
            "checkpoint": None,
        }
        envelope = sign(documents.encode(document), PAYLOAD_TYPE, key(site))
        yield documents.encode(envelope.as_document()) + b"\n"


def _in_force(name: str) -> dict[str, Any]:
    plain: dict[str, Any] = {"hotfix": name, "revision": 1, "manifest": _digest(name), "applied": NOW.isoformat()}
    return {**plain, "preserved": 0, "kept": 0, "lost": [], "unratified": False, "pending": False}


def arrive(home: Path, brought: list[bytes], together: int) -> float:
    """Take reports as they come online, so many waiting for one transaction; return the seconds that it took."""
    now = NOW + timedelta(days=1)
    with opened(home) as register:
        start = time.perf_counter()
        for place in range(0, len(brought), together):
            waiting = [("", data) for data in brought[place : place + together]]
            taken = [one for _, one in receive_all(register, waiting, "rita", now, via=ONLINE)]
            if any(isinstance(one, PatchlineError) for one in taken):
                raise RuntimeError("a good report was refused")
        return time.perf_counter() - start
