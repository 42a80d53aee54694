"""Two conflicting hotfixes become one that goes onto the baseline and onto either of them, and takes their place.

Its content is the merge of both heads over the baseline; for folders of built files, the baseline with the changes of
both. What people wrote about the two is put together (`merged_texts`).
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from sqlalchemy.orm import Session

from patchline.patches.baselines import baseline_list
from patchline.patches.documents import digest
from patchline.patches.errors import BuildError, NotFoundError, RefusedError, StateError, UsageError
from patchline.patches.manifest import Manifest
from patchline.patches.progress import progress
from patchline.releaser import bundles, hotfixes, intake
from patchline.releaser.baselines import states_of_folder
from patchline.releaser.building import Built, FolderOrigin, GitOrigin, Wanted, build
from patchline.releaser.bundle_files import read_bundle
from patchline.releaser.campaigns import committer_of
from patchline.releaser.catalogue import check_pinned, tag_of, the_baseline, the_product
from patchline.releaser.composing import Order
from patchline.releaser.folders import FolderTree
from patchline.releaser.git_merging import Identity
from patchline.releaser.git_store import Point
from patchline.releaser.git_workshop import GitWorkshop
from patchline.releaser.home import mirror_folder
from patchline.releaser.merged_folders import merged_folder
from patchline.releaser.merged_texts import authored_together, check_pair, severity_of, stated_together
from patchline.releaser.merging_sides import Side, read_side
from patchline.releaser.people import People
from patchline.releaser.picking import join, resolved
from patchline.releaser.recipe import Authored
from patchline.releaser.register import Register
from patchline.releaser.states import Action, State
from patchline.releaser.tables.hotfixes import Hotfix, Revision
from patchline.releaser.trees import Roots

Clock = Callable[[], datetime]
_GONE = (State.DRAFT, State.RECALLED, State.REJECTED, State.ABANDONED)


@dataclass(frozen=True)
class Pair:
    """Two hotfixes to merge, and what is needed for it.

    Attributes:
        out: folder of the bundle.
        repository: where the code lies on this machine; None for that of the product.
        head: a ref that somebody merged by hand.
        base_folder: the baseline as released, for hotfixes from folders.
        recipe: says everything that people write, in place of what stands in both.
    """

    one: str
    other: str
    out: Path
    repository: Path | None = None
    head: str | None = None
    base_folder: Path | None = None
    people: People | None = None
    recipe: Authored | None = None
    title: str | None = None
    allow: Mapping[str, str] = field(default_factory=dict)


def merge(register: Register, pair: Pair, by: str, clock: Clock) -> Built:
    """Merge two hotfixes into a new one, and build it.

    Raises:
        BuildError: they collide, or are not to be merged.
        StateError: one has no bundle, or ended.
        NotFoundError: one is not registered.
        RefusedError: no customer may have both.
    """
    with tempfile.TemporaryDirectory(prefix=".patchline-", dir=pair.out) as name, ExitStack() as stack:
        folder = Path(name)
        with register.read() as session:
            customers, repository, committer = _known(session, pair, by)
            kept = [_taken(session, identifier) for identifier in (pair.one, pair.other)]
        check_pair(*(found.manifest for found in kept))
        sides = []
        for number, found in enumerate(kept):
            bundles.fetch(register, found, folder / found.name)
            sides.append(read_side(folder / found.name, folder / str(number)))
        one, other = sides
        authored = _authored(pair, one, other)
        origin = stack.enter_context(_origin(register, pair, (one, other), authored, repository, committer, folder))
        title = pair.title or authored.title or _title(one.manifest, other.manifest)
        severity = authored.severity or severity_of(one.manifest, other.manifest)
        target = one.manifest.target
        with register.change(by, clock()) as change:
            wanted = hotfixes.Wanted(
                product=target.product,
                baseline=target.baselines[0],
                title=title,
                severity=severity,
                fixes=tuple(str(fix["id"]) for fix in authored.fixes),
                customers=customers,
            )
            made = hotfixes.new(change, wanted)
        order = Order(
            hotfix=made.hotfix,
            product=target.product,
            baselines=target.baselines,
            severity=severity,
            title=title,
            repository=one.manifest.provenance.get("repository"),
            stated={} if pair.recipe else stated_together(one.manifest, other.manifest),
        )
        onto = (one.bundle.path, other.bundle.path)
        ordered = Wanted(order, authored, origin, pair.people, onto, dict(pair.allow))
        try:
            with progress(f"building {made.hotfix}") as advance:
                built = build(ordered, pair.out / f"{made.hotfix}-r1.hotfix", clock, advance)
        except BuildError as error:
            with register.change(by, clock()) as change:
                hotfixes.stop(change, made.hotfix, Action.ABANDON, f"not built: {error.message}"[:1000])
            raise
        bundle = read_bundle(built.path)
        size = bundles.keep(register, bundle)
        with register.change(by, clock()) as change:
            intake.take(change, made.hotfix, bundle, size)
        if isinstance(origin, GitOrigin) and pair.head is None:
            _hand_on(register, made.hotfix, origin, bundle.beside(COMMITS))
    return built


COMMITS = ".commits"
"""The merge commit, for approvers who rebuild the bundle from their own clones: `git fetch` reads it."""


def _known(session: Session, pair: Pair, by: str) -> tuple[tuple[str, ...] | None, Path | None, Identity]:
    one, other = (_hotfix(session, identifier) for identifier in (pair.one, pair.other))
    repository = pair.repository
    if repository is None and (stated := the_product(session, one.product).repository):
        repository = Path(stated)
    return _customers(one, other), repository, committer_of(session, by, pair.people)


def _hotfix(session: Session, identifier: str) -> Hotfix:
    return session.get_one(Hotfix, hotfixes.find(session, identifier).hotfix)


def _customers(one: Hotfix, other: Hotfix) -> tuple[str, ...] | None:
    """Return who may have what both hold."""
    if one.customers is None or other.customers is None:
        both = one.customers or other.customers
        return tuple(both) if both else None
    both = sorted({*one.customers} & {*other.customers})
    if not both:
        raise RefusedError("no-customer", f"no customer may have both {one.id} and {other.id}")
    return tuple(both)


def _taken(session: Session, identifier: str) -> bundles.ReleaseSet:
    revision: Revision = hotfixes.find(session, identifier)
    if State(revision.state) in _GONE or revision.manifest is None:
        raise StateError("hotfix-state", f"{hotfixes.label(revision)} is {revision.state}, so it is not merged")
    return bundles.release_set(session, revision)


def _title(one: Manifest, other: Manifest) -> str:
    text = one.title if one.title == other.title else f"{one.title}; {other.title}"
    return text if len(text) <= 300 else f"{text[:299]}…"


def _authored(pair: Pair, one: Side, other: Side) -> Authored:
    together = authored_together(one, other) if pair.recipe is None else pair.recipe
    if pair.recipe is None:
        return together
    merges = authored_together(one, other).relations["merges"]
    return replace(pair.recipe, relations={**pair.recipe.relations, "merges": merges})


@contextmanager
def _origin(
    register: Register,
    pair: Pair,
    sides: tuple[Side, Side],
    authored: Authored,
    repository: Path | None,
    committer: Identity,
    folder: Path,
) -> Iterator[GitOrigin | FolderOrigin]:
    one, other = (side.manifest for side in sides)
    if one.provenance["kind"] == "git":
        if pair.base_folder:
            raise UsageError("options", "--base-dir is for hotfixes that were built from folders")
        yield _git_origin(register, pair, one, other, repository, committer)
        return
    if pair.base_folder is None or pair.head:
        raise UsageError("options", "both were built from folders: give --base-dir, and no --head")
    if not pair.base_folder.is_dir():
        raise NotFoundError("folder", f"{pair.base_folder} is not a folder")
    _check_base(pair.base_folder, one, Roots(authored.roots, authored.platforms))
    head = merged_folder(pair.base_folder, *sides, authored.roots, folder)
    source = f"{one.label} ({one.provenance['source']}) and {other.label} ({other.provenance['source']}), merged"
    people = tuple(sorted({*one.contributors, *other.contributors}))
    yield FolderOrigin(pair.base_folder, head, source[:1000], people)


def _check_base(folder: Path, one: Manifest, roots: Roots) -> None:
    """Refuse a folder that is not the one from which both were built."""
    with progress("hashing the baseline") as advance:
        states = states_of_folder(FolderTree(folder, advance), roots)
    if digest(baseline_list(one.target.product, one.target.baselines[0], states)) != one.provenance["base_files"]:
        raise BuildError("merge-base", f"{folder} is not the folder from which {one.label} was built")


def _git_origin(
    register: Register,
    pair: Pair,
    one: Manifest,
    other: Manifest,
    repository: Path | None,
    committer: Identity,
) -> GitOrigin:
    if repository is None:
        raise UsageError("options", f"product {one.target.product} has no repository; give --repo")
    mirror = mirror_folder(one.target.product, register.home)
    with register.read() as session, GitWorkshop(repository, mirror) as store:
        baseline = the_baseline(session, one.target.product, one.target.baselines[0])
        base = (
            tag_of(store, f"refs/tags/{baseline.tag}") if baseline.tag else store.resolve(one.provenance["base_commit"])
        )
        check_pinned(baseline, base)
        head = resolved(store, base, pair.head) if pair.head else _merged_head(store, base, one, other, committer)
    return GitOrigin(repository, base.ref or base.commit, head.commit, mirror)


def _merged_head(store: GitWorkshop, base: Point, one: Manifest, other: Manifest, committer: Identity) -> Point:
    heads = [store.resolve(manifest.provenance["head_commit"]) for manifest in (one, other)]
    found = join(store, base, heads, committer, f"Merge {one.label} and {other.label}")
    if found.head is None:
        raise BuildError("merge-conflict", f"{one.label} and {other.label} collide in {', '.join(found.conflicts)}")
    return found.head


def _hand_on(register: Register, identifier: str, origin: GitOrigin, out: Path) -> None:
    """Write the merge commit beside its bundle, with what the source does not have."""
    with GitWorkshop(origin.repo, origin.mirror) as store:
        store.keep(identifier, origin.head)
        store.write_pack([identifier], [store.resolve(origin.base).commit], out)
