"""The files of a released baseline, from a commit or from a folder: what an untouched installation looks like."""

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from patchline.patches.baselines import baseline_list
from patchline.patches.errors import BuildError, GitError
from patchline.patches.manifest import File, Folder, State
from patchline.releaser.folders import FolderTree
from patchline.releaser.git_reader import Object
from patchline.releaser.git_store import GitStore
from patchline.releaser.home import mirror_folder
from patchline.releaser.sources import check_no_pointer, link_state
from patchline.releaser.spool import Advance, measure, unheard
from patchline.releaser.trees import GitTree, Node, Roots, Tree

_IN_MEMORY = 8 << 20
States = dict[str, dict[str, State]]
"""State of each path of each root."""


def states_of_folder(tree: FolderTree, roots: Roots) -> States:
    """Return everything that lies in a folder.

    Raises:
        BuildError: a name cannot be carried.
    """
    found: States = {root: {} for root in roots.prefixes}
    for path, state in _folder_states(tree):
        place = roots.place(path)
        if place is not None:
            found[place[0]][place[1]] = state
    return found


def _folder_states(tree: FolderTree) -> Iterator[tuple[bytes, State]]:
    yield from tree.files.items()
    for path, target in tree.links.items():
        yield path, link_state(path.decode("utf-8", "backslashreplace"), target)
    for path in tree.empty:
        yield path, Folder()


class CommitFiles:
    """Everything that a tree of git holds.

    Attributes:
        states: state of each path of each root.
    """

    def __init__(self, store: GitStore, tree: str, roots: Roots, advance: Advance = unheard) -> None:
        """Read every file once.

        Args:
            store: the source.
            tree: id of the tree.
            roots: what of it counts.
            advance: told how many more bytes were read.

        Raises:
            GitError: it holds submodules or LFS pointers, or cannot be read.
            BuildError: a name cannot be carried.
        """
        self.states: States = {root: {} for root in roots.prefixes}
        self._store = store
        self._oids: dict[tuple[str, str], str] = {}
        wanted: dict[str, list[tuple[str, str, Node]]] = {}
        for path, node in sorted(walk(GitTree(store, tree))):
            place = roots.place(path)
            if place is None:
                continue
            if node.kind == "submodule":
                raise GitError("submodule", f"{place[1]!r} is a submodule, whose files are not in this repository")
            wanted.setdefault(node.identity, []).append((*place, node))
        for item in store.objects(list(wanted)):
            self._take(item, wanted[item.oid])
            advance(item.size)

    def _take(self, item: Object, places: list[tuple[str, str, Node]]) -> None:
        data = item.data or b""
        check_no_pointer(places[0][1], data)
        sha256, size = (hashlib.sha256(data).hexdigest(), len(data)) if item.data is not None else measure(item.chunks)
        for root, path, node in places:
            link = node.kind == "link"
            self.states[root][path] = link_state(path, data) if link else File(sha256, size, node.executable)
            self._oids[root, path] = item.oid

    def start(self, place: tuple[str, str]) -> bytes:
        """Return nothing: to look into every file again would cost as much as the first time."""
        return b""

    def opened(self, places: Iterable[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], IO[bytes]]]:
        """Yield files; each is closed when the next is asked for."""
        listed = list(places)
        for place in listed:
            with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
                for item in self._store.objects([self._oids[place]]):
                    file.writelines(item.pieces())
                yield place, file


def walk(tree: Tree) -> Iterator[tuple[bytes, Node]]:
    """Yield everything in a tree but its folders."""
    level: list[tuple[bytes, Node]] = [(b"", tree.root)]
    while level:
        below: list[tuple[bytes, Node]] = []
        for (path, _), children in zip(level, tree.children(level), strict=True):
            for name, mark in children.items():
                node = tree.node(mark)
                whole = path + b"/" + name if path else name
                if node.kind == "folder":
                    below.append((whole, node))
                else:
                    yield whole, node
        level = below


def list_commit(repo: Path, ref: str, product: str, baseline: str, roots: Roots) -> bytes:
    """Return the baseline list of a commit."""
    with GitStore(repo, mirror_folder(product)) as store:
        return listed(product, baseline, CommitFiles(store, store.resolve(ref).tree, roots).states)


def list_folder(folder: Path, product: str, baseline: str, roots: Roots) -> bytes:
    """Return the baseline list of a folder."""
    return listed(product, baseline, states_of_folder(FolderTree(folder), roots))


def listed(product: str, baseline: str, states: States) -> bytes:
    """Return the baseline list of some states.

    Raises:
        BuildError: there is nothing.
    """
    if not any(states.values()):
        raise BuildError("empty", "the baseline holds no files")
    return baseline_list(product, baseline, states)
