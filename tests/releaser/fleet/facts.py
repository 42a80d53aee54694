"""What the register says of a site, and whether that follows from the facts."""

from hashlib import sha256
from typing import Any, cast

from sqlalchemy import Table, select

from patchline.releaser.fleet.comparing import site_differences
from patchline.releaser.register import Register
from patchline.releaser.table_copy import unguarded
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import SiteState
from patchline.releaser.tables.hotfixes import Hotfix, Revision
from tests.registers import NOW


def state(register: Register, name: str = "acme-main") -> Any:
    """Return a site's state."""
    with register.read() as session:
        return session.execute(
            select(SiteState.__table__).join(Site, Site.id == SiteState.site).where(Site.name == name)
        ).one()


def check_caches(register: Register) -> None:
    """Compare what is cached of sites with the facts."""
    with register.read() as session:
        assert list(site_differences(session)) == []


def revisions(register: Register, *labels: str, product: str = "demo", baseline: str = "1.0") -> None:
    """Add revisions that went out, such as `HF-2026-0001-r1`, of which nothing but the name and a digest counts."""
    with register.database.write() as session:
        for label in labels:
            hotfix, _, number = label.rpartition("-r")
            values: dict[str, Any] = {"product": product, "baseline": baseline, "kind": "one-off", "title": hotfix}
            values |= {"severity": "moderate", "fixes": [], "customers": None}
            session.add(Hotfix(id=hotfix, **values, added=NOW, added_by="rita"))
            session.flush()
            row = {"hotfix": hotfix, "number": int(number), "state": "published", "published": NOW}
            digest = sha256(label.encode()).hexdigest()
            with unguarded(session.connection(), [cast(Table, Revision.__table__)]):
                session.add(Revision(**row, manifest_sha256=digest, added=NOW, added_by="rita"))
                session.flush()
