"""The registry of setups: added, listed and shown without any question to Vault."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from patchline.patches.errors import NotFoundError, RefusedError, StateError, UsageError
from patchline.releaser.fleet import sites
from patchline.releaser.fleet.naming import check_line
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change
from patchline.releaser.setups.endpoints import Endpoint
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import SiteState
from patchline.releaser.tables.people import Role
from patchline.releaser.tables.setups import FACETS, Setup, SetupCredential, SetupEndpoint, SetupFacet
from patchline.vault import names

KEEPERS = (Role.ENGINEER, Role.RELEASE_MANAGER)
"""Who keeps setups; what Vault shows them says their own login there."""
_LONGEST_VALUE = 80


@dataclass(frozen=True)
class NewSetup:
    """A setup as somebody tells of it.

    Attributes:
        site: its name.
        team: whose it is.
        facets: kind and value.
    """

    site: str
    team: str
    sensitive: bool = False
    facets: tuple[tuple[str, str], ...] = ()
    endpoints: tuple[Endpoint, ...] = ()


class Facet(NamedTuple):
    """Something that a setup is made of."""

    kind: str
    value: str


@dataclass
class Known:
    """A setup with what the register knows of it; lists leave its endpoints out."""

    setup: Setup
    site: Site
    state: SiteState
    facets: list[Facet] = field(default_factory=list)
    endpoints: list[tuple[SetupEndpoint, SetupCredential | None]] = field(default_factory=list)

    def endpoint(self, name: str) -> tuple[SetupEndpoint, SetupCredential | None]:
        """Return an endpoint with its credential.

        Raises:
            NotFoundError: it has none of that name.
        """
        for row, credential in self.endpoints:
            if row.name == name:
                return row, credential
        raise NotFoundError("setup-endpoint", f"{self.site.name} has no endpoint {name!r}")


def vault_name(what: str, text: str) -> str:
    """Return a name that is also one in Vault, since paths there are built of it.

    Raises:
        UsageError: it is none.
    """
    if not names.fits(text):
        raise UsageError("setup-name", f"{text[:80]!r} is no name of a {what} in Vault")
    return text


def add(change: Change, wanted: NewSetup) -> Known:
    """Make a setup of a site.

    Raises:
        RefusedError: who acts may not, or the site is a customer's production.
        NotFoundError: the register knows no such site.
        StateError: it is a setup already, or out of service.
        UsageError: a field cannot be written so.
    """
    require_role(change.session, change.by, *KEEPERS)
    vault_name("setup", wanted.site)
    vault_name("team", wanted.team)
    site = sites.in_service(change.session, wanted.site)
    if site.environment in ("production", "recovery"):
        raise RefusedError("setup-production", f"{site.name} is {site.environment} of {site.customer}, and no setup")
    if change.session.get(Setup, site.id) is not None:
        raise StateError("setup-exists", f"{site.name} is a setup already")
    facets = checked_facets(wanted.facets)
    change.session.add(
        Setup(site=site.id, team=wanted.team, sensitive=wanted.sensitive, added=change.now, added_by=change.by)
    )
    change.session.flush()
    change.session.add_all(SetupFacet(setup=site.id, kind=kind, value=value) for kind, value in facets)
    for endpoint in wanted.endpoints:
        add_endpoint(change.session, site, endpoint)
    facts = {"team": wanted.team, "sensitive": wanted.sensitive, "endpoints": [one.name for one in wanted.endpoints]}
    change.record("setup.add", site.name, facts)
    return known(change.session, [site.name])[0]


def add_endpoint(session: Session, site: Site, endpoint: Endpoint) -> SetupEndpoint:
    """Add an endpoint to a setup.

    Raises:
        StateError: it has one of that name.
        UsageError: its name is none in Vault.
    """
    vault_name("endpoint", endpoint.name)
    there = select(SetupEndpoint).where(SetupEndpoint.setup == site.id, SetupEndpoint.name == endpoint.name)
    row = session.scalar(there)
    if row is not None and row.removed is None:
        raise StateError("setup-exists", f"{site.name} has an endpoint {endpoint.name} already")
    row = row or SetupEndpoint(setup=site.id)
    for column, value in {**vars(endpoint), "removed": None}.items():
        setattr(row, column, value)
    session.add(row)
    session.flush()
    return row


def checked_facets(facets: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return facets in order, each once.

    Raises:
        UsageError: one cannot be written so.
    """
    found = sorted(set(facets))
    for kind, value in found:
        if kind not in FACETS:
            raise UsageError("setup-field", f"{kind[:80]!r} is no facet: {', '.join(FACETS)}")
        check_line("facet", value, _LONGEST_VALUE)
    return found


def read_facet(text: str) -> tuple[str, str]:
    """Read `KIND=VALUE`.

    Raises:
        UsageError: it is not written so.
    """
    kind, equal, value = text.partition("=")
    if not equal:
        raise UsageError("setup-field", f"{text[:80]!r} is no facet such as 'database=PostgreSQL 15'")
    return kind.strip(), value.strip()


def the_setup(session: Session, name: str) -> Known:
    """Return a setup.

    Raises:
        NotFoundError: the register knows no such setup.
    """
    found = known(session, [name])
    if not found:
        raise NotFoundError("setup", f"the register knows no setup {name!r}")
    return found[0]


def listed(
    session: Session,
    limit: int,
    after: str | None = None,
    team: str | None = None,
    facets: Sequence[str] = (),
    only: ColumnElement[bool] | None = None,
) -> list[Known]:
    """Return setups by name, those after one of them.

    Args:
        session: to read with.
        limit: at most so many.
        after: the name after which to begin.
        team: only of this team.
        facets: values that each of them has all of.
        only: a further condition on `Setup`.
    """
    query = select(Site.name).join(Setup, Setup.site == Site.id).where(Site.retired.is_(None))
    query = query if team is None else query.where(Setup.team == team)
    query = query if after is None else query.where(Site.name > after)
    query = query if only is None else query.where(only)
    for value in facets:
        query = query.where(Setup.site.in_(select(SetupFacet.setup).where(SetupFacet.value == value)))
    return list(_found(session, session.scalars(query.order_by(Site.name).limit(limit)).all()).values())


def _found(session: Session, wanted: Sequence[str]) -> dict[int, Known]:
    """Return setups without their endpoints; two questions however many they are."""
    query = select(Setup, Site, SiteState).join(Site, Site.id == Setup.site).join(SiteState, SiteState.site == Site.id)
    rows = session.execute(query.where(Site.name.in_(wanted)).order_by(Site.name))
    found = {setup.site: Known(setup, site, state) for setup, site, state in rows}
    facets = select(SetupFacet.setup, SetupFacet.kind, SetupFacet.value).where(SetupFacet.setup.in_(found))
    for setup, kind, value in session.execute(facets.order_by(SetupFacet.kind, SetupFacet.value)):
        found[setup].facets.append(Facet(kind, value))
    return found


def known(session: Session, wanted: Sequence[str]) -> list[Known]:
    """Return the setups of these names with their endpoints, by name."""
    found = _found(session, wanted)
    endpoints = select(SetupEndpoint, SetupCredential).outerjoin(
        SetupCredential, (SetupCredential.endpoint == SetupEndpoint.id) & (SetupCredential.audience == "team")
    )
    for endpoint, credential in session.execute(
        endpoints.where(SetupEndpoint.setup.in_(found), SetupEndpoint.removed.is_(None)).order_by(SetupEndpoint.name)
    ):
        found[endpoint.setup].endpoints.append((endpoint, credential))
    return list(found.values())
