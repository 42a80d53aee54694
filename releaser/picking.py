"""One fix taken to other baselines, and two heads to one: commits made in our own store, without a work tree.

The same fix on the same baseline by the same person gives the same commit on any machine and day, as far as git itself
merges the same; so whoever has the source can make it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from patchline.patches.errors import GitError
from patchline.releaser.git_merging import Identity, carried_commit, merge_commit
from patchline.releaser.git_objects import read_commit
from patchline.releaser.git_store import GitStore, Point


@dataclass(frozen=True)
class Picked:
    """How a fix went onto a baseline.

    Attributes:
        head: the last commit; None when nothing had to be carried, or there are conflicts.
        contained: commits of the fix that the baseline has already, or that change nothing there.
        stopped_at: the commit of the fix that does not go onto the baseline.
        conflicts: its paths that people must decide about.
    """

    head: Point | None
    contained: tuple[str, ...] = ()
    stopped_at: str | None = None
    conflicts: tuple[str, ...] = ()


def pick(store: GitStore, base: Point, commits: Sequence[str], committer: Identity) -> Picked:
    """Carry commits onto a baseline, the oldest first.

    Raises:
        GitError: one of them cannot be read.
    """
    head, contained = base, []
    for oid in commits:
        if store.lies_on(oid, head.commit):
            contained.append(oid)
            continue
        data = store.raw_commit(oid)
        commit = read_commit(oid, data)
        before = store.resolve(commit.parents[0])
        merged = store.merge(before.tree, head.tree, commit.tree)
        if merged.conflicts:
            return Picked(None, tuple(contained), oid, merged.conflicts)
        if merged.tree == head.tree:
            contained.append(oid)
            continue
        made = store.write_commit(carried_commit(data, oid, merged.tree, head.commit, committer))
        head = Point(None, made, merged.tree)
    return Picked(head if head is not base else None, tuple(contained))


def resolved(store: GitStore, base: Point, written: str) -> Point:
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


def join(store: GitStore, base: Point, heads: Sequence[Point], committer: Identity, message: str) -> Picked:
    """Merge heads that lie on one baseline, one after the other.

    Returns:
        The merge, or the first head that does not go with those before, and its conflicts.
    """
    tree = heads[0].tree
    for head in heads[1:]:
        merged = store.merge(base.tree, tree, head.tree)
        if merged.conflicts:
            return Picked(None, (), head.commit, merged.conflicts)
        tree = merged.tree
    parents = [(head.commit, store.raw_commit(head.commit)) for head in heads]
    made = store.write_commit(merge_commit(parents, tree, committer, message))
    return Picked(Point(None, made, tree))
