"""How all sites stand to a hotfix, fix or CVE, by tier: counted by the database, however many sites there are.

It says of each site what `exposure.stands` says of one, in fewer words: what stands against it is told of single sites.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, false, func, or_, select
from sqlalchemy.orm import Session

from patchline.releaser.fleet import questions
from patchline.releaser.fleet.downloads import DONE
from patchline.releaser.fleet.exposure import Stands, shelf, stands
from patchline.releaser.fleet.matching import applied_at, at_places, matching, of_products
from patchline.releaser.fleet.subjects import Answer, Place, Subject
from patchline.releaser.rollouts.life import newest
from patchline.releaser.rollouts.reaching import sites_reached
from patchline.releaser.states import State
from patchline.releaser.tables.customers import TIERS, Customer, Entitlement
from patchline.releaser.tables.fleet import Download, SiteState
from patchline.releaser.tables.hotfixes import Hotfix, Revision
from patchline.releaser.tables.rollouts import Staged


class Kind(StrEnum):
    """How a site stands; each has one."""

    NO_FIX = "affected, no fix"
    NOT_ENTITLED = "not entitled"
    WAITING = "not to be had yet"
    AVAILABLE = "available"
    DOWNLOADED = "downloaded"
    PENDING = "pending restart"
    APPLIED = "applied"
    NOT_NEEDED = "not needed"
    UNKNOWN = "unknown"


EXPOSED = (Kind.NO_FIX, Kind.NOT_ENTITLED, Kind.WAITING, Kind.AVAILABLE, Kind.DOWNLOADED, Kind.PENDING)
"""Kinds of sites that run without it and need it."""


@dataclass(frozen=True)
class Matrix:
    """Sites by tier and kind."""

    counts: Mapping[tuple[str, Kind], int]

    def of(self, kind: Kind, tier: str | None = None) -> int:
        """Return how many sites of a kind there are, in a tier or in all."""
        return sum(number for (place, one), number in self.counts.items() if one is kind and tier in (None, place))

    @property
    def exposed(self) -> int:
        """How many sites need it and run without it."""
        return sum(self.of(kind) for kind in EXPOSED)

    @property
    def sites(self) -> int:
        """All of them."""
        return sum(self.counts.values())

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each tier, for documents and tables."""
        return [{"tier": tier, **{kind.value: self.of(kind, tier) for kind in Kind}} for tier in TIERS]


@dataclass(frozen=True)
class Kinds:
    """The conditions by which the database tells kinds apart, in the order in which they are asked."""

    conditions: Sequence[tuple[Kind, ColumnElement[bool]]]

    def expression(self) -> ColumnElement[str]:
        """Return the kind of a site."""
        return case(*((condition, kind.value) for kind, condition in self.conditions), else_=Kind.NOT_NEEDED.value)

    def condition(self, kinds: Sequence[Kind], tier: str | None) -> ColumnElement[bool]:
        """Return the condition for the sites of some kinds, in a tier or in all."""
        found = self.expression().in_([kind.value for kind in kinds])
        return found if tier is None else and_(found, SiteState.customer.in_(_of_tier(tier)))


def _of_tier(tier: str) -> Select[str]:
    return select(Customer.id).where(Customer.tier == tier)


def matrix(session: Session, subject: Subject, kinds: Kinds) -> Matrix:
    """Count the sites by tier and kind, in one statement."""
    kind = kinds.expression().label("kind")
    query = (
        select(Customer.tier, kind, func.count())
        .select_from(SiteState)
        .join(Customer, Customer.id == SiteState.customer)
        .where(*of_products(subject))
        .group_by(Customer.tier, kind)
    )
    return Matrix({(row[0], Kind(row[1])): row[2] for row in session.execute(query)})


def listed(
    session: Session,
    subject: Subject,
    condition: ColumnElement[bool],
    now: datetime,
    *,
    limit: int | None,
    after: str | None = None,
) -> tuple[list[Stands], str | None]:
    """Return the sites that a condition holds for, by customer, and where the next page begins.

    Raises:
        UsageError: the limit is out of bounds.
        NotFoundError: there is no such site to go on after.
    """
    page = questions.listed_where(session, subject, condition, limit=limit, after=after)
    kept = shelf(session, subject, page.rows, now)
    return [stands(subject, row, kept, now) for row in page.rows], page.after


# Telling kinds apart


@dataclass(frozen=True)
class _Offer:
    """A published revision that counts: for which baseline, for whose customers (None for all), and since when."""

    place: Place
    customers: tuple[str, ...] | None
    embargo: datetime | None

    def here(self) -> ColumnElement[bool]:
        """Return the condition that it is for a site."""
        there = at_places([self.place])
        return there if self.customers is None else and_(there, SiteState.customer.in_(self.customers))


def kinds_of(session: Session, subject: Subject, now: datetime) -> Kinds:
    """Return how the sites of a subject are told apart: five statements, and some for each revision in stages."""
    offers = _obtainable(session, subject)
    free = {revision: one for revision, one in offers.items() if one.embargo is None or one.embargo <= now}
    lacking = matching(subject, Answer.LACKS)
    offered = or_(false(), *(one.here() for one in offers.values()))
    reached = _reached(session, free, now)
    places = sorted({one.place for one in offers.values()})
    return Kinds(
        (
            (Kind.UNKNOWN, matching(subject, Answer.UNKNOWN)),
            (Kind.APPLIED, SiteState.site.in_(applied_at(subject, used=True))),
            (Kind.PENDING, SiteState.site.in_(applied_at(subject))),
            (Kind.DOWNLOADED, and_(lacking, offered, _fetched(list(offers)))),
            (Kind.NO_FIX, and_(lacking, ~offered)),
            (Kind.NOT_ENTITLED, and_(lacking, ~_entitled(session, places, now))),
            (Kind.AVAILABLE, and_(lacking, reached)),
            (Kind.WAITING, lacking),
        )
    )


def _obtainable(session: Session, subject: Subject) -> dict[int, _Offer]:
    """Return the published revisions that count, with what they are for."""
    query = (
        select(Revision.id, Revision.embargo_until, Hotfix.product, Hotfix.baseline, Hotfix.customers)
        .join(Hotfix, Hotfix.id == Revision.hotfix)
        .where(Revision.id.in_(list(subject.full)), Revision.state == State.PUBLISHED, Revision.legacy.is_(False))
    )
    places = set(subject.places(Answer.LACKS))
    return {
        row.id: _Offer(
            (row.product, row.baseline), tuple(row.customers) if row.customers is not None else None, row.embargo_until
        )
        for row in session.execute(query)
        if (row.product, row.baseline) in places
    }


def _fetched(revisions: Sequence[int]) -> ColumnElement[bool]:
    done = (Download.revision.in_(revisions), Download.outcome == DONE)
    sites = select(Download.site).where(*done, Download.site.is_not(None))
    customers = select(Download.customer).where(*done, Download.site.is_(None))
    return or_(SiteState.site.in_(sites), SiteState.customer.in_(customers))


def _reached(session: Session, free: Mapping[int, _Offer], now: datetime) -> ColumnElement[bool]:
    """Return the condition that a revision has reached a site."""
    rollouts = newest(session, list(free))
    staged = set(session.scalars(select(Staged.product)))
    in_stages = [revision for revision, one in free.items() if revision in rollouts or one.place[0] in staged]
    found = [one.here() for revision, one in free.items() if revision not in in_stages]
    for row in session.scalars(select(Revision).where(Revision.id.in_(in_stages))) if in_stages else ():
        found.append(and_(free[row.id].here(), SiteState.site.in_(sites_reached(session, row, now))))
    return or_(false(), *found)


def _entitled(session: Session, places: Sequence[Place], now: datetime) -> ColumnElement[bool]:
    """Return the condition that a site's customer may have what is for its baseline."""
    products = sorted({product for product, _ in places})
    query = select(Entitlement.product, Entitlement.line).where(Entitlement.product.in_(products)).distinct()
    fitting: dict[tuple[str, str], list[str]] = {}
    for product, line in session.execute(query):
        labels = [label for name, label in places if name == product and fnmatchcase(label, line)]
        if labels:
            fitting[product, line] = labels
    ways = [
        and_(Entitlement.product == product, Entitlement.line == line, SiteState.baseline.in_(labels))
        for (product, line), labels in fitting.items()
    ]
    return exists().where(
        Entitlement.customer == SiteState.customer,
        Entitlement.product == SiteState.product,
        Entitlement.since <= now,
        or_(Entitlement.until.is_(None), Entitlement.until > now),
        or_(Entitlement.ended.is_(None), Entitlement.ended > now),
        or_(false(), *ways),
    )
