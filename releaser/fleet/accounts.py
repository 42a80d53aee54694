"""What follows from the level of a site: what every hotfix that matters is there, how far it is behind, what hurts it still."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.releaser.fleet import timeline
from patchline.releaser.fleet.entitlements import rights
from patchline.releaser.fleet.hotfix_states import MISSING, HotfixState, Judged, RevisionFacts, SiteFacts, judge
from patchline.releaser.fleet.levels import Level, There, When, revision_ids
from patchline.releaser.fleet.shelves import Mark, Shelf, shelf
from patchline.releaser.issues import Status
from patchline.releaser.rollouts.reaching import reached_many
from patchline.releaser.states import State
from patchline.releaser.tables.customers import Site
from patchline.releaser.tables.fleet import Download
from patchline.releaser.tables.hotfixes import Hotfix, Revision

_THEN = "what they could have then is not kept"


@dataclass(frozen=True)
class At:
    """What a revision is at a site."""

    revision: RevisionFacts
    judged: Judged
    title: str
    severity: str
    kind: str
    published: datetime | None
    there: There | None = None

    @property
    def state(self) -> HotfixState:
        """Its state."""
        return self.judged.state


@dataclass(frozen=True)
class Account:
    """A site's level with all that follows.

    Attributes:
        hotfixes: those that matter there.
        unsolved: issues that hurt it and that no published hotfix mends.
        behind: how many hotfixes it should still take; None while unknown, as the next three.
        newer_baselines: how many were registered after its own.
        relative_age: days between what it has newest and what it could have.
    """

    level: Level
    hotfixes: tuple[At, ...]
    unsolved: tuple[Mark, ...]
    behind: int | None
    newer_baselines: int | None
    relative_age: int | None

    def of_state(self, *states: HotfixState) -> list[At]:
        """Return those in one of some states."""
        return [one for one in self.hotfixes if one.state in states]


def accounts(session: Session, found: Sequence[Level], when: When, *, closely: bool = False) -> list[Account]:
    """Return what follows from levels.

    Args:
        session: to read from.
        found: the levels, of one customer's sites.
        when: for which they hold.
        closely: also what they had once, and what stands between them and what they lack.
    """
    taken = _downloads(session, found, when)
    gone = _gone(session, found, when) if closely else {}
    in_force = {one.revision for level in found for one in level.there if one.revision is not None}
    places = {(level.site.product, level.baseline) for level in found if level.baseline is not None}
    wanted = in_force | {revision for revisions in (*taken.values(), *gone.values()) for revision in revisions}
    kept = shelf(session, places, wanted, in_force, None if when.is_now else when.moment)
    obstacles = _obstacles(session, [level.site for level in found], kept, when) if closely and found else {}
    nothing: frozenset[int] = frozenset()
    return [
        _account(level, kept, gone.get(level.site.id, nothing), taken[level.site.id], obstacles.get(level.site.id, {}))
        for level in found
    ]


def _downloads(session: Session, found: Sequence[Level], when: When) -> dict[int, frozenset[int]]:
    """Return by site what was fetched for it, or by its customer for no site in particular."""
    customers = {level.site.customer for level in found}
    query = select(Download.customer, Download.site, Download.revision).where(
        Download.customer.in_(customers), Download.outcome == "done", Download.at <= when.moment
    )
    rows = session.execute(query.distinct()).all()
    return {
        level.site.id: frozenset(
            row.revision for row in rows if row.customer == level.site.customer and row.site in (None, level.site.id)
        )
        for level in found
    }


def _gone(session: Session, found: Sequence[Level], when: When) -> dict[int, frozenset[int]]:
    """Return by site the revisions that it had once and has no more."""
    said = timeline.said(session, [level.site.id for level in found], when.known_at)
    early = {site: [one.id for one in every if one.made <= when.moment] for site, every in said.items()}
    contents = timeline.levels_said(session, [one for every in early.values() for one in every])
    ids = revision_ids(session, [one for content in contents.values() for one in content.hotfixes])
    gone = {}
    for level in found:
        named = [one for report in early[level.site.id] for one in contents[report].hotfixes]
        had = {ids[key] for one in named if (key := one.manifest or one.label) in ids}
        gone[level.site.id] = frozenset(had.difference(one.revision for one in level.there))
    return gone


def _obstacles(
    session: Session, sites: Sequence[Site], kept: Shelf, when: When
) -> Mapping[int, Mapping[int, str | None]]:
    """Return by site and published revision why the site may not have it yet, None where it may."""
    ids = [id_ for id_, fact in kept.facts.items() if fact.state is State.PUBLISHED]
    if not when.is_now:
        return {site.id: dict.fromkeys(ids, _THEN) for site in sites}
    rows = select(Revision, Hotfix).join(Hotfix, Hotfix.id == Revision.hotfix).where(Revision.id.in_(ids))
    pairs = session.execute(rows).all()
    entitled = rights(session, sites[0].customer)
    reach = reached_many(session, [revision for revision, _ in pairs], sites, when.now)
    closed = {revision.id: entitled.why_not(hotfix, revision, when.now) for revision, hotfix in pairs}
    return {
        site.id: {
            id_: why.reason.value if why is not None else reach[site.id, id_].reason for id_, why in closed.items()
        }
        for site in sites
    }


def site_facts(level: Level, kept: Shelf, gone: Collection[int], taken: Collection[int]) -> SiteFacts:
    """Return what the rule on states is given of a site."""
    known = [one for one in level.there if one.revision is not None and one.revision in kept.facts]
    facts = {one.revision: kept.facts[one.revision] for one in known if one.revision is not None}
    named: dict[str, int] = {}
    for revision in facts:
        for hotfix, number in kept.named.get(revision, {}).items():
            named[hotfix] = max(named.get(hotfix, 0), number)
    place = (level.site.product, level.baseline or "")
    return SiteFacts(
        customer=level.site.customer,
        product=level.site.product,
        baseline=level.baseline,
        pending={one.revision: one.pending for one in known if one.revision is not None},
        numbers={fact.hotfix: fact.number for fact in facts.values()},
        fixes={revision: fact.fixes for revision, fact in facts.items()},
        named=named,
        gone=frozenset(gone),
        downloaded=frozenset(taken),
        baseline_fixes=kept.baseline_fixes(place),
    )


def _account(
    level: Level, kept: Shelf, gone: Collection[int], taken: frozenset[int], obstacles: Mapping[int, str | None]
) -> Account:
    site = site_facts(level, kept, gone, taken)
    there = {one.revision: one for one in level.there if one.revision is not None}
    place = (level.site.product, level.baseline or "")
    found = []
    for id_ in dict.fromkeys([*kept.at(place), *there, *gone, *taken]):
        fact = kept.facts.get(id_)
        if fact is None or fact.product != level.site.product:
            continue
        judged = judge(fact, site, obstacles.get(id_))
        if _matters(judged.state, fact, site):
            told = kept.told[id_]
            found.append(At(fact, judged, told.title, told.severity, told.kind, told.published, there.get(id_)))
    found.sort(key=lambda one: (_ORDER.index(one.state), one.revision.hotfix, one.revision.number))
    return Account(level, tuple(found), tuple(_unsolved(level, kept, site)), *_distance(level, kept, found))


_ORDER = (
    HotfixState.RECALLED_THERE,
    HotfixState.APPLIED,
    HotfixState.PENDING,
    HotfixState.OBSOLETE_REVISION,
    HotfixState.ROLLED_BACK,
    HotfixState.DOWNLOADED,
    HotfixState.AVAILABLE,
    HotfixState.APPLICABLE,
    HotfixState.SUPERSEDED,
    HotfixState.IN_BASELINE,
    HotfixState.NOT_APPLICABLE,
    HotfixState.UNKNOWN,
)


def _matters(state: HotfixState, fact: RevisionFacts, site: SiteFacts) -> bool:
    """Tell whether a revision is worth a line: what is or was there, what was taken, and what should come."""
    if fact.id in site.pending or fact.id in site.gone or fact.id in site.downloaded:
        return True
    if state is HotfixState.SUPERSEDED:
        return fact.number == fact.newest
    return state in MISSING and (fact.number >= fact.newest)


def _unsolved(level: Level, kept: Shelf, site: SiteFacts) -> Iterable[Mark]:
    """Yield the issues that hurt a site's baseline and that neither what it has nor what is published mends."""
    if level.baseline is None:
        return
    place = (level.site.product, level.baseline)
    facts = [kept.facts[id_] for id_ in kept.at(place)]
    offered = [fact for fact in facts if fact.state is State.PUBLISHED and _is_for(fact, site)]
    revisions = [*site.pending, *(fact.id for fact in offered)]
    fixes = site.mended.union(*(fact.fixes for fact in offered))
    cves = frozenset[str]().union(*(kept.cves.get(id_, frozenset()) for id_ in revisions))
    for mark in kept.marks.get(place, ()):
        if mark.status is not Status.NOT_AFFECTED and mark.issue not in fixes and mark.cve.isdisjoint(cves):
            yield mark


def _is_for(fact: RevisionFacts, site: SiteFacts) -> bool:
    return fact.customers is None or site.customer in fact.customers


def _distance(level: Level, kept: Shelf, found: Sequence[At]) -> tuple[int | None, int | None, int | None]:
    """Return how far a site is behind: hotfixes, baselines, and days between what it has and what it could have."""
    if level.baseline is None:
        return None, None, None
    missing = [one for one in found if one.state in MISSING and one.revision.state is State.PUBLISHED]
    registered = dict(kept.baselines.get(level.site.product, ()))
    own = registered.get(level.baseline)
    newer = sum(added > own for added in registered.values()) if own is not None else None
    could = max((one.published for one in missing if one.published is not None), default=None)
    has = [one.published for one in found if one.there is not None and one.published is not None]
    newest = max([*has, *([own] if own is not None and not has else [])], default=None)
    days = None if newest is None else 0 if could is None else max((could - newest).days, 0)
    return len(missing), newer, days
