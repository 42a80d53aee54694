"""Sites: where a product runs at a customer. A node of a site is a site that is part of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.errors import NotFoundError, StateError
from patchline.releaser.catalogue import the_product
from patchline.releaser.fleet.customers import KEEPERS, check_alias, the_customer
from patchline.releaser.fleet.naming import (
    LONGEST_ALIAS,
    LONGEST_TITLE,
    SITE,
    check_id,
    check_line,
    check_word,
    new_alias,
)
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change
from patchline.releaser.rollouts.windows import read_windows
from patchline.releaser.tables.customers import CONNECTIVITY, ENVIRONMENTS, Customer, Site
from patchline.releaser.tables.fleet import EvidenceGrade, SiteState


@dataclass(frozen=True)
class NewSite:
    """A site as somebody tells of it; its title is its name by default, and without an alias one is made.

    Attributes:
        part_of: name of the site of which it is a node.
        window: maintenance windows as `releaser.rollouts.windows` reads them, None for any time.
    """

    name: str
    customer: str
    product: str
    title: str | None = None
    alias: str | None = None
    environment: str = "production"
    connectivity: str = "online"
    part_of: str | None = None
    window: str | None = None

    def check(self) -> None:
        """Raise UsageError for what cannot be written so."""
        check_id("site", self.name, SITE)
        check_word("environment", self.environment, ENVIRONMENTS)
        check_word("connectivity", self.connectivity, CONNECTIVITY)
        if self.title is not None:
            check_line("title", self.title, LONGEST_TITLE)
        if self.alias is not None:
            check_line("alias", self.alias, LONGEST_ALIAS)
        if self.window is not None:
            read_windows(self.window)


@dataclass(frozen=True)
class Listed:
    """A site as it stands in lists, with what is known of it."""

    site: Site
    state: SiteState


def add(change: Change, wanted: NewSite) -> Site:
    """Add a site, of which nothing was heard yet.

    Raises:
        RefusedError: who acts may not.
        NotFoundError: the register knows no such customer, product, or site of which it is part.
        StateError: there is a site of that name or alias.
        UsageError: a field cannot be written so, or it is part of another customer's site.
    """
    require_role(change.session, change.by, *KEEPERS)
    wanted.check()
    session = change.session
    the_customer(session, wanted.customer)
    the_product(session, wanted.product)
    if find(session, wanted.name) is not None:
        raise StateError("site-exists", f"there is a site {wanted.name} already")
    check_alias(session, Site, wanted.alias)
    whole = the_site(session, wanted.part_of) if wanted.part_of is not None else None
    if whole is not None:
        check_node(wanted, whole)
    site = make(change, wanted, whole.id if whole is not None else None)
    session.add(site)
    session.flush()
    session.add(never_reported(site))
    session.flush()
    change.record("site.add", site.name, {"customer": site.customer, "product": site.product, "alias": site.alias})
    return site


def check_node(wanted: NewSite, whole: Site | NewSite) -> None:
    """Refuse a node that does not belong to a site.

    Raises:
        StateError: it is another customer's or product's, or itself a node.
    """
    if (wanted.customer, wanted.product) != (whole.customer, whole.product):
        raise StateError("site-node", f"{wanted.name} and {whole.name} are not one customer's and one product's")
    if whole.part_of is not None or whole.name == wanted.name:
        raise StateError("site-node", f"{whole.name} is itself a node")


def make(change: Change, wanted: NewSite, part_of: int | None) -> Site:
    """Return the row of a site that was checked."""
    return Site(
        name=wanted.name,
        customer=wanted.customer,
        product=wanted.product,
        title=wanted.title or wanted.name,
        alias=wanted.alias or new_alias("S"),
        environment=wanted.environment,
        connectivity=wanted.connectivity,
        part_of=part_of,
        window=wanted.window,
        added=change.now,
        added_by=change.by,
    )


def never_reported(site: Site) -> SiteState:
    """Return the state of a site of which nothing was ever heard."""
    return SiteState(
        site=site.id,
        customer=site.customer,
        product=site.product,
        evidence=EvidenceGrade.NEVER,
        unfinished=False,
        drift=0,
        unknown=0,
        contested=False,
    )


def find(session: Session, name: str) -> Site | None:
    """Return a site by its name, None when there is none."""
    return session.scalar(select(Site).where(Site.name == name))


def the_site(session: Session, name: str) -> Site:
    """Return a site by its name.

    Raises:
        NotFoundError: the register does not know it.
    """
    site = find(session, name)
    if site is None:
        raise NotFoundError("site", f"the register knows no site {name!r}")
    return site


def in_service(session: Session, name: str) -> Site:
    """Return a site that is in service.

    Raises:
        NotFoundError: the register does not know it.
        StateError: it was taken out of service.
    """
    site = the_site(session, name)
    if site.retired is not None:
        raise StateError("site-retired", f"{name} was taken out of service on {site.retired:%Y-%m-%d}")
    return site


def nodes(session: Session, site: Site) -> Sequence[Site]:
    """Return the nodes of a site by their names."""
    return session.scalars(select(Site).where(Site.part_of == site.id).order_by(Site.name)).all()


def listed(
    session: Session, limit: int, after: str | None = None, customer: str | None = None, product: str | None = None
) -> Sequence[Listed]:
    """Return sites in service by name, those after one of them."""
    query = select(Site, SiteState).join(SiteState, SiteState.site == Site.id).where(Site.retired.is_(None))
    for column, wanted in ((Site.customer, customer), (Site.product, product)):
        query = query if wanted is None else query.where(column == wanted)
    query = query if after is None else query.where(Site.name > after)
    return [Listed(site, state) for site, state in session.execute(query.order_by(Site.name).limit(limit))]


def of_customer(session: Session, customer: Customer) -> Sequence[Listed]:
    """Return all sites in service of a customer by name."""
    query = select(Site, SiteState).join(SiteState, SiteState.site == Site.id)
    query = query.where(Site.customer == customer.id, Site.retired.is_(None))
    return [Listed(site, state) for site, state in session.execute(query.order_by(Site.name))]
