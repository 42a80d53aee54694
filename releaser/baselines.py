"""The files of a released baseline, from a commit or from a folder: what an untouched installation looks like."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from patchline.patches.baselines import baseline_list
from patchline.patches.errors import BuildError, GitError
from patchline.patches.manifest import File, Folder, State
from patchline.releaser.folders import FolderTree
from patchline.releaser.git_store import GitStore
from patchline.releaser.home import mirror_folder
from patchline.releaser.sources import check_no_pointer, link_state
from patchline.releaser.spool import measure
from patchline.releaser.trees import GitTree, Node, Roots, Tree

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


def states_of_commit(store: GitStore, tree: str, roots: Roots) -> States:
    """Return everything that a tree of git holds.

    Raises:
        GitError: it holds submodules or LFS pointers, or cannot be read.
        BuildError: a name cannot be carried.
    """
    leaves = {path: (roots.place(path), node) for path, node in sorted(walk(GitTree(store, tree)))}
    wanted: dict[str, list[tuple[str, str, Node]]] = {}
    for place, node in leaves.values():
        if place is None:
            continue
        if node.kind == "submodule":
            raise GitError("submodule", f"{place[1]!r} is a submodule, whose files are not in this repository")
        wanted.setdefault(node.identity, []).append((*place, node))
    found: States = {root: {} for root in roots.prefixes}
    for item in store.objects(list(wanted)):
        data = item.data or b""
        check_no_pointer(wanted[item.oid][0][1], data)
        sha256, size = (hashlib.sha256(data).hexdigest(), len(data)) if item.data is not None else measure(item.chunks)
        for root, path, node in wanted[item.oid]:
            link = node.kind == "link"
            found[root][path] = link_state(path, data) if link else File(sha256, size, node.executable)
    return found


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
        return _listed(product, baseline, states_of_commit(store, store.resolve(ref).tree, roots))


def list_folder(folder: Path, product: str, baseline: str, roots: Roots) -> bytes:
    """Return the baseline list of a folder."""
    return _listed(product, baseline, states_of_folder(FolderTree(folder), roots))


def _listed(product: str, baseline: str, states: States) -> bytes:
    if not any(states.values()):
        raise BuildError("empty", "the baseline holds no files")
    return baseline_list(product, baseline, states)
