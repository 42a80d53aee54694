"""What each site needs that lacks something, and which customers are exposed: what account managers ask.

Whoever has applied a hotfix that the running processes do not use yet has it, and is exposed until the restart.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select
from sqlalchemy.orm import Session

from patchline.releaser.fleet import questions
from patchline.releaser.fleet.downloads import DONE
from patchline.releaser.fleet.entitlements import Reason, Rights
from patchline.releaser.fleet.matching import applied_at, at_places, heard, in_scope, matching, of_products
from patchline.releaser.fleet.questions import SiteRow, Totals
from patchline.releaser.fleet.subjects import FULL, Answer, Offer, Subject
from patchline.releaser.issues import Standing, standing
from patchline.releaser.rollouts.life import newest
from patchline.releaser.rollouts.reaching import sites_reached
from patchline.releaser.states import State
from patchline.releaser.tables.customers import Customer, Entitlement, Site
from patchline.releaser.tables.fleet import Download, SiteState
from patchline.releaser.tables.hotfixes import Hotfix, Revision
from patchline.releaser.tables.rollouts import Staged


class Stand(StrEnum):
    """How a site stands to what is asked for."""

    APPLIED = "applied"
    IN_BASELINE = "not needed"
    PENDING = "pending restart"
    DOWNLOADED = "downloaded"
    AVAILABLE = "available"
    NOT_ENTITLED = "not entitled"
    EMBARGO = "under embargo"
    LEGACY = "shipped before the register"
    WAITING = "waits for its stage"
    OTHERS = "for other customers"
    RECALLED = "recalled"
    HELD = "fix held"
    UNDER_WAY = "fix under way"
    NO_FIX = "no fix yet"
    NOT_PLANNED = "no fix planned"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not applicable"


_WAITS = {
    Standing.HELD: Stand.HELD,
    Standing.UNDER_WAY: Stand.UNDER_WAY,
    Standing.NO_FIX_PLANNED: Stand.NOT_PLANNED,
    Standing.FIXED_FOR_SOME: Stand.OTHERS,
}


@dataclass(frozen=True)
class Stands:
    """A site, how it stands, what it should take, and why it may not yet."""

    row: SiteRow
    stand: Stand
    take: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Shelf:
    """What customers may have and have fetched.

    Attributes:
        fetched: revision, customer and site, None where nobody said for which site.
        reached: by revision that goes out in stages, the sites that it has reached.
    """

    rights: Mapping[str, Rights]
    published: Mapping[int, tuple[Hotfix, Revision]]
    fetched: frozenset[tuple[int, str, int | None]]
    reached: Mapping[int, frozenset[int]]

    def has_reached(self, revision: int, row: SiteRow) -> bool:
        """Tell whether the site's stage was opened."""
        return revision not in self.reached or row.site in self.reached[revision]

    def has_fetched(self, revision: int, row: SiteRow) -> bool:
        """Tell whether a revision was fetched for a site, or by its customer for nobody knows which."""
        return not self.fetched.isdisjoint({(revision, row.customer, row.site), (revision, row.customer, None)})


def shelf(session: Session, subject: Subject, rows: Sequence[SiteRow], now: datetime) -> Shelf:
    """Return what the customers of these sites may have and have fetched of a subject.

    It takes a number of statements that does not grow with the sites: five, and some for each revision in stages.
    """
    customers = {row.customer for row in rows}
    entitlements: dict[str, list[Entitlement]] = {name: [] for name in customers}
    wanted = (Entitlement.customer.in_(list(customers)), Entitlement.product.in_(subject.products))
    for one in session.scalars(select(Entitlement).where(*wanted).order_by(Entitlement.id)):
        entitlements[one.customer].append(one)
    published = (
        select(Hotfix, Revision)
        .join(Revision, Revision.hotfix == Hotfix.id)
        .where(Revision.id.in_(list(subject.full)), Revision.state == State.PUBLISHED)
        .order_by(Hotfix.id, Revision.number)
    )
    fetched = select(Download.revision, Download.customer, Download.site).where(
        Download.revision.in_(list(subject.full)), Download.outcome == DONE, Download.customer.in_(list(customers))
    )
    offered = {row.Revision.id: (row.Hotfix, row.Revision) for row in session.execute(published)}
    return Shelf(
        rights={name: Rights(name, those) for name, those in entitlements.items()},
        published=offered,
        reached=_reached(session, list(offered.values()), rows, now),
        fetched=frozenset((row.revision, row.customer, row.site) for row in session.execute(fetched)),
    )


def _reached(
    session: Session, offered: Sequence[tuple[Hotfix, Revision]], rows: Sequence[SiteRow], now: datetime
) -> dict[int, frozenset[int]]:
    """Return the sites reached by each revision that goes out in stages; all others have reached everybody."""
    rollouts = newest(session, [revision.id for _, revision in offered])
    staged = set(session.scalars(select(Staged.product)))
    lacking = [row.site for row in rows if row.answer is Answer.LACKS]
    found = {}
    for hotfix, revision in offered:
        if revision.id in rollouts or hotfix.product in staged:
            there = sites_reached(session, revision, now)
            if len(lacking) <= questions.MOST:
                there = there.where(Site.id.in_(lacking))
            found[revision.id] = frozenset(session.scalars(there))
    return found


_ANSWERED = {Answer.UNKNOWN: Stand.UNKNOWN, Answer.NOT_APPLICABLE: Stand.NOT_APPLICABLE}


def stands(subject: Subject, row: SiteRow, kept: Shelf, now: datetime) -> Stands:
    """Tell how a site stands and what it should take."""
    if row.answer is Answer.HAS:
        if row.pending:
            return Stands(row, Stand.PENDING)
        return Stands(row, Stand.IN_BASELINE if row.why else Stand.APPLIED)
    if row.answer is not Answer.LACKS:
        return Stands(row, _ANSWERED[row.answer])
    ground = subject.ground((row.product, str(row.baseline)))
    # The newest published revision of each hotfix; any of them is enough.
    own = {one.fix.hotfix: one for one in ground.offers if one.revision in kept.published}
    reasons = {one.label: kept.rights[row.customer].why_not(*kept.published[one.revision], now) for one in own.values()}
    for_them = tuple(label for label, told in reasons.items() if told is None or told.reason in _LATER)
    if any(one.label in for_them and kept.has_fetched(one.revision, row) for one in own.values()):
        return Stands(row, Stand.DOWNLOADED, for_them)
    if free := [one for one in own.values() if reasons[one.label] is None]:
        here = tuple(one.label for one in free if kept.has_reached(one.revision, row))
        return Stands(row, Stand.AVAILABLE if here else Stand.WAITING, here or tuple(one.label for one in free))
    told = {one.reason: one for one in reasons.values() if one is not None}
    for reason, stand in _REFUSED.items():
        if reason in told:
            return Stands(row, stand, for_them, told[reason].message)
    return Stands(row, _waits(ground.standing, ground.offers))


_REFUSED = {
    Reason.EMBARGO: Stand.EMBARGO,
    Reason.EXPIRED: Stand.NOT_ENTITLED,
    Reason.NOT_ENTITLED: Stand.NOT_ENTITLED,
    Reason.NOT_PUBLISHED: Stand.LEGACY,
    Reason.WRONG_CUSTOMER: Stand.OTHERS,
}
"""What stands against all of them, the smallest hindrance first."""
_LATER = (Reason.EMBARGO, Reason.EXPIRED, Reason.NOT_ENTITLED)


def _waits(known: Standing | None, offers: Sequence[Offer]) -> Stand:
    found = known or standing(None, [one.fix for one in offers])
    if found in _WAITS:
        return _WAITS[found]
    full = [one.fix.state for one in offers if one.fix.coverage == FULL]
    return Stand.RECALLED if known is None and State.RECALLED in full else Stand.NO_FIX


# Customers


@dataclass(frozen=True)
class Exposed:
    """A customer with a site that is exposed or of which nothing is known.

    Attributes:
        exposed, unknown: how many sites.
        sites: all of the customer's that the question is about.
    """

    customer: str
    title: str
    tier: str
    exposed: int
    unknown: int
    sites: tuple[Stands, ...]

    @property
    def needs(self) -> Counter[Stand]:
        """How many of the sites stand how."""
        return Counter(one.stand for one in self.sites)


@dataclass(frozen=True)
class Exposure:
    """Who is exposed.

    Attributes:
        totals: of all sites.
        sites: how many are exposed, those with a restart pending among them.
        customers: how many are exposed.
        in_doubt: how many more customers may be, as nothing is known of a site of theirs.
        page: some of the customers.
        after: where the next page begins, None on the last one.
    """

    totals: Totals
    sites: int
    customers: int
    in_doubt: int
    page: tuple[Exposed, ...]
    after: str | None


def exposed(
    session: Session, subject: Subject, now: datetime, *, limit: int | None = 50, after: str | None = None
) -> Exposure:
    """Tell which customers are exposed, how we know, and what each needs.

    Args:
        session: to read from.
        subject: what is asked for.
        now: the time.
        limit: how many customers, None for all.
        after: the last customer of the page before.

    Raises:
        UsageError: the limit is out of bounds.
    """
    questions.check_limit(limit)
    everybody = sorted((row.customer, row.exposed, row.silent) for row in session.execute(customers_exposed(subject)))
    left = [one for one in everybody if after is None or one[0] > after]
    chosen = left if limit is None else left[:limit]
    return Exposure(
        totals=questions.totals(subject, questions.counts(session, subject)),
        sites=sum(exposed for _, exposed, _ in everybody),
        customers=sum(exposed > 0 for _, exposed, _ in everybody),
        in_doubt=sum(exposed == 0 for _, exposed, _ in everybody),
        page=_page(session, subject, {name: (exposed, silent) for name, exposed, silent in chosen}, now),
        after=chosen[-1][0] if len(chosen) < len(left) else None,
    )


def is_exposed(subject: Subject) -> ColumnElement[bool]:
    """Return the condition that a site needs it and does not run with it."""
    return and_(_needs(subject), SiteState.site.not_in(applied_at(subject, used=True)))


def _needs(subject: Subject) -> ColumnElement[bool]:
    return and_(heard(), at_places(subject.places(Answer.LACKS)), in_scope(subject))


def customers_exposed(subject: Subject) -> Select[str, int, int]:
    """Return the statement for the customers with sites that are exposed, or of which nothing is known."""
    needing: ColumnElement[int] = func.sum(case((_needs(subject), 1), else_=0))
    return (
        select(SiteState.customer, needing.label("exposed"), (func.count() - needing).label("silent"))
        .where(*of_products(subject), or_(is_exposed(subject), matching(subject, Answer.UNKNOWN)))
        .group_by(SiteState.customer)
        .order_by(SiteState.customer)
    )


def _page(
    session: Session, subject: Subject, chosen: Mapping[str, tuple[int, int]], now: datetime
) -> tuple[Exposed, ...]:
    rows = questions.detailed(session, subject, questions.keys(subject, SiteState.customer.in_(list(chosen))))
    kept = shelf(session, subject, rows, now)
    by_customer: dict[str, list[Stands]] = {}
    for row in rows:
        by_customer.setdefault(row.customer, []).append(stands(subject, row, kept, now))
    told = select(Customer.id, Customer.title, Customer.tier).where(Customer.id.in_(list(chosen)))
    customers = {row.id: row for row in session.execute(told)}
    return tuple(
        Exposed(name, customers[name].title, customers[name].tier, *numbers, sites=tuple(by_customer[name]))
        for name, numbers in chosen.items()
    )
