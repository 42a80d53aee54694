"""At which level sites are, on what evidence.

Three questions with one answer: what is so now, what was true on a date (`at`), what we knew on a date (`known_at`).
Now is read from the cache; the past from the facts, reports and what was told. Nothing here grows in statements with
sites or hotfixes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from patchline.patches.errors import NotFoundError
from patchline.releaser.fleet import timeline
from patchline.releaser.fleet.reading import InForce
from patchline.releaser.tables.customers import Customer, Declared, Site
from patchline.releaser.tables.fleet import Applied, EvidenceGrade, SiteState, UnknownHotfix
from patchline.releaser.tables.hotfixes import Revision


@dataclass(frozen=True)
class When:
    """What is asked for: None for both means now.

    Attributes:
        at: the moment that matters, by the sites' own time.
        known_at: only what had reached us by then counts.
    """

    now: datetime
    at: datetime | None = None
    known_at: datetime | None = None

    @property
    def is_now(self) -> bool:
        """Whether the present is asked for."""
        return self.at is None and self.known_at is None

    @property
    def moment(self) -> datetime:
        """The moment for which it is answered."""
        return self.at or self.known_at or self.now

    @property
    def heard_by(self) -> datetime:
        """The moment after which nothing that was heard counts."""
        return self.known_at or self.now


@dataclass(frozen=True)
class There:
    """A hotfix in force.

    Attributes:
        revision: its row; None where the register does not know it.
        at: when it was applied, by the site's time.
        gone_by: when a later report had it no more.
    """

    label: str
    revision: int | None
    at: datetime | None
    pending: bool
    gone_by: datetime | None = None


@dataclass(frozen=True)
class Level:
    """The level of a site, how we know it, and of when.

    Attributes:
        baseline, label: None while unknown.
        later: when a later report was made that tells of what was applied by then.
        declared: what was told to have happened there after that.
    """

    site: Site
    baseline: str | None
    label: str | None
    digest: str | None
    evidence: EvidenceGrade
    as_of: datetime | None
    there: tuple[There, ...] = ()
    unfinished: bool = False
    drift: int = 0
    contested: bool = False
    later: datetime | None = None
    declared: tuple[Declared, ...] = ()

    @property
    def unknown(self) -> tuple[There, ...]:
        """Hotfixes in force that the register does not know."""
        return tuple(one for one in self.there if one.revision is None)


# Sites


def named_sites(session: Session, name: str) -> tuple[Customer, Sequence[Site], bool]:
    """Return the sites that a name means: a site, or all of a customer; and whether it is a site's.

    Raises:
        NotFoundError: it means neither.
    """
    both = select(Customer, Site).join(Site, Site.customer == Customer.id, isouter=True)
    rows = session.execute(both.where(or_(Site.name == name, Customer.id == name)).order_by(Site.name)).all()
    if not rows:
        raise NotFoundError("site", f"the register knows no site or customer {name!r}")
    if own := [(customer, site) for customer, site in rows if site is not None and site.name == name]:
        return own[0][0], [own[0][1]], True
    return rows[0][0], [site for _, site in rows if site is not None and site.retired is None], False


# Levels


def levels(session: Session, sites: Sequence[Site], when: When) -> list[Level]:
    """Return the levels of sites, in their order."""
    found = _now(session, sites) if when.is_now else _then(session, sites, when)
    declared = _declared(session, sites, when)
    return [replace(one, declared=tuple(_since(one, declared[one.site.id]))) for one in found]


def _now(session: Session, sites: Sequence[Site]) -> list[Level]:
    ids = [site.id for site in sites]
    states = {row.site: row for row in session.scalars(select(SiteState).where(SiteState.site.in_(ids)))}
    there = _there(session, ids)
    return [_of_state(site, states[site.id], there[site.id]) for site in sites]


def _of_state(site: Site, state: SiteState, there: Sequence[There]) -> Level:
    return Level(
        site=site,
        baseline=state.baseline,
        label=state.label,
        digest=state.digest,
        evidence=EvidenceGrade(state.evidence),
        as_of=state.as_of,
        there=tuple(there),
        unfinished=state.unfinished,
        drift=state.drift,
        contested=state.contested,
    )


def _there(session: Session, ids: Sequence[int]) -> dict[int, list[There]]:
    found: dict[int, list[There]] = {site: [] for site in ids}
    known = (
        select(Applied.site, Applied.at, Applied.pending, Revision.id, Revision.hotfix, Revision.number)
        .join(Revision, Revision.id == Applied.revision)
        .where(Applied.site.in_(ids))
        .order_by(Revision.hotfix, Revision.number)
    )
    for row in session.execute(known):
        found[row.site].append(There(f"{row.hotfix}-r{row.number}", row.id, row.at, row.pending))
    others = select(UnknownHotfix).where(UnknownHotfix.site.in_(ids)).order_by(UnknownHotfix.hotfix)
    for other in session.scalars(others):
        found[other.site].append(There(f"{other.hotfix}-r{other.revision}", None, other.at, False))
    return found


def _then(session: Session, sites: Sequence[Site], when: When) -> list[Level]:
    said = timeline.said(session, [site.id for site in sites], when.known_at)
    wanted = {one.id for reports in said.values() for one in timeline.around(reports, when.moment) if one is not None}
    contents = timeline.levels_said(session, wanted)
    moments = {site.id: timeline.then(said[site.id], contents, when.moment) for site in sites}
    ids = _known_ids(session, moments.values())
    return [_of_moment(site, moments[site.id], ids) for site in sites]


def _known_ids(session: Session, moments: Iterable[timeline.Then]) -> Mapping[str, int]:
    """Return the rows of all revisions that levels name, by digest of the manifest and by label."""
    named = [one for moment in moments if moment.level for one in moment.level.hotfixes]
    return revision_ids(session, named)


def revision_ids(session: Session, named: Iterable[InForce]) -> Mapping[str, int]:
    """Return the rows of revisions that reports name, by digest of the manifest and by label, in one statement."""
    hotfixes = sorted({one.hotfix for one in named})
    query = select(Revision.id, Revision.hotfix, Revision.number, Revision.manifest_sha256)
    found: dict[str, int] = {}
    for row in session.execute(query.where(Revision.hotfix.in_(hotfixes))) if hotfixes else ():
        found[f"{row.hotfix}-r{row.number}"] = row.id
        if row.manifest_sha256:
            found[row.manifest_sha256] = row.id
    return found


def _of_moment(site: Site, moment: timeline.Then, ids: Mapping[str, int]) -> Level:
    level = moment.level
    gone = moment.gone_by or {}
    return Level(
        site=site,
        baseline=level.baseline if level else None,
        label=level.label if level else None,
        digest=level.digest if level else None,
        evidence=moment.evidence,
        as_of=moment.as_of,
        there=tuple(
            There(one.label, ids.get(one.manifest or one.label), one.applied, one.pending, gone.get(one.label))
            for one in sorted(level.hotfixes if level else (), key=lambda one: one.label)
        ),
        unfinished=level.unfinished if level else False,
        drift=level.drift if level else 0,
        later=moment.later,
    )


def _declared(session: Session, sites: Sequence[Site], when: When) -> dict[int, list[Declared]]:
    query = select(Declared).where(Declared.site.in_([site.id for site in sites]), Declared.added <= when.heard_by)
    found: dict[int, list[Declared]] = {site.id: [] for site in sites}
    for one in session.scalars(query.where(Declared.at <= when.moment).order_by(Declared.at, Declared.id)):
        found[one.site].append(one)
    return found


def _since(level: Level, declared: Sequence[Declared]) -> list[Declared]:
    return [one for one in declared if level.as_of is None or one.at > level.as_of]
