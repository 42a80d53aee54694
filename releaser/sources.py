"""What a hotfix is made of: the paths that differ between two trees, their states, and the content behind them.

Git and folders of built files end in the same `Material`; from there on nothing knows where it came from.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from patchline.patches.errors import BuildError, GitError
from patchline.patches.manifest import ABSENT, File, Folder, Link, State
from patchline.releaser.built_archives import is_archive, same_content
from patchline.releaser.folders import FolderTree
from patchline.releaser.git_objects import Commit
from patchline.releaser.git_reader import Object
from patchline.releaser.git_store import GitStore, Point
from patchline.releaser.spool import Spool, measure
from patchline.releaser.trees import Difference, GitTree, Node, Roots, check_twins, compare, compare_commits

Content = Callable[[], Iterable[bytes]]
KeepsBase = Callable[[str, str], bool]
"""Tells by root and path whether the content before the change is needed as well."""

_LFS = b"version https://git-lfs.github.com/spec/v1\n"
_LFS_SIZE = 1024


@dataclass(frozen=True)
class Change:
    """One path of the product: where it lies at the site, and its states in both trees."""

    root: str
    path: str
    pre: State
    post: State

    @property
    def place(self) -> tuple[str, str]:
        """Root and path."""
        return self.root, self.path


@dataclass(frozen=True)
class Material:
    """Everything two trees say about a hotfix.

    Attributes:
        changes: sorted by root and path.
        outside: changed paths of the trees that lie in no root, as shown to people.
        provenance: the manifest's field, as far as the source knows it.
        contents: content by SHA-256: of every state after, of states before where it was asked for.
        old: content of every state before by SHA-256, read again from the source.
        repacked: archives that differ only in how they were packed, and count as unchanged.
        mails: e-mail addresses of everybody who contributed; empty for folders, whose people are named by hand.
        undone: how many commits of the base the head does not have.
        trailers: for a place the fixes that the commits touching it name.
    """

    changes: tuple[Change, ...]
    outside: tuple[str, ...]
    provenance: dict[str, Any]
    contents: Mapping[str, Content]
    old: Mapping[str, Content]
    repacked: tuple[str, ...] = ()
    mails: frozenset[str] = frozenset()
    undone: int = 0
    trailers: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Placed:
    root: str
    path: str
    difference: Difference


def _place(differences: Iterable[Difference], roots: Roots) -> tuple[list[_Placed], tuple[str, ...]]:
    """Sort differences into roots; what lies in none is told apart."""
    placed, outside = [], []
    for difference in differences:
        found = roots.place(difference.path)
        if found is None:
            outside.append(difference.path.decode("utf-8", "backslashreplace"))
        else:
            placed.append(_Placed(*found, difference))
    return sorted(placed, key=lambda item: (item.root, item.path)), tuple(outside)


# Git


def material_of_commits(
    store: GitStore, base: Point, head: Point, roots: Roots, spool: Spool, keeps_base: KeepsBase
) -> Material:
    """Return what two commits differ in.

    Raises:
        GitError: something git holds cannot be shipped: a submodule, an LFS pointer, an incomplete history.
        BuildError: a name cannot be carried.
    """
    placed, outside = _place(compare_commits(store, base.tree, head.tree), roots)
    check_twins(GitTree(store, head.tree), (item.difference for item in placed), roots.platforms)
    commits, undone = store.history(base, head, roots.folders)
    reader = _BlobStates(store, spool, placed, keeps_base)
    changes = tuple(
        Change(item.root, item.path, reader.state(item, item.difference.base), reader.state(item, item.difference.head))
        for item in placed
    )
    return Material(
        changes=changes,
        outside=outside,
        provenance={
            "kind": "git",
            "base_commit": base.commit,
            "head_commit": head.commit,
            "base_tree": base.tree,
            "head_tree": head.tree,
            "commits": [commit.oid for commit in commits],
            **({"base_tag": base.tag} if base.tag else {}),
        },
        contents=reader.contents,
        old=reader.old,
        mails=mails_of(store, commits, head),
        undone=undone,
        trailers=_trailers(store, commits, roots),
    )


def mails_of(store: GitStore, commits: Sequence[Commit], head: Point) -> frozenset[str]:
    """Return the e-mail addresses of everybody who contributed to the commits between a base and a head."""
    # Steps alone come without a commit; somebody must still answer for the tree they run on.
    return frozenset().union(*(commit.mails for commit in commits or (store.commit(head),)))


def _trailers(store: GitStore, commits: Sequence[Commit], roots: Roots) -> dict[tuple[str, str], frozenset[str]]:
    """Return for each place the fixes that its commits name."""
    naming = [commit for commit in commits if commit.fixes]
    if not naming:
        return {}
    touched = store.touched(naming)
    found: dict[tuple[str, str], frozenset[str]] = {}
    for commit in naming:
        for path in touched[commit.oid]:
            place = roots.find(path)
            if place is not None:
                found[place] = found.get(place, frozenset()) | commit.fixes
    return found


class _BlobStates:
    """Reads every blob of a comparison once, in path order, so that versions of one file follow each other."""

    def __init__(self, store: GitStore, spool: Spool, placed: Sequence[_Placed], keeps_base: KeepsBase) -> None:
        self._store, self._spool = store, spool
        self._files: dict[str, tuple[str, int]] = {}
        self._links: dict[str, bytes] = {}
        self._kept: set[str] = set()
        self._link_ids: set[str] = set()
        self._base_ids: set[str] = set()
        self.contents: dict[str, Content] = {}
        self.old: dict[str, Content] = {}
        first: dict[str, _Placed] = {}
        for item in placed:
            self._want(item, item.difference.base, keeps_base(item.root, item.path), first)
            self._base_ids.update([item.difference.base.identity] if item.difference.base else [])
            self._want(item, item.difference.head, True, first)
        for found in store.objects(list(first)):
            self._take(found, first[found.oid].path)

    def _want(self, item: _Placed, node: Node | None, keep: bool, first: dict[str, _Placed]) -> None:
        if node is None or node.kind == "folder":
            return
        if node.kind == "submodule":
            raise GitError("submodule", f"{item.path!r} is a submodule, whose files are not in this repository")
        first.setdefault(node.identity, item)
        if node.kind == "link":
            self._link_ids.add(node.identity)
        elif keep:
            self._kept.add(node.identity)

    def _take(self, found: Object, path: str) -> None:
        oid = found.oid
        if found.kind != "blob":
            raise GitError("damaged", f"{path!r} is a {found.kind}, not a file")
        if found.data is None:
            keep = oid in self._kept
            self._files[oid] = self._spool.add(found.chunks) if keep else measure(found.chunks)
        else:
            self._take_small(oid, found.data, path)
        sha256 = self._files[oid][0]
        if oid in self._base_ids:
            self.old[sha256] = lambda: self._again(oid)
        if oid in self._kept:
            self.contents[sha256] = lambda: self._spool.read(sha256)

    def _take_small(self, oid: str, data: bytes, path: str) -> None:
        check_no_pointer(path, data)
        if oid in self._link_ids:
            self._links[oid] = data
        keep = oid in self._kept
        self._files[oid] = self._spool.add((data,)) if keep else (hashlib.sha256(data).hexdigest(), len(data))

    def _again(self, oid: str) -> Iterator[bytes]:
        for found in self._store.objects([oid]):
            yield from found.pieces()

    def state(self, item: _Placed, node: Node | None) -> State:
        """Return the state of one side."""
        if node is None:
            return ABSENT
        if node.kind == "folder":
            return Folder()
        if node.kind == "link":
            return link_state(item.path, self._links.get(node.identity, b""))
        return File(*self._files[node.identity], node.executable)


def check_no_pointer(path: str, data: bytes) -> None:
    """Refuse a small text that stands in git for a file kept elsewhere.

    Raises:
        GitError: it is such a text.
    """
    if len(data) < _LFS_SIZE and data.startswith(_LFS):
        raise GitError("lfs-pointer", f"{path!r} is a pointer to a file that git does not hold (LFS)")


# Folders of built files


def material_of_folders(
    base: FolderTree, head: FolderTree, roots: Roots, keeps_base: KeepsBase, *, strict_archives: bool = False
) -> Material:
    """Return what two folders differ in.

    Raises:
        BuildError: something in them cannot be carried.
    """
    differences = compare(base, head)
    repacked = [] if strict_archives else [item for item in differences if _is_repacked(item, base, head)]
    same = {item.path for item in repacked}
    placed, outside = _place((item for item in differences if item.path not in same), roots)
    check_twins(head, (item.difference for item in placed), roots.platforms)
    for item in placed:
        if item.difference.head is not None and head.has_special_rights(item.difference.path):
            raise BuildError("special-rights", f"{item.path!r} is setuid or setgid, which no bundle carries")
    contents: dict[str, Content] = {}
    old: dict[str, Content] = {}
    for item in placed:
        _offer(old, base, item.difference.path, item.difference.base)
        _offer(contents, head, item.difference.path, item.difference.head)
        if keeps_base(item.root, item.path):
            _offer(contents, base, item.difference.path, item.difference.base)
    return Material(
        changes=tuple(
            Change(
                item.root,
                item.path,
                _folder_state(base, item.difference.path, item.difference.base),
                _folder_state(head, item.difference.path, item.difference.head),
            )
            for item in placed
        ),
        outside=outside,
        repacked=tuple(sorted(item.path.decode("utf-8", "backslashreplace") for item in repacked)),
        provenance={"kind": "folders"},
        contents=contents,
        old=old,
    )


def _is_repacked(item: Difference, base: FolderTree, head: FolderTree) -> bool:
    old, new = item.base, item.head
    if old is None or new is None or (old.kind, new.kind) != ("file", "file") or old.executable != new.executable:
        return False
    if not is_archive(item.path):
        return False
    with base.open(item.path) as before, head.open(item.path) as after:
        return same_content(before, after)


def _offer(contents: dict[str, Content], tree: FolderTree, path: bytes, node: Node | None) -> None:
    if node is not None and node.kind == "file":
        contents.setdefault(node.identity, lambda: tree.read(path))


def _folder_state(tree: FolderTree, path: bytes, node: Node | None) -> State:
    if node is None:
        return ABSENT
    if node.kind == "folder":
        return Folder()
    if node.kind == "link":
        return link_state(path.decode("utf-8", "backslashreplace"), tree.links[path])
    return tree.files[path]


def link_state(path: str, target: bytes) -> Link:
    """Return the state of a link.

    Raises:
        BuildError: its target is not text.
    """
    try:
        return Link(target.decode("utf-8"))
    except UnicodeDecodeError:
        raise BuildError("link-encoding", f"the target of link {path!r} is not UTF-8: {target[:80]!r}") from None
