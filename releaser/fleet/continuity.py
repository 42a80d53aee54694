"""What a site would lose by going to another baseline, or by taking a hotfix: each of its fixes, and how that is known.

- Best are the commits: if all of a hotfix lie in the history of the target, or others there change the same, its fixes
  stay.
- Else what people say of the issue at the target, and what is published for it.
- A hotfix for the site's own baseline is tried on a site on paper, by the rules that real sites go by.
- Where nothing tells, nothing is claimed: unknown is its own answer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.errors import GitError, NotFoundError, StateError
from patchline.patches.manifest import Manifest
from patchline.patches.situation import Choices
from patchline.releaser import fitting, hotfixes
from patchline.releaser.fleet.levels import Level, When
from patchline.releaser.fleet.shelves import Place, Shelf, shelf
from patchline.releaser.git_patches import GitPatches
from patchline.releaser.home import mirror_folder
from patchline.releaser.issues import Status
from patchline.releaser.states import State
from patchline.releaser.tables.catalogue import Baseline, Product
from patchline.releaser.tables.hotfixes import Campaign, Hotfix, Revision


class Fate(StrEnum):
    """What becomes of a fix."""

    LOST = "lost"
    UNKNOWN = "unknown"
    KEPT = "kept"


@dataclass(frozen=True)
class FixFate:
    """What becomes of one fix.

    Attributes:
        by: hotfixes in force that bring it now.
        how: how that is known.
        take: published hotfixes for the target that bring it again.
    """

    fix: str
    by: tuple[str, ...]
    fate: Fate
    how: str
    take: tuple[str, ...] = ()


@dataclass(frozen=True)
class Continuity:
    """What would become of the fixes of a site.

    Attributes:
        target: a baseline's label, or the label of a revision.
        fixes: the lost ones first.
        problems: why it could not be done as the site is.
        left_out: what is in force and cannot be judged, since the register does not know its fixes.
    """

    level: Level
    target: str
    fixes: tuple[FixFate, ...]
    problems: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def of(self, fate: Fate) -> list[FixFate]:
        """Return the fixes with one fate."""
        return [one for one in self.fixes if one.fate is fate]


@dataclass(frozen=True)
class Target:
    """Where a site would go: to a baseline, with or without a hotfix on it."""

    baseline: Baseline
    revision: Revision | None = None

    @property
    def label(self) -> str:
        """How people call it."""
        return hotfixes.label(self.revision) if self.revision is not None else self.baseline.label


def find_target(session: Session, product: str, written: str) -> Target:
    """Return what somebody means by `--to`: a baseline of the product, or else a hotfix.

    Raises:
        NotFoundError: it is neither.
        StateError: the hotfix is not published.
    """
    baseline = session.get(Baseline, (product, written))
    if baseline is not None:
        return Target(baseline)
    try:
        revision = hotfixes.find(session, written)
    except NotFoundError:
        raise NotFoundError("baseline", f"{product} has no baseline or hotfix {written!r}") from None
    hotfix = session.get_one(Hotfix, revision.hotfix)
    if hotfix.product != product:
        raise NotFoundError("registered-hotfix", f"{written} is for {hotfix.product}, and the site has {product}")
    if State(revision.state) is not State.PUBLISHED:
        raise StateError("hotfix-state", f"{hotfixes.label(revision)} is {revision.state}, so nobody would take it")
    return Target(session.get_one(Baseline, (product, hotfix.baseline)), revision)


def continuity(session: Session, level: Level, target: Target, home: Path, when: When) -> Continuity:
    """Tell what would become of a site's fixes.

    Raises:
        StateError: nothing is known of what is there.
    """
    if level.baseline is None:
        raise StateError("level-unknown", f"nothing is known of what {level.site.name} has")
    place = (level.site.product, target.baseline.label)
    in_force = [one.revision for one in level.there if one.revision is not None]
    kept = shelf(session, {place}, in_force, in_force, None)
    if target.revision is not None and place[1] == level.baseline:
        fixes, problems = _on_site(session, level, target.revision, kept, when)
    else:
        known = {} if place[1] == level.baseline else _by_commits(session, level, target.baseline, kept, home)
        brought = _brought(target, kept)
        fixes = [_fate(fix, by, known, brought, kept, place, level) for fix, by in _fixes(level, kept).items()]
        problems = []
    fixes.sort(key=lambda one: (list(Fate).index(one.fate), one.fix))
    unnamed = [one.label for one in level.there if one.revision is None or not kept.facts[one.revision].fixes]
    return Continuity(level, target.label, tuple(fixes), tuple(problems), tuple(unnamed))


def _fixes(level: Level, kept: Shelf) -> dict[str, list[int]]:
    """Return the fixes of a site with the revisions that bring them."""
    found: dict[str, list[int]] = {}
    for one in level.there:
        for fix in sorted(kept.facts[one.revision].fixes) if one.revision is not None else ():
            found.setdefault(fix, []).append(one.revision or 0)
    return found


def _brought(target: Target, kept: Shelf) -> Mapping[str, str]:
    """Return what the hotfix of a target brings."""
    if target.revision is None:
        return {}
    return dict.fromkeys(kept.facts[target.revision.id].fixes, f"{target.label} brings it")


# Another baseline


def _fate(
    fix: str,
    by: Sequence[int],
    known: Mapping[int, str],
    brought: Mapping[str, str],
    kept: Shelf,
    place: Place,
    level: Level,
) -> FixFate:
    """Tell what becomes of a fix at a target, by the best that is known."""
    labels = tuple(kept.facts[revision].label for revision in by)
    take = tuple(_published(fix, kept, place, level.site.customer))
    if how := next((known[revision] for revision in by if revision in known), None):
        return FixFate(fix, labels, Fate.KEPT, how)
    if fix in brought:
        return FixFate(fix, labels, Fate.KEPT, brought[fix])
    if place[1] == level.baseline:
        return FixFate(fix, labels, Fate.KEPT, "the baseline stays")
    if fix in kept.contained.get(place, frozenset()):
        return FixFate(fix, labels, Fate.KEPT, f"a campaign found its commits in {place[1]}")
    cves = {cve for revision in by for cve in kept.cves.get(revision, ())}
    marks = [mark for mark in kept.marks.get(place, ()) if mark.issue == fix or not mark.cve.isdisjoint(cves)]
    for mark in marks:
        if mark.status is Status.NOT_AFFECTED and mark.issue == fix:
            return FixFate(fix, labels, Fate.KEPT, f"{place[1]} is not affected: {mark.reason}")
        if mark.status in (Status.AFFECTED, Status.NO_FIX_PLANNED):
            return FixFate(fix, labels, Fate.LOST, f"{place[1]} is affected by {mark.issue}", take)
    if take:
        return FixFate(fix, labels, Fate.LOST, f"a hotfix of its own was made for {place[1]}", take)
    return FixFate(fix, labels, Fate.UNKNOWN, f"nobody has said whether {place[1]} has it")


def _published(fix: str, kept: Shelf, place: Place, customer: str) -> Iterable[str]:
    for fact in kept.facts.values():
        mine = fact.customers is None or customer in fact.customers
        if (fact.product, fact.baseline) == place and fix in fact.fixes and fact.state is State.PUBLISHED and mine:
            yield fact.label


def _by_commits(session: Session, level: Level, baseline: Baseline, kept: Shelf, home: Path) -> dict[int, str]:
    """Return by revision in force how its commits say that the target has it all; silent where they do not."""
    product = session.get_one(Product, baseline.product)
    repository = Path(product.repository) if product.repository else None
    sources = _sources(session, level, kept)
    if repository is None or baseline.commit_id is None or not sources:
        return {}
    try:
        with GitPatches(repository, mirror_folder(product.id, home)) as git:
            return {
                revision: how
                for revision, (base, ways) in sources.items()
                if (how := _in_history(git, base, ways, baseline)) is not None
            }
    except GitError:
        # The source is not at hand, or lacks what is asked for: the other ways to know still answer.
        return {}


def _sources(session: Session, level: Level, kept: Shelf) -> dict[int, tuple[str, list[tuple[str, ...]]]]:
    """Return by revision the commit it was built on, and the commits that are its fix: its own, and what they came from."""
    ids = [one.revision for one in level.there if one.revision in kept.facts]
    query = (
        select(Revision.id, Revision.manifest, Campaign.commits)
        .join(Hotfix, Hotfix.id == Revision.hotfix)
        .outerjoin(Campaign, Campaign.id == Hotfix.campaign)
        .where(Revision.id.in_(ids), Revision.manifest.is_not(None))
    )
    found = {}
    for row in session.execute(query):
        provenance = Manifest.parse(row.manifest).provenance
        if provenance["kind"] == "git" and provenance["commits"]:
            ways = [tuple(provenance["commits"]), *([tuple(row.commits)] if row.commits else [])]
            found[row.id] = (str(provenance["base_commit"]), ways)
    return found


def _in_history(git: GitPatches, base: str, ways: Sequence[tuple[str, ...]], baseline: Baseline) -> str | None:
    head = str(baseline.commit_id)
    for commits in ways:
        if not git.there([base, head, *commits]):
            continue
        missing = git.not_on(commits, head)
        if not missing:
            return f"its commits lie in the history of {baseline.label}"
        same = git.same_changes(missing, base, head)
        if len(same) == len(missing):
            return f"{baseline.label} has the same change, as {', '.join(oid[:12] for oid in same.values())}"
    return None


# The same baseline


def _on_site(
    session: Session, level: Level, revision: Revision, kept: Shelf, when: When
) -> tuple[list[FixFate], list[str]]:
    """Try a hotfix on a site on paper that has what this one has, as if every loss were accepted."""
    manifests = _manifests(session, [*(one.revision for one in level.there), revision.id])
    new = manifests.get(revision.id)
    present = sorted((one for one in level.there if one.revision in manifests), key=lambda one: one.at or when.now)
    fixes = _fixes(level, kept)
    replaced: set[str] = set()
    problems: list[str] = []
    if new is not None:
        site = fitting.Shelf(session, revision, new, when.now).site()
        for one in present:
            site.apply(manifests[one.revision or 0])
        decision = site.decide(new, choices=Choices(accept_loss=frozenset(fixes)))
        replaced = {item.manifest.digest for layer in decision.layers for item in layer.replaces}
        problems = [problem.message for problem in decision.problems]
        problems += [f"nothing to do, it is contained in {where}" for _, where in decision.contained]
    going = {id_ for id_, manifest in manifests.items() if manifest.digest in replaced}
    return [_fate_here(fix, by, going, revision, kept) for fix, by in fixes.items()], problems


def _manifests(session: Session, ids: Iterable[int | None]) -> dict[int, Manifest]:
    wanted = [id_ for id_ in ids if id_ is not None]
    query = select(Revision.id, Revision.manifest).where(Revision.id.in_(wanted), Revision.manifest.is_not(None))
    return {row.id: Manifest.parse(row.manifest) for row in session.execute(query)}


def _fate_here(fix: str, by: Sequence[int], going: set[int], revision: Revision, kept: Shelf) -> FixFate:
    labels = tuple(kept.facts[one].label for one in by)
    name = hotfixes.label(revision)
    if fix in kept.facts[revision.id].fixes:
        return FixFate(fix, labels, Fate.KEPT, f"{name} brings it")
    stays = [kept.facts[one].label for one in by if one not in going]
    if stays:
        return FixFate(fix, labels, Fate.KEPT, f"{', '.join(stays)} stays in force beside {name}")
    return FixFate(fix, labels, Fate.LOST, f"{name} replaces {', '.join(labels)} and does not bring it")
