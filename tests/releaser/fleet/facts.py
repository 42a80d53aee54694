"""What the register says of a site, and whether that follows from the facts."""

from typing import Any

from sqlalchemy import select

from patchline.releaser import caches
from patchline.releaser.register import Register
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import SiteState


def state(register: Register, name: str = "acme-main") -> Any:
    """Return a site's state."""
    with register.read() as session:
        return session.execute(
            select(SiteState.__table__).join(Site, Site.id == SiteState.site).where(Site.name == name)
        ).one()


def check_caches(register: Register) -> None:
    """Compare all caches with the facts."""
    with register.read() as session:
        assert list(caches.differences(session)) == []
