"""Products and their baselines: what the vendor released, pinned so that it stays what it was."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from patchline.patches import identifiers
from patchline.patches.documents import digest
from patchline.patches.errors import GitError, NotFoundError, StateError, UsageError
from patchline.patches.progress import progress
from patchline.patches.statements import time_text
from patchline.releaser.archive_index import BOUNDS, Bounds, Listed
from patchline.releaser.baseline_sources import BaselineSource, artefacts
from patchline.releaser.baselines import CommitFiles, listed
from patchline.releaser.contents import Indexed, index, store
from patchline.releaser.git_store import GitStore, Point
from patchline.releaser.home import mirror_folder
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change, Register
from patchline.releaser.tables.catalogue import Baseline, Product
from patchline.releaser.tables.people import Role
from patchline.releaser.trees import Roots

MAKERS = (Role.ENGINEER, Role.RELEASE_MANAGER)
"""Who may add to the catalogue."""
BUILT = "built:"
"""Stands before the paths of artefacts in the index of a baseline whose files are those of a commit."""


# Products


def add_product(change: Change, identifier: str, name: str | None, repository: Path | None) -> Product:
    """Add a product.

    Args:
        change: under way.
        identifier: its id, as it stands in manifests.
        name: for people; the id by default.
        repository: where its code lies on this machine, unless said otherwise.

    Raises:
        RefusedError: who acts may not.
        StateError: it is there.
        UsageError: this is no product's id.
    """
    require_role(change.session, change.by, *MAKERS)
    if not identifiers.PRODUCT.fullmatch(identifier):
        raise UsageError("options", f"{identifier!r} is no product's id: letters, digits, dots, dashes, underscores")
    if change.session.get(Product, identifier) is not None:
        raise StateError("product-exists", f"product {identifier} is in the register")
    product = Product(
        id=identifier,
        name=name or identifier,
        repository=str(repository.absolute()) if repository else None,
        added=change.now,
    )
    change.session.add(product)
    change.record("product.add", identifier, {"name": product.name})
    return product


def the_product(session: Session, identifier: str) -> Product:
    """Return a product.

    Raises:
        NotFoundError: the register does not know it.
    """
    product = session.get(Product, identifier)
    if product is None:
        raise NotFoundError("product", f"the register knows no product {identifier!r}")
    return product


def require_simulation(change: Change, identifier: str, *, required: bool) -> None:
    """Say whether hotfixes of a product are submitted only after they were tried on all known levels.

    Raises:
        NotFoundError: the register does not know it.
        RefusedError: who acts is no release manager.
    """
    require_role(change.session, change.by, Role.RELEASE_MANAGER)
    the_product(change.session, identifier).simulation_required = required
    change.record("product.set", identifier, {"simulation_required": required})


@dataclass(frozen=True)
class ListedProduct:
    """A product as it stands in the list."""

    product: Product
    baselines: int


def list_products(session: Session) -> list[ListedProduct]:
    """Return all products."""
    count = select(func.count()).where(Baseline.product == Product.id).scalar_subquery()
    rows = session.execute(select(Product, count).order_by(Product.id))
    return [ListedProduct(product, number) for product, number in rows]


# Baselines


@dataclass(frozen=True)
class Release:
    """A version as it is to be added.

    Attributes:
        repository: where the code lies on this machine; None for that of the product.
        tag: of the code; None when there are artefacts alone.
        artefacts: what was built: one folder, or files.
        source: where the artefacts come from.
    """

    product: str
    label: str
    repository: Path | None = None
    tag: str | None = None
    artefacts: tuple[Path, ...] = ()
    source: str | None = None
    roots: Mapping[str, str] | None = None
    support_ends: datetime | None = None


def add_baseline(register: Register, release: Release, by: str, now: datetime, bounds: Bounds = BOUNDS) -> Baseline:
    """Add a baseline, with the index of what lies in it; it never changes afterwards.

    The archives come into the register before the baseline does; when it is cut off, a second try goes on there.

    Raises:
        RefusedError: who acts may not.
        StateError: it is there.
        GitError: the tag is not there, moved, or the commit cannot be read.
        BuildError: a name in it cannot be carried.
    """
    _check(release)
    with register.read() as session:
        require_role(session, by, *MAKERS)
        _check_free(session, release)
        repository = release.repository or _repository(the_product(session, release.product))
    roots = Roots(release.roots or {"app": ""})
    if release.tag is None:
        sources = {"": _artefacts(release, roots)}
        return _add(register, release, None, sources, bounds, by, now)
    if repository is None:
        raise UsageError("options", f"product {release.product} has no repository; give --repo")
    with GitStore(repository, mirror_folder(release.product, register.home)) as git:
        point = tag_of(git, release.tag)
        with register.read() as session:
            _check_tag(session, release, point)
        with progress("reading the commit") as advance:
            sources = {"": CommitFiles(git, point.tree, roots, advance)}
        if release.artefacts:
            sources[BUILT] = _artefacts(release, Roots({"app": ""}))
        return _add(register, release, point, sources, bounds, by, now)


def _check(release: Release) -> None:
    if not identifiers.VERSION.fullmatch(release.label):
        raise UsageError("options", f"{release.label!r} is no version")
    if release.tag is None and not release.artefacts:
        raise UsageError("options", "give --tag, or --artefacts with --source, or all three")
    if bool(release.artefacts) != bool(release.source):
        raise UsageError("options", "--artefacts and --source go together: say where the artefacts come from")
    if release.tag is None and release.repository:
        raise UsageError("options", "--repo goes with --tag")


def _check_free(session: Session, release: Release) -> None:
    if session.get(Baseline, (release.product, release.label)) is not None:
        raise StateError("baseline-exists", f"baseline {release.label} of {release.product} is in the register")


def _check_tag(session: Session, release: Release, point: Point) -> None:
    """Refuse a tag that another baseline saw elsewhere."""
    same = select(Baseline).where(Baseline.product == release.product, Baseline.tag == point.tag)
    for other in session.scalars(same):
        check_pinned(other, point)


def check_pinned(baseline: Baseline, point: Point) -> None:
    """Refuse a commit that is not the one a baseline was pinned to.

    Raises:
        GitError: the tag moved since then.
    """
    if baseline.commit_id != point.commit:
        raise GitError(
            "tag-moved",
            f"{baseline.tag} was {baseline.commit_id} when baseline {baseline.label} was added, and is now {point.commit}",
        )


def _repository(product: Product) -> Path | None:
    return Path(product.repository) if product.repository else None


def tag_of(git: GitStore, tag: str) -> Point:
    """Resolve a tag; nothing else pins a release.

    Raises:
        GitError: there is no such tag, or it moved.
    """
    point = git.resolve(tag if tag.startswith("refs/") else f"refs/tags/{tag}")
    if point.tag is None:
        raise GitError("no-tag", f"{tag!r} is no tag")
    return point


def _artefacts(release: Release, roots: Roots) -> BaselineSource:
    with progress("hashing artefacts") as advance:
        return artefacts(list(release.artefacts), roots, advance)


def _add(
    register: Register,
    release: Release,
    point: Point | None,
    sources: Mapping[str, BaselineSource],
    bounds: Bounds,
    by: str,
    now: datetime,
) -> Baseline:
    files = listed(release.product, release.label, sources[""].states)
    indexed = index(register.database, sources, bounds)
    with register.change(by, now) as change:
        _check_free(change.session, release)
        baseline = Baseline(
            product=release.product,
            label=release.label,
            kind="git" if point else "artefacts",
            tag=point.tag if point else None,
            commit_id=point.commit if point else None,
            tree_id=point.tree if point else None,
            source=release.source,
            files=files,
            files_sha256=digest(files),
            container=_store_top(change.session, digest(files), indexed),
            added=now,
            added_by=by,
            support_ends=release.support_ends,
        )
        change.session.add(baseline)
        facts: dict[str, Any] = {"files_sha256": baseline.files_sha256}
        facts |= {"tag": point.tag, "commit": point.commit} if point else {}
        facts |= {"source": release.source} if release.source else {}
        facts |= {"support_ends": time_text(release.support_ends)} if release.support_ends else {}
        change.record("baseline.add", f"{release.product} {release.label}", facts)
    return baseline


def _store_top(session: Session, sha256: str, indexed: Indexed) -> int:
    return store(session, [Listed(sha256, indexed.entries, None)])[sha256]


def the_baseline(session: Session, product: str, label: str) -> Baseline:
    """Return a baseline.

    Raises:
        NotFoundError: the register does not know it.
    """
    baseline = session.get(Baseline, (product, label))
    if baseline is None:
        raise NotFoundError("baseline", f"the register knows no baseline {label!r} of product {product!r}")
    return baseline


def list_baselines(session: Session, product: str | None = None) -> Sequence[Baseline]:
    """Return baselines, newest first within their product."""
    chosen = [Baseline.product == product] if product else []
    order = (Baseline.product, Baseline.added.desc(), Baseline.label.desc())
    return session.scalars(select(Baseline).where(*chosen).order_by(*order)).all()


def named_baselines(session: Session, product: str, labels: Sequence[str]) -> Sequence[Baseline]:
    """Return baselines of a product by their labels, in that order.

    Raises:
        NotFoundError: the register does not know one of them.
    """
    keys = (Baseline.product == product, Baseline.label.in_(labels))
    found = {baseline.label: baseline for baseline in session.scalars(select(Baseline).where(*keys))}
    if missing := [label for label in labels if label not in found]:
        raise NotFoundError("baseline", f"the register knows no baseline {missing[0]!r} of product {product!r}")
    return [found[label] for label in labels]
