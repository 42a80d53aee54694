"""The fleet as a whole: how old our evidence is, at which levels sites are, how far hotfixes have come.

Everything is counted by the database, in a number of statements that does not grow with sites or hotfixes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from patchline.releaser.fleet.matching import NEVER, retired
from patchline.releaser.fleet.subjects import Subject
from patchline.releaser.states import State
from patchline.releaser.tables.customers import CONNECTIVITY, Site
from patchline.releaser.tables.fleet import Applied, EvidenceGrade, SiteState
from patchline.releaser.tables.hotfixes import Hotfix, Revision

BOUNDS = (30, 60, 90)
"""Days that part ages."""
OLDER, UNHEARD = "older", "never"
BUCKETS = (*(f"up to {days} days" for days in BOUNDS), OLDER, UNHEARD)
_NEWEST = 10
_LEVELS = 10


@dataclass(frozen=True)
class Ages:
    """The sites in service of a product, or of all, by age and by grade of what is known of them."""

    buckets: Mapping[str, int]
    grades: Mapping[str, int]

    @property
    def sites(self) -> int:
        """All of them."""
        return sum(self.buckets.values())

    def silent(self, days: int) -> int:
        """Return of how many sites nothing is known that is younger, those that never reported among them."""
        return sum(self.buckets[name] for name in BUCKETS[BOUNDS.index(days) + 1 :])

    def __add__(self, other: "Ages") -> "Ages":
        """Return those of both."""
        return Ages(
            {name: number + other.buckets[name] for name, number in self.buckets.items()},
            {name: number + other.grades[name] for name, number in self.grades.items()},
        )


NOTHING = Ages(dict.fromkeys(BUCKETS, 0), {grade.value: 0 for grade in EvidenceGrade})


def ages(session: Session, now: datetime) -> dict[str, Ages]:
    """Count the sites in service by product; sums alone, which the database adds up in the order of an index."""
    younger = [_sum(SiteState.as_of > now - timedelta(days=days)) for days in BOUNDS]
    graded = [_sum(SiteState.evidence == grade.value) for grade in EvidenceGrade]
    query = (
        select(SiteState.product, func.count(), *younger, *graded)
        .where(SiteState.site.not_in(retired()))
        .group_by(SiteState.product)
        .order_by(SiteState.product)
    )
    found = {}
    for product, sites, *numbers in session.execute(query):
        found[product] = _ages(sites, numbers[: len(BOUNDS)], numbers[len(BOUNDS) :])
    return found


def _sum(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _ages(sites: int, younger: Sequence[int], graded: Sequence[int]) -> Ages:
    grades = {grade.value: number for grade, number in zip(EvidenceGrade, graded, strict=True)}
    steps = [number - before for before, number in pairwise([0, *younger])]
    older = sites - younger[-1] - grades[NEVER]
    return Ages(dict(zip(BUCKETS, [*steps, older, grades[NEVER]], strict=True)), grades)


def ages_document(found: Mapping[str, Ages]) -> dict[str, Any]:
    """Return the ages of all products for programs."""
    whole = sum(found.values(), NOTHING)
    return {
        "sites": whole.sites,
        "ages": dict(whole.buckets),
        "evidence": dict(whole.grades),
        "products": [
            {
                "product": product,
                "sites": one.sites,
                **{f"silent_{days}": one.silent(days) for days in BOUNDS},
                "never": one.buckets[UNHEARD],
            }
            for product, one in found.items()
        ],
    }


def air_gapped(session: Session, now: datetime) -> dict[str, int]:
    """Count the sites without a network by the age of what is known of them."""
    bucket = _bucket(now).label("bucket")
    query = (
        select(bucket, func.count())
        .select_from(Site)
        .join(SiteState, SiteState.site == Site.id)
        .where(Site.connectivity == CONNECTIVITY[1], Site.retired.is_(None))
        .group_by(bucket)
    )
    found = {row[0]: row[1] for row in session.execute(query)}
    return {name: found.get(name, 0) for name in BUCKETS}


def _bucket(now: datetime) -> ColumnElement[str]:
    steps = [(SiteState.as_of > now - timedelta(days=days), BUCKETS[at]) for at, days in enumerate(BOUNDS)]
    return case((SiteState.evidence == NEVER, UNHEARD), *steps, else_=OLDER)


# Levels


@dataclass(frozen=True)
class BaselineCount:
    """The sites of a baseline.

    Attributes:
        last: labels of the hotfixes that were published last for it, up to three, the newest first.
        near: how many of the sites have one of these, or are at a baseline for which nothing was published.
    """

    baseline: str
    sites: int
    last: tuple[str, ...]
    near: int


def baselines(session: Session, product: str, last: int = 3) -> list[BaselineCount]:
    """Tell by baseline how many sites there are, and how many of them have one of its last hotfixes."""
    published = _last_published(session, product, last)
    ids = [revision for those in published.values() for revision, _ in those]
    near = select(Applied.site).where(Applied.revision.in_(ids)).distinct().subquery()
    query = (
        select(SiteState.baseline, func.count(), func.count(near.c.site))
        .outerjoin(near, near.c.site == SiteState.site)
        .where(SiteState.product == product, SiteState.baseline.is_not(None), SiteState.site.not_in(retired()))
        .group_by(SiteState.baseline)
        .order_by(SiteState.baseline)
    )
    found = []
    for baseline, sites, having in session.execute(query):
        labels = tuple(label for _, label in published.get(str(baseline), ()))
        found.append(BaselineCount(str(baseline), sites, labels, having if labels else sites))
    return found


def _last_published(session: Session, product: str, last: int) -> dict[str, list[tuple[int, str]]]:
    """Return by baseline the revisions that were published last."""
    place = func.row_number().over(
        partition_by=Hotfix.baseline, order_by=(Revision.published.desc(), Revision.id.desc())
    )
    ranked = (
        select(Hotfix.baseline, Revision.id, Revision.hotfix, Revision.number, place.label("place"))
        .join(Hotfix, Hotfix.id == Revision.hotfix)
        .where(Hotfix.product == product, Revision.state == State.PUBLISHED, Revision.published.is_not(None))
        .subquery()
    )
    query = select(ranked).where(ranked.c.place <= last).order_by(ranked.c.baseline, ranked.c.place)
    found: dict[str, list[tuple[int, str]]] = {}
    for row in session.execute(query):
        found.setdefault(row.baseline, []).append((row.id, f"{row.hotfix}-r{row.number}"))
    return found


def commonest_levels(session: Session, product: str, most: int = _LEVELS) -> list[tuple[str, int]]:
    """Return the levels that most sites of a product have, with how many."""
    number = func.count()
    query = (
        select(SiteState.label, number)
        .where(SiteState.product == product, SiteState.label.is_not(None), SiteState.site.not_in(retired()))
        .group_by(SiteState.label)
        .order_by(number.desc(), SiteState.label)
        .limit(most)
    )
    return [(str(row[0]), row[1]) for row in session.execute(query)]


# Hotfixes


@dataclass(frozen=True)
class Come:
    """How far a revision has come.

    Attributes:
        has: sites that have it in force.
        sites: all at its baseline.
    """

    label: str
    hotfix: str
    title: str
    severity: str
    published: datetime | None
    has: int
    sites: int

    @property
    def percent(self) -> int | None:
        """The share, None of nothing."""
        return self.has * 100 // self.sites if self.sites else None


def newest_hotfixes(session: Session, product: str, sites: Mapping[str, int], most: int = _NEWEST) -> list[Come]:
    """Return the revisions of a product that were published last, with how many sites have each.

    Args:
        session: to read from.
        product: whose.
        sites: of each baseline.
        most: how many.
    """
    query = (
        select(Revision.id, Revision.number, Revision.published, Hotfix)
        .join(Hotfix, Hotfix.id == Revision.hotfix)
        .where(Hotfix.product == product, Revision.state == State.PUBLISHED)
        .order_by(Revision.published.desc(), Revision.id.desc())
        .limit(most)
    )
    rows = session.execute(query).all()
    having = (
        select(Applied.revision, func.count())
        .where(Applied.revision.in_([row.id for row in rows]), Applied.site.not_in(retired()))
        .group_by(Applied.revision)
    )
    has = {row[0]: row[1] for row in session.execute(having)}
    return [
        Come(
            f"{row.Hotfix.id}-r{row.number}",
            row.Hotfix.id,
            row.Hotfix.title,
            row.Hotfix.severity,
            row.published,
            has.get(row.id, 0),
            sites.get(row.Hotfix.baseline, 0),
        )
        for row in rows
    ]


def adoption_by_day(session: Session, subject: Subject) -> list[tuple[datetime, int]]:
    """Return by day how many of the sites that have it today had applied it by then; UTC.

    Sites tell when they applied what they have. Of those that took it back no curve knows; they are told of as such.
    """
    first = (
        select(Applied.site, func.min(Applied.at).label("at"))
        .where(Applied.revision.in_(list(subject.full)), Applied.site.not_in(retired()))
        .group_by(Applied.site)
        .subquery()
    )
    day = _day(session, first.c.at).label("day")
    query = select(day, func.count()).group_by(day).order_by(day)
    return _summed([(str(row[0]), row[1]) for row in session.execute(query)])


def _day(session: Session, moment: Any) -> ColumnElement[Any]:
    if session.get_bind().dialect.name == "sqlite":
        return func.date(moment)
    return func.date(func.timezone("UTC", moment))


def _summed(days: Sequence[tuple[str, int]]) -> list[tuple[datetime, int]]:
    found, whole = [], 0
    for day, number in days:
        whole += number
        found.append((datetime.fromisoformat(day[:10]).replace(tzinfo=UTC), whole))
    return found
