"""One fix taken to other baselines, and two heads to one: commits made in our own store, without a work tree.

The same fix on the same baseline by the same person gives the same commit on any machine and day, as far as git itself
merges the same; so whoever has the source can make it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from patchline.patches.errors import BuildError, GitError
from patchline.releaser.git_merging import Identity, carried_commit, merge_commit, shown_paths
from patchline.releaser.git_objects import read_commit
from patchline.releaser.git_store import Point
from patchline.releaser.git_workshop import GitWorkshop
from patchline.releaser.trees import Roots


@dataclass(frozen=True)
class Picked:
    """How a fix went onto a baseline.

    Attributes:
        head: the last commit; None when nothing had to be carried, or there are conflicts.
        contained: commits of the fix that the baseline has already, or that change nothing there.
        stopped_at: the commit of the fix that does not go onto the baseline.
        conflicts: its paths that people must decide about.
        left: paths outside of the roots that collided and stay as the baseline has them, since nothing of them ships.
    """

    head: Point | None
    contained: tuple[str, ...] = ()
    stopped_at: str | None = None
    conflicts: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


def pick(
    store: GitWorkshop, base: Point, commits: Sequence[str], committer: Identity, roots: Roots | None = None
) -> Picked:
    """Carry commits onto a baseline, the oldest first.

    Args:
        store: where the commits are.
        base: the baseline.
        commits: their ids.
        committer: who carries them.
        roots: what of a tree ships; all of it by default.

    Raises:
        GitError: one of them cannot be read.
    """
    head, contained, left = base, [], set[bytes]()
    for oid in commits:
        if store.lies_on(oid, head.commit):
            contained.append(oid)
            continue
        data = store.raw_commit(oid)
        commit = read_commit(oid, data)
        before = store.resolve(commit.parents[0])
        merged = store.merge(before.tree, head.tree, commit.tree)
        if colliding := [path for path in merged.paths if roots is None or _ships(path, roots)]:
            return Picked(None, tuple(contained), oid, shown_paths(colliding))
        tree = store.taking_back(merged.tree, merged.paths, head.tree) if merged.paths else merged.tree
        left.update(merged.paths)
        if tree == head.tree:
            contained.append(oid)
            continue
        made = store.write_commit(carried_commit(data, oid, tree, head.commit, committer, merged.paths))
        head = Point(None, made, tree)
    return Picked(head if head is not base else None, tuple(contained), left=shown_paths(sorted(left)))


def _ships(path: bytes, roots: Roots) -> bool:
    """Tell whether a path lies in a root; one with a name that cannot be carried does."""
    try:
        return roots.place(path) is not None
    except BuildError:
        return True


def resolved(store: GitWorkshop, base: Point, written: str) -> Point:
    """Return the head that people made for a baseline.

    Raises:
        GitError: it does not lie on the baseline.
    """
    head = store.resolve(written)
    if not store.lies_on(base.commit, head.commit):
        raise GitError("not-on-baseline", f"{written} does not lie on {base.tag or base.commit}")
    if head.tree == base.tree:
        raise GitError("not-on-baseline", f"{written} changes nothing of {base.tag or base.commit}")
    return head


def join(store: GitWorkshop, base: Point, heads: Sequence[Point], committer: Identity, message: str) -> Picked:
    """Merge heads that lie on one baseline, one after the other.

    Returns:
        The merge, or the first head that does not go with those before, and its conflicts.
    """
    tree = heads[0].tree
    for head in heads[1:]:
        merged = store.merge(base.tree, tree, head.tree)
        if merged.paths:
            return Picked(None, (), head.commit, shown_paths(merged.paths))
        tree = merged.tree
    parents = [(head.commit, store.raw_commit(head.commit)) for head in heads]
    made = store.write_commit(merge_commit(parents, tree, committer, message))
    return Picked(Point(None, made, tree))
