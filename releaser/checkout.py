"""Writing a tree of git into a folder exactly as the repository holds it.

`git checkout` runs filters, converts line ends and needs a work tree; nothing of this happens here, nothing is written
into the repository, and nothing that it configures has a say.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from patchline.patches.files import os_failure
from patchline.releaser.baselines import walk
from patchline.releaser.git_store import GitStore, Point
from patchline.releaser.trees import GitTree, Node


def write_tree(store: GitStore, point: Point, folder: Path) -> None:
    """Write the tree of a commit into a new folder; a submodule becomes an empty folder, as after `git clone`.

    Raises:
        GitError: the repository cannot be read.
        PatchlineError: the folder is there already, or cannot be written.
    """
    try:
        folder.mkdir(parents=True)
        wanted: dict[str, list[tuple[Path, Node]]] = {}
        for name, node in walk(GitTree(store, point.tree)):
            path = folder / os.fsdecode(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if node.kind == "submodule":
                path.mkdir()
            else:
                wanted.setdefault(node.identity, []).append((path, node))
        for found in store.objects(list(wanted)):
            _write_all(wanted[found.oid], found.pieces())
    except OSError as error:
        raise os_failure(error) from None


def _write_all(places: list[tuple[Path, Node]], pieces: Iterable[bytes]) -> None:
    """Write one content to every place that has it; a link's content is its target."""
    files = []
    for path, node in places:
        if node.kind == "link":
            pieces = [b"".join(pieces)]
            path.symlink_to(os.fsdecode(pieces[0]))
        else:
            files.append(path.open("wb"))
            path.chmod(0o755 if node.executable else 0o644)
    for piece in pieces:
        for file in files:
            file.write(piece)
    for file in files:
        file.close()
