"""What a customer's site is made of, as support declares it; a site of which nobody did is unknown, not plain."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from patchline.patches import documents
from patchline.patches.errors import StateError
from patchline.releaser.compatibility.makeup import Makeup
from patchline.releaser.fleet import sites
from patchline.releaser.fleet.customers import KEEPERS
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change
from patchline.releaser.setups.keeping import checked_facets
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.setups import Setup, SiteFacets


def declare(change: Change, name: str, facets: Sequence[tuple[str, str]]) -> Makeup:
    """Say what a site is made of, all of it; nothing means that it is not known any more.

    Raises:
        RefusedError: who acts may not.
        NotFoundError: the register knows no such site.
        StateError: it is out of service, or a setup, which has facets of its own.
        UsageError: a facet cannot be written so.
    """
    require_role(change.session, change.by, *KEEPERS)
    site = sites.in_service(change.session, name)
    if change.session.get(Setup, site.id) is not None:
        raise StateError("site-setup", f"{name} is a setup, and its team says what it is made of")
    made = Makeup.of(checked_facets(facets))
    row = change.session.get(SiteFacets, site.id)
    if row is not None:
        change.session.delete(row)
        change.session.flush()
    if made.facets:
        change.session.add(SiteFacets(site=site.id, facets=written(made), told=change.now, told_by=change.by))
    change.record("site.facets", name, {"facets": [list(facet) for facet in made.facets]})
    change.session.flush()
    return made


def declared(session: Session, name: str) -> tuple[Makeup, SiteFacets | None]:
    """Return what is known of a site, and who told it when; what is known of the whole holds for its nodes.

    Raises:
        NotFoundError: the register knows no such site.
    """
    site: Site = sites.the_site(session, name)
    row = session.get(SiteFacets, site.id)
    if row is None and site.part_of is not None:
        row = session.get(SiteFacets, site.part_of)
    return (read(row.facets) if row is not None else Makeup(())), row


def written(made: Makeup) -> str:
    """Return how it is stored: equal ones are equal texts, so the database can count them."""
    return documents.encode([list(facet) for facet in made.facets]).decode()


def read(text: str) -> Makeup:
    """Read what is stored."""
    return Makeup.of((kind, value) for kind, value in documents.decode(text.encode(), what="facets"))
