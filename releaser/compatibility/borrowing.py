"""The setup that is nearest to what a site is made of: fewest facets different, free ones first."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.releaser.compatibility.makeup import Makeup
from patchline.releaser.loans.looking import in_use
from patchline.releaser.setups.keeping import Facet
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import SiteState
from patchline.releaser.tables.loans import Loan
from patchline.releaser.tables.setups import Setup, SetupFacet

NEAREST = 3
"""How many are named."""


@dataclass(frozen=True)
class Candidate:
    """A setup that might be borrowed.

    Attributes:
        level: what it is at, as far as known.
        loan: why it is not free.
    """

    setup: str
    team: str
    makeup: Makeup
    level: str | None
    loan: Loan | None


@dataclass(frozen=True)
class Near:
    """A setup measured against what is wanted.

    Attributes:
        lacking: facets that it has not.
    """

    candidate: Candidate
    lacking: tuple[Facet, ...]


def candidates(session: Session, product: str) -> list[Candidate]:
    """Return the setups of a product, in three statements however many there are."""
    query = (
        select(Setup, Site.name, SiteState.label)
        .join(Site, Site.id == Setup.site)
        .join(SiteState, SiteState.site == Site.id)
        .where(Site.product == product, Site.retired.is_(None))
        .order_by(Site.name)
    )
    rows = session.execute(query).all()
    facets: dict[int, list[tuple[str, str]]] = {setup.site: [] for setup, _, _ in rows}
    for site, kind, value in session.execute(
        select(SetupFacet.setup, SetupFacet.kind, SetupFacet.value).where(SetupFacet.setup.in_(facets))
    ):
        facets[site].append((kind, value))
    loans = in_use(session, list(facets))
    return [
        Candidate(name, setup.team, Makeup.of(facets[setup.site]), label, loans.get(setup.site))
        for setup, name, label in rows
    ]


def nearest(wanted: Makeup, among: Sequence[Candidate]) -> tuple[Near, ...]:
    """Return the nearest setups; of two that lack as much the free one, then the one with less that is not wanted."""

    def far(one: Candidate) -> tuple[int, bool, int, str]:
        return len(wanted.keys - one.makeup.keys), one.loan is not None, len(one.makeup.keys - wanted.keys), one.setup

    return tuple(Near(one, wanted.without(one.makeup)) for one in sorted(among, key=far)[:NEAREST])
