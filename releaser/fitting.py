"""Whether a revision fits everything that is published: tried on virtual sites by the rules that sites go by.

Each published hotfix of the baseline that meets the new one somewhere (a path, a fix, a relation) stands on a virtual
site of its own, with what it requires; the new one must apply there, or say by a conflict that it does not. Those that
meet nowhere cannot be in each other's way, so they are not even read.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, aliased

from patchline.patches.baselines import BaselineList
from patchline.patches.errors import NotFoundError
from patchline.patches.manifest import Manifest, Reference, State
from patchline.patches.situation import Decision, Place
from patchline.releaser.states import OFFERED
from patchline.releaser.tables.catalogue import Baseline
from patchline.releaser.tables.hotfixes import Hotfix, Revision, RevisionFile, RevisionFix
from patchline.releaser.virtual_sites import VirtualSite

_CONFLICT = "relation.conflict"


@dataclass(frozen=True)
class Shelf:
    """What is published for the baseline of one revision, and for its customers."""

    session: Session
    revision: Revision
    manifest: Manifest
    now: datetime

    @cached_property
    def hotfix(self) -> Hotfix:
        """The hotfix of the revision."""
        return self.session.get_one(Hotfix, self.revision.hotfix)

    @cached_property
    def _listed(self) -> dict[Place, State]:
        """What the baseline has, by place."""
        baseline = self.session.get_one(Baseline, (self.hotfix.product, self.hotfix.baseline))
        roots = BaselineList.parse(baseline.files).roots
        return {(root, path): state for root, states in roots.items() for path, state in states.items()}

    def site(self, recalled: frozenset[str] = frozenset()) -> VirtualSite:
        """Return an untouched site of the baseline, that knows of recalled manifests."""
        platforms = frozenset(self.manifest.target.platforms)
        return VirtualSite(self.hotfix.product, self.hotfix.baseline, platforms, self._listed, self.now, recalled)

    def published(self, hotfixes: Iterable[str]) -> dict[str, Manifest]:
        """Return the newest published revision of each of some hotfixes, by id."""
        query = (
            select(Revision.hotfix, Revision.manifest)
            .where(Revision.hotfix.in_(list(hotfixes)), Revision.state.in_(OFFERED), Revision.manifest.is_not(None))
            .order_by(Revision.hotfix, Revision.number)
        )
        return {row.hotfix: Manifest.parse(row.manifest or b"") for row in self.session.execute(query)}

    def neighbours(self) -> dict[str, Manifest]:
        """Return the published hotfixes of the baseline that meet the new one somewhere, by id."""
        mine, other = aliased(RevisionFile), aliased(RevisionFile)
        by_path = (
            select(other.revision)
            .join(mine, (mine.root == other.root) & (mine.path == other.path))
            .where(mine.revision == self.revision.id)
        )
        my_fix, their_fix = aliased(RevisionFix), aliased(RevisionFix)
        by_fix = (
            select(their_fix.revision)
            .join(my_fix, my_fix.fix == their_fix.fix)
            .where(my_fix.revision == self.revision.id)
        )
        named = [reference.hotfix for reference in self.references()]
        query = (
            select(Revision.hotfix)
            .join(Hotfix, Hotfix.id == Revision.hotfix)
            .where(
                Hotfix.product == self.hotfix.product,
                Hotfix.baseline == self.hotfix.baseline,
                Revision.state.in_(OFFERED),
                Revision.id != self.revision.id,
                or_(Revision.id.in_(by_path), Revision.id.in_(by_fix), Revision.hotfix.in_(named)),
            )
            .distinct()
        )
        return self.published(self.session.scalars(query))

    def references(self) -> Iterator[Reference]:
        """Yield every hotfix that it names."""
        relations = self.manifest.relations
        yield from (*relations.requires, *relations.conflicts, *relations.supersedes)
        yield from (*relations.includes, *relations.merges)

    def with_required(self, manifest: Manifest) -> list[Manifest]:
        """Return what a hotfix requires, directly or by others, as far as it is published."""
        found: dict[str, Manifest] = {}
        waiting = [manifest]
        while waiting:
            wanted = {reference.hotfix for reference in waiting.pop().relations.requires} - found.keys()
            there = self.published(wanted - {manifest.hotfix})
            found |= there
            waiting += there.values()
        return list(found.values())


def misfits(shelf: Shelf) -> list[str]:
    """Return in words why a revision does not fit what is published; empty when it does."""
    return [*_bad_references(shelf), *_left_out(shelf), *_clashes(shelf)]


def _bad_references(shelf: Shelf) -> Iterator[str]:
    """Say which relations name what is not published, or is something else."""
    relations = shelf.manifest.relations
    named = sorted({reference.hotfix for reference in shelf.references()})
    there = shelf.published(named)
    known = set(shelf.session.scalars(select(Hotfix.id).where(Hotfix.id.in_(named))))
    for reference in relations.requires:
        found = there.get(reference.hotfix)
        if found is None or found.revision < (reference.revision or 0):
            yield f"it requires {reference.hotfix}-r{reference.revision} or later, which is not published"
    for reference in (*relations.includes, *relations.merges):
        digests = select(Revision.manifest_sha256).where(
            Revision.hotfix == reference.hotfix, Revision.number == reference.revision, Revision.state.in_(OFFERED)
        )
        if reference.manifest not in set(shelf.session.scalars(digests)):
            yield f"it contains {reference.hotfix}-r{reference.revision} in a form that is not published"
    for reference in (*relations.conflicts, *relations.supersedes):
        if reference.hotfix not in known:
            yield f"it names {reference.hotfix}, which the register does not know"


def _left_out(shelf: Shelf) -> Iterator[str]:
    """Say which published one-offs a cumulative lacks; of those for named customers, only the ones for its own."""
    if shelf.manifest.kind != "cumulative":
        return
    mine = shelf.hotfix
    query = (
        select(Hotfix.id, Hotfix.customers, RevisionFix.fix)
        .join(Revision, Revision.hotfix == Hotfix.id)
        .join(RevisionFix, RevisionFix.revision == Revision.id)
        .where(
            Hotfix.product == mine.product,
            Hotfix.baseline == mine.baseline,
            Hotfix.id != mine.id,
            Hotfix.kind == "one-off",
            Revision.state.in_(OFFERED),
            RevisionFix.coverage == "full",
            RevisionFix.fix.not_in(shelf.manifest.full_fixes),
        )
        .order_by(Hotfix.id, RevisionFix.fix)
    )
    lacking: dict[str, dict[str, None]] = {}
    for row in shelf.session.execute(query):
        if row.customers is None or (mine.customers and set(row.customers) >= set(mine.customers)):
            lacking.setdefault(row.id, {})[row.fix] = None
    yield from (f"it lacks {', '.join(fixes)} of {hotfix}" for hotfix, fixes in lacking.items())


def _clashes(shelf: Shelf) -> Iterator[str]:
    """Say on sites with which published hotfix it could not be applied, without having said so itself."""
    for trial in on_sites(shelf):
        where = f"with {', '.join(trial.there)}" if trial.there else "of the baseline"
        yield from (f"on a site {where}: {problem}" for problem in trial.problems)


# Trials


@dataclass(frozen=True)
class Trial:
    """What would happen on one virtual site.

    Attributes:
        there: labels of what stands there already.
        problems: what stands against it, but for conflicts that were declared.
        outcome: what becomes of it.
    """

    there: tuple[str, ...]
    problems: tuple[str, ...]
    outcome: str

    @property
    def fits(self) -> bool:
        """Tell whether nothing unforeseen stands against it."""
        return not self.problems


def on_sites(shelf: Shelf) -> list[Trial]:
    """Try a revision on an untouched site, and on one for each published hotfix that it meets."""
    alone = _tried(shelf, [])
    if alone.problems:
        return [alone]
    others = sorted(shelf.neighbours().items())
    return [alone, *(_tried(shelf, [*shelf.with_required(other), other]) for _, other in others)]


def on_site_with(shelf: Shelf, hotfixes: Sequence[str]) -> Trial:
    """Try a revision on a site that has these published hotfixes, applied in this order.

    Raises:
        NotFoundError: one of them is not published.
    """
    there = shelf.published(hotfixes)
    for hotfix in hotfixes:
        if hotfix not in there:
            raise NotFoundError("registered-hotfix", f"{hotfix} is not published")
    return _tried(shelf, [there[hotfix] for hotfix in hotfixes])


def _tried(shelf: Shelf, there: Sequence[Manifest]) -> Trial:
    site = shelf.site()
    for manifest in there:
        site.apply(manifest)
    known = {manifest.digest for manifest in there}
    required = [manifest for manifest in shelf.with_required(shelf.manifest) if manifest.digest not in known]
    decision = site.decide(*required, shelf.manifest)
    problems = tuple(problem.message for problem in decision.problems if problem.code != _CONFLICT)
    return Trial(tuple(manifest.label for manifest in there), problems, _outcome(shelf.manifest, decision))


def _outcome(manifest: Manifest, decision: Decision) -> str:
    for contained, where in decision.contained:
        if contained.digest == manifest.digest:
            return f"nothing to do, it is contained in {where}"
    for layer in decision.layers:
        if layer.manifest.digest == manifest.digest and layer.replaces:
            return f"replaces {', '.join(item.manifest.label for item in layer.replaces)}"
        if layer.manifest.digest == manifest.digest:
            return "is applied"
    return "is refused, as it says itself"
