"""What the register says of the hotfixes and baselines that sites' levels are judged by, at a moment: read at once.

A constant number of statements, however many sites and hotfixes there are.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import or_, select, tuple_
from sqlalchemy.orm import Session

from patchline.patches.manifest import Manifest
from patchline.releaser.fleet.hotfix_states import RevisionFacts
from patchline.releaser.issues import Status
from patchline.releaser.states import State
from patchline.releaser.tables.catalogue import Affected, Baseline, Issue
from patchline.releaser.tables.hotfixes import (
    Campaign,
    CampaignBaseline,
    Hotfix,
    Revision,
    RevisionCve,
    RevisionFix,
    Step,
)

Place = tuple[str, str]
"""Product and label of a baseline."""
_OFFERED = (State.PUBLISHED, State.HELD)


@dataclass(frozen=True)
class Mark:
    """What people say of an issue at a baseline."""

    issue: str
    title: str
    severity: str
    cve: frozenset[str]
    workaround: str | None
    status: Status
    reason: str | None


@dataclass(frozen=True)
class Told:
    """What people are told of a revision; nobody knows when some were published."""

    title: str
    severity: str
    kind: str
    published: datetime | None


@dataclass(frozen=True)
class Shelf:
    """Everything about the revisions that may matter to some sites.

    Attributes:
        facts: by revision.
        cves: by revision, of what it mends in full.
        named: by revision in force, the hotfixes in whose place it stands by its own words, up to which revision.
        marks: by baseline, issues and how it stands to them.
        contained: by baseline, fixes whose commits a campaign found in its history.
        baselines: by product the labels with when they were registered, oldest first.
        told: by revision what people are told of it.
    """

    facts: Mapping[int, RevisionFacts]
    cves: Mapping[int, frozenset[str]]
    named: Mapping[int, Mapping[str, int]]
    marks: Mapping[Place, Sequence[Mark]]
    contained: Mapping[Place, frozenset[str]]
    baselines: Mapping[str, Sequence[tuple[str, datetime]]]
    told: Mapping[int, Told]

    def at(self, place: Place) -> Sequence[int]:
        """Return the revisions for a baseline."""
        return self._by_place.get(place, ())

    @cached_property
    def _by_place(self) -> dict[Place, list[int]]:
        found: dict[Place, list[int]] = {}
        for fact in self.facts.values():
            found.setdefault((fact.product, fact.baseline), []).append(fact.id)
        return found

    def baseline_fixes(self, place: Place) -> frozenset[str]:
        """Return the fixes for which a baseline needs no hotfix."""
        free = {mark.issue for mark in self.marks.get(place, ()) if mark.status is Status.NOT_AFFECTED}
        return frozenset(free) | self.contained.get(place, frozenset())


def shelf(
    session: Session,
    places: Collection[Place],
    revisions: Collection[int],
    in_force: Collection[int],
    at: datetime | None,
) -> Shelf:
    """Read what matters to sites.

    Args:
        session: to read from.
        places: the baselines of the sites.
        revisions: that the sites had, have, or took.
        in_force: of these, those in force.
        at: the moment that is asked for; None for now.
    """
    rows = _rows(session, places, revisions)
    fixes, cves = _fixes(session, rows)
    states = _states(session, rows, at)
    return Shelf(
        facts=_facts(rows, states, fixes),
        cves=cves,
        named=_named(session, in_force),
        marks=_marks(session, places),
        contained=_contained(session, places),
        baselines=_baselines(session, {product for product, _ in places}),
        told={id_: Told(row.title, row.severity, row.kind, row.published) for id_, row in rows.items()},
    )


def _rows(session: Session, places: Collection[Place], ids: Collection[int]) -> dict[int, Any]:
    here = tuple_(Hotfix.product, Hotfix.baseline).in_(sorted(places))
    columns = (Revision.id, Revision.hotfix, Revision.number, Revision.state, Revision.legacy, Revision.published)
    more = (Hotfix.product, Hotfix.baseline, Hotfix.customers, Hotfix.title, Hotfix.severity, Hotfix.kind)
    query = select(*columns, *more).join(Hotfix, Hotfix.id == Revision.hotfix)
    query = query.where(or_(here, Revision.id.in_(sorted(ids)))).order_by(Hotfix.id, Revision.number)
    return {row.id: row for row in session.execute(query)}


def _fixes(session: Session, ids: Collection[int]) -> tuple[dict[int, frozenset[str]], dict[int, frozenset[str]]]:
    query = (
        select(RevisionFix.revision, RevisionFix.fix, RevisionCve.cve)
        .outerjoin(RevisionCve, (RevisionCve.revision == RevisionFix.revision) & (RevisionCve.fix == RevisionFix.fix))
        .where(RevisionFix.revision.in_(sorted(ids)), RevisionFix.coverage == "full")
    )
    fixes: dict[int, set[str]] = {}
    cves: dict[int, set[str]] = {}
    for revision, fix, cve in session.execute(query):
        fixes.setdefault(revision, set()).add(fix)
        cves.setdefault(revision, set()).update([cve] if cve else [])
    return _frozen(fixes), _frozen(cves)


def _frozen(found: Mapping[int, set[str]]) -> dict[int, frozenset[str]]:
    return {key: frozenset(names) for key, names in found.items()}


def _states(session: Session, rows: Mapping[int, Any], at: datetime | None) -> dict[int, State]:
    """Return the state of each revision; at a moment, of those that there were then."""
    if at is None:
        return {id_: State(row.state) for id_, row in rows.items()}
    steps = select(Step.revision, Step.state).where(Step.revision.in_(sorted(rows)), Step.at <= at)
    found = {row.revision: State(row.state) for row in session.execute(steps.order_by(Step.revision, Step.number))}
    # What was shipped before the register knew it was out there all along.
    return {id_: State.PUBLISHED for id_, row in rows.items() if row.legacy} | found


def _facts(
    rows: Mapping[int, Any], states: Mapping[int, State], fixes: Mapping[int, frozenset[str]]
) -> dict[int, RevisionFacts]:
    newest: dict[str, int] = {}
    for id_, state in states.items():
        row = rows[id_]
        if state in _OFFERED:
            newest[row.hotfix] = max(newest.get(row.hotfix, 0), row.number)
    return {
        id_: RevisionFacts(
            id=id_,
            hotfix=row.hotfix,
            number=row.number,
            product=row.product,
            baseline=row.baseline,
            state=states.get(id_, State.DRAFT),
            fixes=fixes.get(id_, frozenset()),
            customers=frozenset(row.customers) if row.customers else None,
            newest=newest.get(row.hotfix, 0),
        )
        for id_, row in rows.items()
    }


def _named(session: Session, ids: Collection[int]) -> dict[int, dict[str, int]]:
    query = select(Revision.id, Revision.manifest).where(Revision.id.in_(sorted(ids)), Revision.manifest.is_not(None))
    return {row.id: _replaced(Manifest.parse(row.manifest)) for row in session.execute(query)}


def _replaced(manifest: Manifest) -> dict[str, int]:
    relations = manifest.relations
    found: dict[str, int] = {}
    for reference in (*relations.supersedes, *relations.includes, *relations.merges):
        number = reference.revision if reference.revision is not None else 1 << 30
        found[reference.hotfix] = max(found.get(reference.hotfix, 0), number)
    return found


def _marks(session: Session, places: Collection[Place]) -> dict[Place, list[Mark]]:
    query = (
        select(Affected.product, Affected.baseline, Affected.status, Affected.reason)
        .add_columns(Issue.id, Issue.title, Issue.severity, Issue.cve, Issue.workaround)
        .join(Issue, Issue.id == Affected.issue)
        .where(tuple_(Affected.product, Affected.baseline).in_(sorted(places)))
        .order_by(Issue.id)
    )
    found: dict[Place, list[Mark]] = {}
    for product, baseline, status, reason, id_, title, severity, cve, workaround in session.execute(query):
        mark = Mark(id_, title, severity, frozenset(cve), workaround, Status(status), reason)
        found.setdefault((product, baseline), []).append(mark)
    return found


def _contained(session: Session, places: Collection[Place]) -> dict[Place, frozenset[str]]:
    """Return what campaigns found to be in the history of baselines already."""
    query = (
        select(Campaign.fixes, CampaignBaseline.product, CampaignBaseline.baseline)
        .join(CampaignBaseline, CampaignBaseline.campaign == Campaign.id)
        .where(tuple_(CampaignBaseline.product, CampaignBaseline.baseline).in_(sorted(places)))
        .where(
            CampaignBaseline.hotfix.is_(None), CampaignBaseline.head.is_(None), CampaignBaseline.stopped_at.is_(None)
        )
    )
    found: dict[Place, frozenset[str]] = {}
    for row in session.execute(query):
        names = {fix["id"] for fix in row.fixes if fix.get("coverage", "full") == "full"}
        place = (row.product, row.baseline)
        found[place] = found.get(place, frozenset()) | names
    return found


def _baselines(session: Session, products: Iterable[str]) -> dict[str, list[tuple[str, datetime]]]:
    query = select(Baseline.product, Baseline.label, Baseline.added).where(Baseline.product.in_(sorted(products)))
    found: dict[str, list[tuple[str, datetime]]] = {}
    for row in session.execute(query.order_by(Baseline.added, Baseline.label)):
        found.setdefault(row.product, []).append((row.label, row.added))
    return found
