"""What a hotfix is at a site: one pure rule, from frozen facts on both.

The rule is total: whatever is known of a site and of a revision, exactly one state follows. So the sites of all states
add up to the fleet.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from patchline.releaser.states import State


class HotfixState(StrEnum):
    """What a revision is at a site, as far as is known."""

    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not applicable"
    APPLICABLE = "applicable"
    AVAILABLE = "available"
    DOWNLOADED = "downloaded"
    APPLIED = "applied"
    PENDING = "pending restart"
    ROLLED_BACK = "rolled back"
    RECALLED_THERE = "recalled and still there"
    SUPERSEDED = "superseded"
    OBSOLETE_REVISION = "obsolete revision"
    IN_BASELINE = "in the baseline"


IN_FORCE = frozenset(
    {HotfixState.APPLIED, HotfixState.PENDING, HotfixState.RECALLED_THERE, HotfixState.OBSOLETE_REVISION}
)
"""States of which a site that has the revision in force has one; others may have the last as well."""
MISSING = frozenset({HotfixState.APPLICABLE, HotfixState.AVAILABLE, HotfixState.DOWNLOADED, HotfixState.ROLLED_BACK})
"""States in which a site should still take it."""
_ENDED = (State.DRAFT, State.REJECTED, State.ABANDONED)


@dataclass(frozen=True)
class RevisionFacts:
    """What the register says of a revision.

    Attributes:
        fixes: that it mends in full.
        customers: whom it is for; None for all.
        newest: number of the newest revision of the hotfix that was published, 0 for none.
    """

    id: int
    hotfix: str
    number: int
    product: str
    baseline: str
    state: State
    fixes: frozenset[str] = frozenset()
    customers: frozenset[str] | None = None
    newest: int = 0

    @property
    def label(self) -> str:
        """Its name, such as `HF-2026-0012-r1`."""
        return f"{self.hotfix}-r{self.number}"


@dataclass(frozen=True)
class SiteFacts:
    """What is known of a site at the moment that is asked for.

    Attributes:
        baseline: None while nobody knows.
        pending: by revision in force, whether the running processes do not use it yet.
        numbers: by hotfix in force, the number of its revision.
        fixes: by revision in force, what it mends in full.
        named: hotfixes in whose place those in force stand by their own words, with the highest such revision.
        gone: revisions that were in force and are no more.
        downloaded: revisions that they took.
        baseline_fixes: what the baseline needs no hotfix for.
    """

    customer: str
    product: str
    baseline: str | None
    pending: Mapping[int, bool] = field(default_factory=dict)
    numbers: Mapping[str, int] = field(default_factory=dict)
    fixes: Mapping[int, frozenset[str]] = field(default_factory=dict)
    named: Mapping[str, int] = field(default_factory=dict)
    gone: frozenset[int] = frozenset()
    downloaded: frozenset[int] = frozenset()
    baseline_fixes: frozenset[str] = frozenset()

    @cached_property
    def mended(self) -> frozenset[str]:
        """All that what is in force mends in full."""
        return frozenset[str]().union(*self.fixes.values())


@dataclass(frozen=True)
class Judged:
    """A state, and what stands behind it in a few words; empty where the state says it all."""

    state: HotfixState
    why: str = ""


def judge(revision: RevisionFacts, site: SiteFacts, obstacle: str | None) -> Judged:
    """Tell what a revision is at a site.

    Args:
        revision: what the register says of it.
        site: what is known of the site.
        obstacle: why the site may not have it yet, None if it may.
    """
    if site.product != revision.product:
        return Judged(HotfixState.NOT_APPLICABLE, f"it is for {revision.product}")
    if revision.id in site.pending:
        return _in_force(revision, site.pending[revision.id])
    if site.baseline is None:
        taken = revision.id in site.downloaded
        return Judged(HotfixState.DOWNLOADED if taken else HotfixState.UNKNOWN, "nothing is known of what is there")
    if site.baseline != revision.baseline:
        return _elsewhere(revision, site)
    return _absent(revision, site, obstacle)


def _in_force(revision: RevisionFacts, pending: bool) -> Judged:
    if revision.state is State.RECALLED:
        return Judged(HotfixState.RECALLED_THERE)
    if revision.number < revision.newest:
        return Judged(HotfixState.OBSOLETE_REVISION, f"r{revision.newest} was published")
    return Judged(HotfixState.PENDING if pending else HotfixState.APPLIED)


def _elsewhere(revision: RevisionFacts, site: SiteFacts) -> Judged:
    """Judge one for another baseline than the site's."""
    if revision.fixes and revision.fixes <= site.baseline_fixes:
        return Judged(HotfixState.IN_BASELINE, f"{site.baseline} needs it no more")
    return Judged(HotfixState.NOT_APPLICABLE, f"it is for {revision.baseline}")


def _absent(revision: RevisionFacts, site: SiteFacts, obstacle: str | None) -> Judged:
    """Judge one for the site's baseline that is not in force there."""
    if site.numbers.get(revision.hotfix, 0) > revision.number or site.named.get(revision.hotfix, 0) >= revision.number:
        return Judged(HotfixState.SUPERSEDED)
    if revision.fixes and revision.fixes <= site.mended:
        return Judged(HotfixState.SUPERSEDED, "what is in force mends all of it")
    if revision.fixes and revision.fixes <= site.baseline_fixes:
        return Judged(HotfixState.IN_BASELINE, f"{site.baseline} does not need it")
    if revision.customers is not None and site.customer not in revision.customers:
        return Judged(HotfixState.NOT_APPLICABLE, "it is for other customers")
    if revision.id in site.gone:
        return Judged(HotfixState.ROLLED_BACK)
    if revision.number < revision.newest:
        return Judged(HotfixState.OBSOLETE_REVISION, f"r{revision.newest} was published")
    if revision.id in site.downloaded:
        return Judged(HotfixState.DOWNLOADED, "it was recalled" if revision.state is State.RECALLED else "")
    if revision.state is State.RECALLED or revision.state in _ENDED:
        return Judged(HotfixState.NOT_APPLICABLE, f"it is {revision.state}")
    if revision.state is not State.PUBLISHED:
        return Judged(HotfixState.APPLICABLE, f"it is {revision.state}")
    return Judged(HotfixState.APPLICABLE, obstacle) if obstacle is not None else Judged(HotfixState.AVAILABLE)
