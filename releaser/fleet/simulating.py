"""What would become of a revision at every site that it is for: tried once on each distinct level that is known.

A level is a baseline and the set of revisions in force. What a site was reported to have stands on its virtual site
as it was reported; whether the revision may go on top say the rules that sites go by. A level of which not everything
is known is an answer of its own: it neither takes nor refuses.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from patchline.patches import documents
from patchline.patches.manifest import Manifest
from patchline.patches.progress import watch
from patchline.patches.situation import Choices, Decision
from patchline.releaser.fitting import Shelf
from patchline.releaser.states import OFFERED, State
from patchline.releaser.tables.customers import TIERS, Customer, Site
from patchline.releaser.tables.fleet import Applied, SiteState
from patchline.releaser.tables.hotfixes import Hotfix, Revision

_REQUIRES, _LOST = "relation.requires", "relation.lost-fix"
_BATCH = 500


class Verdict(StrEnum):
    """What would become of the revision at a level."""

    TAKES = "takes"
    HAS = "has"
    NEEDS = "needs-first"
    LOSES = "would-lose"
    REFUSES = "refuses"
    UNKNOWN = "unknown"
    ELSEWHERE = "other-baseline"


@dataclass(frozen=True)
class Place:
    """A site, as far as it matters here."""

    name: str
    customer: str
    tier: str
    drift: int


@dataclass
class Level:
    """A distinct level and the sites that have it.

    Attributes:
        revisions: those in force, in the order in which they came.
        gap: in words, what is not known of it; None where it is known.
    """

    baseline: str | None
    revisions: tuple[int, ...]
    gap: str | None
    sites: list[Place] = field(default_factory=list)


@dataclass(frozen=True)
class Answer:
    """What would become of the revision at a level.

    Attributes:
        first: labels of what must be applied first, in order.
        replaces: labels of what it takes the place of.
        loses: fixes that the site would lose, each with the hotfix that brings it now.
        reasons: in words, why not, or what is not known.
    """

    verdict: Verdict
    first: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    loses: tuple[tuple[str, str], ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Simulated:
    """The answers for all levels.

    Attributes:
        manifest: digest of what was tried.
        against: digest of the levels and of what was published.
        levels: each with its answer and the labels of what is in force there.
    """

    manifest: str
    against: str
    levels: tuple[tuple[Level, tuple[str, ...], Answer], ...]

    def counts(self) -> dict[str, Any]:
        """Return sites, customers and sites by tier, for each verdict that there is."""
        found = {}
        for verdict in Verdict:
            sites = [site for level, _, answer in self.levels if answer.verdict is verdict for site in level.sites]
            if sites:
                tiers = Counter(site.tier for site in sites)
                found[str(verdict)] = {
                    "sites": len(sites),
                    "customers": len({site.customer for site in sites}),
                    "tiers": {tier: tiers[tier] for tier in TIERS if tier in tiers},
                }
        return found

    def document(self) -> bytes:
        """Return everything as canonical JSON, as it is kept."""
        return documents.encode(
            {
                "format": 1,
                "manifest": self.manifest,
                "against": self.against,
                "levels": [_level(level, labels, answer) for level, labels, answer in self.levels],
            }
        )


def _level(level: Level, labels: tuple[str, ...], answer: Answer) -> dict[str, Any]:
    return {
        "baseline": level.baseline,
        "hotfixes": [*labels],
        "verdict": str(answer.verdict),
        "first": [*answer.first],
        "replaces": [*answer.replaces],
        "loses": [{"fix": fix, "hotfix": hotfix} for fix, hotfix in answer.loses],
        "reasons": [*answer.reasons],
        "sites": [site.name for site in level.sites],
        "drifting": [site.name for site in level.sites if site.drift],
        "customers": sorted({site.customer for site in level.sites}),
        "tiers": dict(sorted(Counter(site.tier for site in level.sites).items())),
    }


# The levels there are


def levels_for(session: Session, hotfix: Hotfix) -> list[Level]:
    """Return the distinct levels of the sites that a hotfix is for, in two statements."""
    query = (
        select(
            Site.id,
            Site.name,
            Site.customer,
            Customer.tier,
            SiteState.baseline,
            func.coalesce(SiteState.drift, 0).label("drift"),
            SiteState.contested,
            SiteState.unfinished,
            SiteState.unknown,
        )
        .join(Customer, Customer.id == Site.customer)
        .outerjoin(SiteState, SiteState.site == Site.id)
        .where(Site.product == hotfix.product, Site.retired.is_(None))
        .order_by(Site.name)
    )
    if hotfix.customers is not None:
        query = query.where(Site.customer.in_(hotfix.customers))
    applied = _applied(session, hotfix)
    found: dict[tuple[str | None, frozenset[int], str | None], Level] = {}
    for row in session.execute(query):
        revisions, gap = tuple(applied.get(row.id, ())), _gap(row)
        level = found.setdefault((row.baseline, frozenset(revisions), gap), Level(row.baseline, revisions, gap))
        level.sites.append(Place(row.name, row.customer, row.tier, row.drift))
    return list(found.values())


def _applied(session: Session, hotfix: Hotfix) -> dict[int, list[int]]:
    """Return what is in force at each site of the hotfix's baseline, the oldest first."""
    query = (
        select(Applied.site, Applied.revision)
        .join(SiteState, SiteState.site == Applied.site)
        .where(SiteState.product == hotfix.product, SiteState.baseline == hotfix.baseline)
        .order_by(Applied.site, Applied.at, Applied.revision)
    )
    if hotfix.customers is not None:
        query = query.where(SiteState.customer.in_(hotfix.customers))
    found: dict[int, list[int]] = {}
    for site, revision in session.execute(query):
        found.setdefault(site, []).append(revision)
    return found


def _gap(state: Any) -> str | None:
    if state.baseline is None:
        return "its level was never told"
    if state.contested:
        return "two installations report as one site"
    if state.unfinished:
        return "a change was cut off there"
    if state.unknown:
        return "hotfixes are in force that the register does not know"
    return None


def against(session: Session, hotfix: Hotfix, levels: Sequence[Level]) -> str:
    """Return the digest of all that an answer depends on: levels, and what is published or recalled for the baseline."""
    query = (
        select(Revision.id, Revision.state)
        .join(Hotfix, Hotfix.id == Revision.hotfix)
        .where(
            Hotfix.product == hotfix.product,
            Hotfix.baseline == hotfix.baseline,
            Hotfix.id != hotfix.id,
            Revision.state.in_([*OFFERED, State.RECALLED]),
        )
        .order_by(Revision.id)
    )
    told = [[level.baseline or "", sorted(level.revisions), level.gap or ""] for level in levels]
    states = [[row.id, row.state] for row in session.execute(query)]
    return documents.digest(documents.encode({"levels": sorted(told), "revisions": states}))


# Trying


def simulate(shelf: Shelf) -> Simulated:
    """Try a revision on every known level of the sites that it is for."""
    levels = levels_for(shelf.session, shelf.hotfix)
    tried = _Trials(shelf, levels)
    watch().tell("simulating levels", len(levels), "items")
    answers = []
    for level in levels:
        answers.append((level, tried.labels(level), tried.answer(level)))
        watch().advance(1)
    return Simulated(shelf.manifest.digest, against(shelf.session, shelf.hotfix, levels), tuple(answers))


class _Trials:
    """Tries levels; every manifest is read once, and levels that differ by nothing that it meets are tried once."""

    def __init__(self, shelf: Shelf, levels: Sequence[Level]) -> None:
        self._shelf, self._mine = shelf, shelf.manifest
        self._labels: dict[int, str] = {}
        self._manifests: dict[int, Manifest] = {}
        wanted = sorted({revision for level in levels for revision in level.revisions})
        for start in range(0, len(wanted), _BATCH):
            self._read(wanted[start : start + _BATCH])
        self._required = shelf.with_required(self._mine)
        recalled = select(Revision.manifest_sha256).where(Revision.state == State.RECALLED)
        self._recalled = frozenset(digest for digest in shelf.session.scalars(recalled) if digest is not None)
        self._near = _meeting([self._mine, *self._required], self._manifests)
        self._known: dict[tuple[int, ...], Answer] = {}

    def _read(self, revisions: list[int]) -> None:
        query = select(Revision.id, Revision.hotfix, Revision.number, Revision.manifest)
        for row in self._shelf.session.execute(query.where(Revision.id.in_(revisions))):
            self._labels[row.id] = f"{row.hotfix}-r{row.number}"
            if row.manifest is not None:
                self._manifests[row.id] = Manifest.parse(row.manifest)

    def labels(self, level: Level) -> tuple[str, ...]:
        """Return the names of what is in force at a level."""
        return tuple(self._labels[revision] for revision in level.revisions)

    def answer(self, level: Level) -> Answer:
        """Say what would become of the revision at a level."""
        if level.gap is not None:
            return Answer(Verdict.UNKNOWN, reasons=(level.gap,))
        if level.baseline != self._shelf.hotfix.baseline:
            return Answer(Verdict.ELSEWHERE)
        if missing := [self._labels[one] for one in level.revisions if one not in self._manifests]:
            return Answer(Verdict.UNKNOWN, reasons=(f"nothing is known of the files of {', '.join(missing)}",))
        near = tuple(one for one in level.revisions if one in self._near)
        if near not in self._known:
            self._known[near] = self._judged([self._manifests[one] for one in near])
        return self._known[near]

    def _judged(self, there: list[Manifest]) -> Answer:
        site = self._shelf.site(self._recalled)
        site.stand(*there)
        offered, decision = [self._mine], site.decide(self._mine)
        if _has(decision, _REQUIRES):
            in_force = {manifest.digest for manifest in there}
            offered = [*(one for one in self._required if one.digest not in in_force), self._mine]
            decision = site.decide(*offered)
        losing = _has(decision, _LOST)
        if losing:
            fixes = frozenset(fix for manifest in there for fix in manifest.full_fixes)
            decision = site.decide(*offered, choices=Choices(accept_loss=fixes))
        if decision.problems:
            return Answer(Verdict.REFUSES, reasons=tuple(problem.message for problem in decision.problems))
        return self._accepted(decision, losing=losing)

    def _accepted(self, decision: Decision, *, losing: bool) -> Answer:
        for contained, where in decision.contained:
            if contained.digest == self._mine.digest:
                return Answer(Verdict.HAS, reasons=() if where == self._mine.label else (f"contained in {where}",))
        first = tuple(one.manifest.label for one in decision.layers if one.manifest.digest != self._mine.digest)
        layers = decision.layers
        replaces = tuple(item.manifest.label for layer in layers[-1:] for item in layer.replaces)
        verdict = Verdict.LOSES if losing else Verdict.NEEDS if first else Verdict.TAKES
        return Answer(verdict, first, replaces, tuple(_losses(decision)) if losing else ())


def _meeting(offered: Sequence[Manifest], there: Mapping[int, Manifest]) -> set[int]:
    """Return which of those there meet one of the offered somewhere, directly or by others that they meet.

    Two meet by a path, a fix, or because one names the other. All others have no part in any answer.
    """
    by_mark: dict[object, set[int]] = {}
    marks = {number: set(_marks(manifest)) for number, manifest in there.items()}
    for number, own in marks.items():
        for mark in own:
            by_mark.setdefault(mark, set()).add(number)
    found: set[int] = set()
    waiting = {mark for manifest in offered for mark in _marks(manifest)}
    seen: set[object] = set()
    while waiting:
        mark = waiting.pop()
        seen.add(mark)
        for number in by_mark.get(mark, set()) - found:
            found.add(number)
            waiting |= marks[number] - seen
    return found


def _marks(manifest: Manifest) -> Iterator[object]:
    yield from manifest.entries
    yield from (fix.id for fix in manifest.fixes)
    relations = manifest.relations
    named = (relations.requires, relations.conflicts, relations.supersedes, relations.includes, relations.merges)
    yield from (("hotfix", reference.hotfix) for references in named for reference in references)
    yield "hotfix", manifest.hotfix


def _has(decision: Decision, code: str) -> bool:
    return any(problem.code == code for problem in decision.problems)


def _losses(decision: Decision) -> Iterator[tuple[str, str]]:
    """Yield what would be lost: the fix, and the hotfix that brings it now."""
    for layer in decision.layers:
        for item in layer.replaces:
            yield from ((fix, item.manifest.label) for fix in sorted(item.fixes & {*layer.lost}))
