"""Random trees, and hotfixes that lead from one to another."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.samples import fix
from tests.worlds import Directory, Hotfix, LinkTo, Tree, World

NAMES = ("a", "b", "c", "é x")
FAST = Path("/dev/shm")
_PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join)
_FILES = st.tuples(st.binary(max_size=3), st.booleans())
_LINKS = st.sampled_from(("a", "b", "c/a", "nowhere")).map(LinkTo)
CONTENTS = st.one_of(_FILES, _FILES, _FILES, _LINKS)


def without_clashes(tree: Tree) -> Tree:
    """Drop what lies below a file or link."""
    return {path: content for path, content in tree.items() if not any(above in tree for above in folders_above(path))}


def folders_above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


TREES = st.dictionaries(_PATHS, CONTENTS, max_size=7).map(without_clashes)
"""Path to a pair of bytes and executable, or a link."""


@st.composite
def changed(draw: Any, base: Tree, most: int = 4) -> Tree:
    """A tree that is like `base` but for some paths."""
    tree = dict(base)
    if tree:
        for path in draw(st.lists(st.sampled_from(sorted(tree)), max_size=most, unique=True)):
            if draw(st.booleans()):
                del tree[path]
            else:
                tree[path] = draw(CONTENTS)
    added = draw(st.dictionaries(_PATHS, CONTENTS, max_size=most))
    return without_clashes({**tree, **{path: content for path, content in added.items() if path not in tree}})


def state_at(tree: Tree, path: str) -> Any:
    """What a tree has at a path: content, `Directory` for a folder, None for nothing."""
    if path in tree:
        return tree[path]
    return Directory() if any(other.startswith(f"{path}/") for other in tree) else None


def differences(base: Tree, head: Tree) -> tuple[dict[str, Any], dict[str, Any]]:
    """For each path that is a file or link in one of two trees and not the same in the other: after, and before."""
    paths = [path for path in sorted({*base, *head}) if base.get(path) != head.get(path)]
    return {path: state_at(head, path) for path in paths}, {path: state_at(base, path) for path in paths}


def hotfix_between(world: World, base: Tree, head: Tree, name: str = "HF-2026-0001", **more: Any) -> Hotfix | None:
    """The hotfix that leads from one tree to another; None when they are the same."""
    after, before = differences(base, head)
    if not after:
        return None
    return world.hotfix(after, name, pre={path: [state] for path, state in before.items()}, **more)


def plain(world: World) -> Tree:
    """The files and links of a site as a tree."""
    found: Tree = {}
    for top, folders, files in os.walk(world.root):
        if Path(top) == world.root:
            folders.remove(".patchline")
        for name in folders + files:
            path = Path(top) / name
            if path.is_symlink():
                found[str(path.relative_to(world.root))] = LinkTo(str(path.readlink()))
            elif path.is_file():
                found[str(path.relative_to(world.root))] = (path.read_bytes(), bool(path.stat().st_mode & 0o100))
    return found


@contextmanager
def throwaway() -> Iterator[Path]:
    """A folder of one example, in memory where that is possible."""
    with tempfile.TemporaryDirectory(dir=FAST if os.access(FAST, os.W_OK) else None, prefix="patchline-") as folder:
        yield Path(folder)


def one_fix(name: str) -> list[dict[str, Any]]:
    return [fix(f"FIX-{name}")]
