"""The answer for one hotfix: tested combinations, customers on untested ones, what to borrow, which pairs are missing.

A site is on a tested combination when one run of tests that passed had all its facets together. Which sites count is
what a rollout would say: those of the customers and the baseline that it is for, setups of the vendor's own apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session, aliased

from patchline.releaser.compatibility.borrowing import Near, candidates, nearest
from patchline.releaser.compatibility.declaring import read
from patchline.releaser.compatibility.makeup import Key, Makeup
from patchline.releaser.compatibility.pairs import Pairs, coverage
from patchline.releaser.compatibility.tested import Run, runs
from patchline.releaser.hotfixes import find, label
from patchline.releaser.rollouts.targets import Aim, aim, targeted
from patchline.releaser.setups.keeping import Facet
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import SiteState
from patchline.releaser.tables.setups import Setup, SiteFacets


@dataclass
class Combination:
    """Sites of customers that are made of the same.

    Attributes:
        customers: how many sites each has.
        run: the test results that come nearest, None where there are none.
        lacking: facets that no single run had together with the rest: what is not in the nearest one.
        borrow: the nearest setups; only for what is untested.
        texts: how the database has it.
    """

    makeup: Makeup
    customers: dict[str, int] = field(default_factory=dict)
    run: Run | None = None
    lacking: tuple[Facet, ...] = ()
    borrow: tuple[Near, ...] = ()
    texts: list[str] = field(default_factory=list)

    @property
    def sites(self) -> int:
        """How many there are."""
        return sum(self.customers.values())


@dataclass(frozen=True)
class Compatibility:
    """What is known of one revision.

    Attributes:
        revision: its label.
        runs: its test results.
        tested, untested: combinations of customers, those of most sites first.
        unknown: sites, by customer, of which nobody said what they are made of.
    """

    revision: str
    product: str
    baseline: str
    runs: tuple[Run, ...]
    tested: tuple[Combination, ...]
    untested: tuple[Combination, ...]
    unknown: dict[str, int]
    pairs: Pairs


def compatibility(session: Session, identifier: str) -> Compatibility:
    """Return what is known of a hotfix's last revision, or of the one named; as many statements for many sites as for one.

    Raises:
        NotFoundError: there is no such hotfix.
    """
    revision = find(session, identifier)
    given, aimed = runs(session, revision), aim(session, revision)
    fine = [run for run in given if run.fine]
    combinations, unknown = _combinations(session, aimed)
    setups = candidates(session, aimed.product)
    for one in combinations:
        one.run = min(fine, key=lambda run, one=one: _far(one.makeup, run), default=None)  # type: ignore[misc]
        one.lacking = one.makeup.without(one.run.makeup if one.run is not None else None)
        if one.lacking:
            one.borrow = nearest(one.makeup, setups)
    pairs = coverage([(one.makeup, one.sites) for one in combinations], [run.makeup for run in fine])
    return Compatibility(
        label(revision),
        aimed.product,
        aimed.baseline,
        tuple(given),
        tuple(one for one in combinations if not one.lacking),
        tuple(one for one in combinations if one.lacking),
        unknown,
        pairs,
    )


def _far(makeup: Makeup, run: Run) -> tuple[int, int]:
    return len(makeup.keys - run.makeup.keys), len(run.makeup.keys - makeup.keys)


def _made_of(aimed: Aim) -> tuple[ColumnElement[str | None], Select[tuple[()]]]:
    """Return the column of what sites are made of, and a query on the sites that it is for; nodes are as their whole."""
    own, whole = aliased(SiteFacets), aliased(SiteFacets)
    query = (
        select()
        .select_from(Site)
        .join(SiteState, SiteState.site == Site.id)
        .outerjoin(own, own.site == Site.id)
        .outerjoin(whole, whole.site == Site.part_of)
        .where(targeted(aimed), Site.id.not_in(select(Setup.site)))
    )
    return func.coalesce(own.facets, whole.facets), query


def _combinations(session: Session, aimed: Aim) -> tuple[list[Combination], dict[str, int]]:
    made_of, query = _made_of(aimed)
    counted = query.add_columns(made_of, Site.customer, func.count()).group_by(made_of, Site.customer)
    found: dict[frozenset[Key], Combination] = {}
    unknown: dict[str, int] = {}
    for text, customer, sites in sorted(session.execute(counted), key=lambda row: (row[0] or "", row[1])):
        if text is None:
            unknown[customer] = sites
            continue
        makeup = read(text)
        one = found.setdefault(makeup.keys, Combination(makeup))
        one.customers[customer] = one.customers.get(customer, 0) + sites
        if text not in one.texts:
            one.texts.append(text)
    return sorted(found.values(), key=lambda one: (-one.sites, one.makeup.facets)), unknown


@dataclass(frozen=True)
class SiteOn:
    """A site, with what it is made of as far as known."""

    name: str
    customer: str
    makeup: Makeup | None


def sites_on(
    session: Session, identifier: str, among: Sequence[Combination] | None, limit: int, after: str | None = None
) -> list[SiteOn]:
    """Return the sites on some combinations, by name.

    Args:
        session: to read with.
        identifier: of the hotfix or revision.
        among: the combinations; None for sites of which nothing is known.
        limit: at most so many.
        after: the name after which to begin.

    Raises:
        NotFoundError: there is no such hotfix.
    """
    made_of, query = _made_of(aim(session, find(session, identifier)))
    texts = None if among is None else [text for one in among for text in one.texts]
    query = query.where(made_of.is_(None) if texts is None else made_of.in_(texts))
    query = query if after is None else query.where(Site.name > after)
    rows = session.execute(query.add_columns(Site.name, Site.customer, made_of).order_by(Site.name).limit(limit))
    return [SiteOn(name, customer, read(text) if text is not None else None) for name, customer, text in rows]
