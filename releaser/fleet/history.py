"""What happened at a site, in one line of time: what was applied and went, reports, what was told, downloads, recalls.

A site does not tell when it rolled back, only that a hotfix is there no more; such an event says between which reports.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from patchline.releaser.fleet import timeline
from patchline.releaser.fleet.downloads import BEGUN
from patchline.releaser.fleet.folding import Level
from patchline.releaser.fleet.levels import revision_ids
from patchline.releaser.fleet.reading import InForce
from patchline.releaser.fleet.sites import nodes
from patchline.releaser.fleet.timeline import Said
from patchline.releaser.fleet.words import evidence_words
from patchline.releaser.rollouts.windows import read_windows
from patchline.releaser.states import Action
from patchline.releaser.tables.customers import Declared, Site
from patchline.releaser.tables.fleet import Download
from patchline.releaser.tables.hotfixes import Revision, RevisionFix, Step

_OURS = {
    Action.HOLD: "held",
    Action.PROPOSE: "held",
    Action.LIFT: "free again",
    Action.RECALL: "recalled",
    Action.REINSTATE: "free again",
}


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes:
        at: when, as well as is known.
        since: where it happened between two moments, the earlier one.
        node: the site, or the node of it.
        evidence: how we know; None for what we did ourselves.
        reference: the customer's own change reference.
    """

    at: datetime
    kind: str
    what: str
    node: Site
    since: datetime | None = None
    evidence: str | None = None
    reference: str | None = None


@dataclass(frozen=True)
class History:
    """The events of a site and its nodes, oldest first, and the customer's time zone, if anybody told it."""

    site: Site
    events: tuple[Event, ...]
    zone: ZoneInfo | None

    def between(self, begin: datetime | None, end: datetime | None) -> "History":
        """Return the part between two moments."""
        kept = (one for one in self.events if (begin is None or one.at >= begin) and (end is None or one.at <= end))
        return replace(self, events=tuple(kept))


def history(session: Session, site: Site) -> History:
    """Return all that happened at a site and its nodes, in a constant number of statements."""
    places = {one.id: one for one in [site, *nodes(session, site)]}
    said = timeline.said(session, list(places))
    contents = timeline.levels_said(session, [one.id for reports in said.values() for one in reports])
    named = [one for content in contents.values() for one in content.hotfixes]
    ids = revision_ids(session, named)
    mends = _mends(session, set(ids.values()))
    fixes = {one.label: mends.get(ids.get(one.manifest or one.label, 0), frozenset()) for one in named}
    declared = _declared(session, places)
    downloads = _downloads(session, site.customer, places)
    had = {ids[key] for one in named if (key := one.manifest or one.label) in ids}
    events = [event for id_, reports in said.items() for event in _of_reports(places[id_], reports, contents, fixes)]
    events += [_of_declared(places[one.site], one) for one in declared]
    events += [_of_download(places.get(one.site or 0, site), one, label) for one, label in downloads]
    events += _of_steps(session, site, had | {one.revision for one, _ in downloads})
    events.sort(key=lambda event: (event.at, _KINDS.get(event.kind, 9)))
    return History(site, tuple(events), _zone(declared, [site]))


_KINDS = {"declared": 0, "downloaded": 1, "applied": 2, "replaced": 3, "rolled back": 3, "baseline": 4, "told": 5}
"""Order of what happened at one moment; reports come after what they tell."""


def _mends(session: Session, ids: Collection[int]) -> dict[int, frozenset[str]]:
    query = select(RevisionFix.revision, RevisionFix.fix).where(RevisionFix.revision.in_(sorted(ids)))
    found: dict[int, frozenset[str]] = {}
    for row in session.execute(query.where(RevisionFix.coverage == "full")):
        found[row.revision] = found.get(row.revision, frozenset()) | {row.fix}
    return found


# Reports


def _of_reports(
    node: Site, reports: Sequence[Said], contents: Mapping[int, Level], fixes: Mapping[str, frozenset[str]]
) -> Iterator[Event]:
    before: tuple[Said, Level] | None = None
    for one in reports:
        level = contents[one.id]
        yield from _changes(node, before, (one, level), fixes)
        kind = "told" if one.via == "told" else "reported"
        doubts = ", a change was cut off there" if level.unfinished else ""
        drift = f", {level.drift} not as expected" if level.drift else ""
        late = f" (received {one.received:%Y-%m-%d})" if one.received.date() != one.made.date() else ""
        what = f"{level.label or 'unknown'}{doubts}{drift}{late}"
        yield Event(one.made, kind, what, node, evidence=evidence_words(one.evidence))
        before = (one, level)


def _changes(
    node: Site, before: tuple[Said, Level] | None, now: tuple[Said, Level], fixes: Mapping[str, frozenset[str]]
) -> Iterator[Event]:
    """Yield what must have happened between two reports."""
    said, level = now
    evidence = evidence_words(said.evidence)
    earlier = {one.label: one for one in before[1].hotfixes} if before else {}
    there = {one.label: one for one in level.hotfixes}
    since = before[0].made if before else None
    if before is not None and before[1].baseline != level.baseline:
        what = f"{before[1].baseline or 'unknown'} to {level.baseline or 'unknown'}"
        yield Event(said.made, "baseline", what, node, since, evidence)
    for label in sorted(there.keys() - earlier.keys()):
        at = there[label].applied
        known = at is not None and at <= said.made
        when = at if known and at is not None else said.made
        reference = there[label].reference
        yield Event(when, "applied", _applied_words(there[label]), node, None if known else since, evidence, reference)
    moved = before is not None and before[1].baseline != level.baseline
    for label in sorted(earlier.keys() - there.keys()):
        kind, what = _gone(earlier[label], level.hotfixes, moved, fixes)
        yield Event(said.made, kind, what, node, since, evidence)


def _applied_words(one: InForce) -> str:
    more = ["running processes did not use it yet"] if one.pending else []
    more += [f"{one.preserved} files stayed as they were"] if one.preserved else []
    more += [f"loss accepted of {', '.join(one.lost)}"] if one.lost else []
    return ", ".join([one.label, *more])


def _gone(one: InForce, there: Iterable[InForce], moved: bool, fixes: Mapping[str, frozenset[str]]) -> tuple[str, str]:
    """Tell why a hotfix is there no more."""
    mine = fixes.get(one.label, frozenset())
    for other in there:
        if other.hotfix == one.hotfix or (mine and mine <= fixes.get(other.label, frozenset())):
            return "replaced", f"{one.label} by {other.label}"
    return ("replaced", f"{one.label} by another baseline") if moved else ("rolled back", one.label)


# What else happened


def _declared(session: Session, places: Collection[int]) -> Sequence[Declared]:
    query = select(Declared).where(Declared.site.in_(places)).order_by(Declared.at, Declared.id)
    return session.scalars(query).all()


def _of_declared(node: Site, one: Declared) -> Event:
    return Event(one.at, "declared", f"{one.kind}: {one.text}", node, evidence="declared", reference=one.reference)


def _downloads(session: Session, customer: str, places: Collection[int]) -> list[tuple[Download, str]]:
    query = (
        select(Download, Revision.hotfix, Revision.number)
        .join(Revision, Revision.id == Download.revision)
        .where(Download.customer == customer, or_(Download.site.in_(places), Download.site.is_(None)))
        .where(Download.outcome != BEGUN)
        .order_by(Download.at, Download.id)
    )
    return [(row.Download, f"{row.hotfix}-r{row.number}") for row in session.execute(query)]


def _of_download(node: Site, one: Download, label: str) -> Event:
    done = "" if one.outcome == "done" else f": {one.outcome}"
    whom = "" if one.site is not None else ", for no site in particular"
    return Event(one.at, "downloaded" if not done else "not downloaded", f"{label}{done}, {one.how}{whom}", node)


def _of_steps(session: Session, site: Site, revisions: Collection[int]) -> list[Event]:
    """Return what we did to hotfixes that the site had or took."""
    query = (
        select(Step.at, Step.action, Step.reason, Revision.hotfix, Revision.number)
        .join(Revision, Revision.id == Step.revision)
        .where(Step.revision.in_(sorted(revisions)), Step.action.in_(list(_OURS)))
        .order_by(Step.at)
    )
    return [
        Event(row.at, _OURS[Action(row.action)], f"{row.hotfix}-r{row.number}", site) for row in session.execute(query)
    ]


def _zone(declared: Sequence[Declared], sites: Sequence[Site]) -> ZoneInfo | None:
    """Return the customer's time zone: that of the newest event that was told, or of the maintenance window."""
    if declared:
        return ZoneInfo(declared[-1].zone)
    windows = (read_windows(site.window).windows for site in sites if site.window)
    return next((one[0].zone for one in windows if one), None)
