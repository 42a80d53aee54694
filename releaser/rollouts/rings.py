"""Rings: groups of sites of a product that get hotfixes at the same stage. They order delivery; they protect nothing.

With its first ring a product's hotfixes go out in stages: what is published from then on reaches nobody before its
rollout does (`releaser.rollouts.reaching`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from patchline.patches.errors import NotFoundError, RefusedError, UsageError
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change
from patchline.releaser.tables.catalogue import Product
from patchline.releaser.tables.customers import Ring, Site
from patchline.releaser.tables.people import Role
from patchline.releaser.tables.rollouts import Staged

_NAME = re.compile(r"(?!everyone\Z)[a-z0-9][a-z0-9-]{0,63}")


@dataclass(frozen=True)
class Listed:
    """A ring with the number of sites in it that are not retired."""

    product: str
    name: str
    ordinal: int
    sites: int


def add(change: Change, product: str, name: str, ordinal: int | None = None) -> Ring:
    """Add a ring to a product.

    Args:
        change: under way.
        product: whose.
        name: of the ring.
        ordinal: the lowest goes first; None for after all that there are.

    Raises:
        RefusedError: who acts does not manage releases, or there is such a ring already.
        NotFoundError: there is no such product.
        UsageError: the name is none.
    """
    require_role(change.session, change.by, Role.RELEASE_MANAGER)
    if change.session.get(Product, product, with_for_update=True) is None:
        raise NotFoundError("product", f"the register knows no product {product!r}")
    if not _NAME.fullmatch(name):
        raise UsageError("ring", f"{name!r} is no name of a ring")
    there = {ring.name: ring.ordinal for ring in change.session.scalars(select(Ring).where(Ring.product == product))}
    number = max(there.values(), default=0) + 1 if ordinal is None else ordinal
    if name in there or number in there.values():
        raise RefusedError("ring-exists", f"{product} has a ring {name} or one with number {number} already")
    made = Ring(product=product, name=name, ordinal=number)
    change.session.add(made)
    if change.session.get(Staged, product) is None:
        change.session.add(Staged(product=product, since=change.now))
    change.session.flush()
    change.record("ring.add", f"{product}/{name}", {"ordinal": number})
    return made


def put(change: Change, product: str, name: str | None, sites: Sequence[str]) -> list[str]:
    """Put sites into a ring, or with None out of theirs; return the names of those that moved.

    Raises:
        RefusedError: who acts does not manage releases.
        NotFoundError: there is no such ring, or a site is unknown or of another product.
    """
    require_role(change.session, change.by, Role.RELEASE_MANAGER)
    if name is not None and change.session.get(Ring, (product, name)) is None:
        raise NotFoundError("ring", f"{product} has no ring {name!r}")
    found = named_sites(change.session, product, sites)
    moved = [site for site in found if site.ring != name]
    for site in moved:
        site.ring = name
    change.session.flush()
    if moved:
        names = [site.name for site in moved]
        change.record("ring.put", f"{product}/{name or 'none'}", {"sites": names})
    return [site.name for site in moved]


def named_sites(session: Session, product: str, names: Sequence[str]) -> list[Site]:
    """Return sites of a product by their names.

    Raises:
        NotFoundError: one is unknown, retired or of another product.
    """
    wanted = list(dict.fromkeys(names))
    found: dict[str, Site] = {}
    for first in range(0, len(wanted), 1000):
        query = select(Site).where(
            Site.name.in_(wanted[first : first + 1000]), Site.product == product, Site.retired.is_(None)
        )
        found |= {site.name: site for site in session.scalars(query)}
    if missing := [name for name in wanted if name not in found]:
        raise NotFoundError("site", f"{product} has no site {', '.join(missing[:10])}")
    return [found[name] for name in wanted]


def listed(session: Session, product: str | None = None) -> list[Listed]:
    """Return the rings of one product or of all, in their order."""
    here = func.count(case((Site.retired.is_(None), Site.id)))
    query = (
        select(Ring.product, Ring.name, Ring.ordinal, here)
        .outerjoin(Site, (Site.product == Ring.product) & (Site.ring == Ring.name))
        .group_by(Ring.product, Ring.name, Ring.ordinal)
        .order_by(Ring.product, Ring.ordinal)
    )
    if product is not None:
        query = query.where(Ring.product == product)
    return [Listed(*row) for row in session.execute(query)]
