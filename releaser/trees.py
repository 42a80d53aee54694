"""Two trees and what differs between them: one engine for trees of git and for folders of built files.

- The engine walks both trees level by level and goes only where identities differ, so it costs what changed.
- It knows names as bytes. `Roots` turns them into the root and path of a manifest, or refuses them by name.
- What git says differs (`git diff-tree`) must be exactly what the walk over proved trees found; else nothing is built.
"""

import unicodedata
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, cast

from patchline.patches.errors import BuildError, GitError, ManifestError
from patchline.patches.paths import CASE_BLIND, check_path
from patchline.releaser import git_objects
from patchline.releaser.git_objects import TreeEntry
from patchline.releaser.git_store import GitStore, RawChange

Kind = Literal["file", "folder", "link", "submodule"]


class Node(NamedTuple):
    """What a name stands for.

    Attributes:
        identity: equal within one kind of tree exactly when the content is.
    """

    kind: Kind
    identity: str
    executable: bool = False


Mark = Hashable
"""What a tree has for a name: equal in both trees exactly when there is nothing to look at. `Tree.node` explains it."""


class Tree(Protocol):
    """A tree that can be walked."""

    @property
    def root(self) -> Node:
        """The outermost folder."""
        ...

    def children(self, folders: Sequence[tuple[bytes, Node]]) -> Sequence[Mapping[bytes, Mark]]:
        """Return what lies in each of some folders, given with their paths; asked for one level at a time."""
        ...

    def node(self, mark: Mark) -> Node:
        """Return what a mark stands for."""
        ...


@dataclass(frozen=True)
class Difference:
    """One path that is not the same in both trees; None where nothing is.

    A folder stands here only when it is empty, or when it took or left the place of something else.
    """

    path: bytes
    base: Node | None
    head: Node | None


def compare(base: Tree, head: Tree) -> list[Difference]:
    """Return what differs between two trees, sorted by path.

    Raises:
        BuildError: a folder lost all its content and stayed, which no manifest can say.
    """
    found: list[Difference] = []
    level: list[Pair] = [(b"", base.root, head.root)]
    while level:
        old = iter(base.children([(path, node) for path, node, _ in level if node is not None]))
        new = iter(head.children([(path, node) for path, _, node in level if node is not None]))
        below: list[Pair] = []
        for path, base_folder, head_folder in level:
            before = next(old) if base_folder is not None else {}
            after = next(new) if head_folder is not None else {}
            found.extend(_emptiness(path, base_folder, head_folder, before, after))
            for name in {name for name, _ in before.items() ^ after.items()}:
                whole = path + b"/" + name if path else name
                pair = _pair(whole, base, before.get(name), head, after.get(name))
                below += [_folders(pair)] if _has_folder(pair) else []
                found += [Difference(*pair)] if _has_leaf(pair) and pair[1] != pair[2] else []
        level = below
    return sorted(found, key=lambda difference: difference.path)


Pair = tuple[bytes, Node | None, Node | None]


def _pair(path: bytes, base: Tree, before: Mark | None, head: Tree, after: Mark | None) -> Pair:
    return path, None if before is None else base.node(before), None if after is None else head.node(after)


def _emptiness(
    path: bytes,
    base: Node | None,
    head: Node | None,
    before: Mapping[bytes, Mark],
    after: Mapping[bytes, Mark],
) -> Iterable[Difference]:
    """Say what no content says: that an empty folder came or went."""
    if path and base is not None and head is not None and before and not after:
        raise BuildError("folder-emptied", f"{_shown(path)} lost all its content and stayed as an empty folder")
    if path and base is None and not after:
        yield Difference(path, None, head)
    if path and head is None and not before:
        yield Difference(path, base, None)


def _is_folder(node: Node | None) -> bool:
    return node is not None and node.kind == "folder"


def _has_folder(pair: Pair) -> bool:
    return _is_folder(pair[1]) or _is_folder(pair[2])


def _folders(pair: Pair) -> Pair:
    """Return what of a pair can be looked into."""
    path, base, head = pair
    return path, base if _is_folder(base) else None, head if _is_folder(head) else None


def _has_leaf(pair: Pair) -> bool:
    _, base, head = pair
    return (base is not None and base.kind != "folder") or (head is not None and head.kind != "folder")


def check_twins(head: Tree, differences: Iterable[Difference], platforms: Iterable[str]) -> None:
    """Refuse a new name that some target platform holds as the same as a name beside it, changed or not.

    Raises:
        BuildError: there is such a pair.
    """
    case_blind = not CASE_BLIND.isdisjoint(platforms)
    added = [item.path.split(b"/") for item in differences if item.base is None]
    # Without blind case only names beyond ASCII have a second form.
    waiting = [parts for parts in added if case_blind or any(not part.isascii() for part in parts)]
    level: dict[bytes, Node] = {b"": head.root}
    depth = 0
    while waiting:
        folders = {b"/".join(parts[:depth]) for parts in waiting}
        opened = [(path, level[path]) for path in sorted(folders)]
        inside = dict(zip((path for path, _ in opened), head.children(opened), strict=True))
        for parts in waiting:
            _check_names(inside[b"/".join(parts[:depth])], parts, depth, case_blind)
        waiting = [parts for parts in waiting if len(parts) > depth + 1]
        paths = {b"/".join(parts[: depth + 1]): parts for parts in waiting}
        level = {path: head.node(inside[b"/".join(parts[:depth])][parts[depth]]) for path, parts in paths.items()}
        depth += 1


def _check_names(beside: Mapping[bytes, Mark], parts: list[bytes], depth: int, case_blind: bool) -> None:
    name = parts[depth]
    folded = _fold(name, case_blind)
    for other in beside:
        if other != name and _fold(other, case_blind) == folded:
            path = _shown(b"/".join(parts[: depth + 1]))
            raise BuildError("path-twin", f"{path} and {_shown(other)} beside it are one name for a target platform")


def _fold(name: bytes, case_blind: bool) -> str:
    text = unicodedata.normalize("NFC", name.decode("utf-8", "backslashreplace"))
    return unicodedata.normalize("NFC", text.casefold()) if case_blind else text


def _shown(path: bytes) -> str:
    return repr(path.decode("utf-8", "backslashreplace"))


# Trees of git


_KINDS: dict[int, Kind] = {
    git_objects.FILE: "file",
    git_objects.EXECUTABLE: "file",
    git_objects.LINK: "link",
    git_objects.FOLDER: "folder",
    git_objects.SUBMODULE: "submodule",
}


class GitTree:
    """A tree of a commit. Its marks are the entries of tree objects."""

    def __init__(self, store: GitStore, oid: str) -> None:
        self._store = store
        self.root = Node("folder", oid)

    def children(self, folders: Sequence[tuple[bytes, Node]]) -> Sequence[Mapping[bytes, Mark]]:
        """Read the folders' tree objects in one go."""
        trees = self._store.trees([node.identity for _, node in folders])
        return [trees[node.identity] for _, node in folders]

    def node(self, mark: Mark) -> Node:
        """Return what an entry of a tree object stands for."""
        mode, oid = cast(TreeEntry, mark)
        number = git_objects.normal_mode(mode)
        return Node(_KINDS[number], oid.hex(), number == git_objects.EXECUTABLE)


def compare_commits(store: GitStore, base: str, head: str) -> list[Difference]:
    """Compare two tree ids, and hold the result against git's own.

    Raises:
        GitError: git names other differences than the trees themselves.
    """
    found = compare(GitTree(store, base), GitTree(store, head))
    expected = store.differences(base, head)
    seen = {difference.path: _raw(difference) for difference in found}
    for path in expected.keys() | seen.keys():
        if expected.get(path, _NOTHING) != seen.get(path, _NOTHING):
            raise GitError("damaged", f"git diff-tree and the trees disagree about {_shown(path)}")
    return found


_NOTHING: RawChange = (0, "", 0, "")


def _raw(difference: Difference) -> RawChange:
    """Return a difference as `git diff-tree` has it, which knows no folders."""
    base, head = difference.base, difference.head
    return (*_mode_and_id(base), *_mode_and_id(head))


def _mode_and_id(node: Node | None) -> tuple[int, str]:
    if node is None or node.kind == "folder":
        return 0, ""
    modes = {"link": git_objects.LINK, "submodule": git_objects.SUBMODULE}
    regular = git_objects.EXECUTABLE if node.executable else git_objects.FILE
    return modes.get(node.kind, regular), node.identity


# Names


class Roots:
    """Which part of a tree lands in which root: `{"app": "", "etc": "conf"}`. The longest prefix wins."""

    def __init__(self, prefixes: Mapping[str, str], platforms: Sequence[str] = ("linux",)) -> None:
        self.prefixes = dict(prefixes)
        self.platforms = tuple(platforms)
        ordered = sorted(prefixes.items(), key=lambda item: len(item[1]), reverse=True)
        self._ordered = [(root, prefix.strip("/").encode() + b"/" if prefix else b"") for root, prefix in ordered]

    def place(self, path: bytes) -> tuple[str, str] | None:
        """Return root and path of a path of the tree, or None when it lies outside of every root.

        Raises:
            BuildError: the name cannot be carried.
        """
        for root, prefix in self._ordered:
            if prefix and path == prefix[:-1]:
                raise BuildError(
                    "root-not-folder", f"{_shown(path)} is root {root!r} and must be a folder on both sides"
                )
            if path.startswith(prefix):
                return root, self._text(path[len(prefix) :])
        return None

    @property
    def folders(self) -> list[str]:
        """The folders of the tree that matter; none when all of it does."""
        prefixes = sorted({prefix.strip("/") for prefix in self.prefixes.values()})
        return [] if "" in prefixes else prefixes

    def find(self, path: bytes) -> tuple[str, str] | None:
        """Return root and path as `place` does, or None also when the name could not be carried."""
        try:
            return self.place(path)
        except BuildError:
            return None

    def _text(self, path: bytes) -> str:
        try:
            text = path.decode("utf-8")
        except UnicodeDecodeError:
            raise BuildError("path-encoding", f"the name {_shown(path)} is not UTF-8") from None
        try:
            check_path(text, self.platforms)
        except ManifestError as error:
            raise BuildError("path", f"{error.message} ({error.code})", hint=error.hint) from None
        return text
