"""A folder of built files with the changes of two hotfixes in it; archives are merged member by member."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from patchline.patches.errors import BuildError
from patchline.patches.files import os_failure
from patchline.patches.manifest import Absent, File, Folder, Link, State
from patchline.releaser.archive_merging import merge_archives
from patchline.releaser.built_archives import is_archive
from patchline.releaser.merging_sides import Side

Place = tuple[str, str]


def merged_folder(base: Path, one: Side, other: Side, roots: Mapping[str, str], folder: Path) -> Path:
    """Make a folder that is the base with the changes of both.

    Args:
        base: the folder as released; it is only read.
        one: its contents win where both are the same but for build stamps.
        other: the other hotfix.
        roots: which folder lands in which root.
        folder: where the merged one is made, on the same file system best.

    Raises:
        BuildError: both change one file in different ways; an archive only where they change the same members.
    """
    head = folder / "head"
    try:
        shutil.copytree(base, head, symlinks=True, copy_function=_linked)
        conflicts: list[str] = []
        for place in sorted(one.manifest.entries.keys() | other.manifest.entries.keys()):
            path = Path(*filter(None, (roots[place[0]], place[1])))
            conflicts += _merge_place(base / path, head / path, one, other, place, folder)
    except OSError as error:
        raise os_failure(error) from None
    if conflicts:
        names = f"{one.manifest.label} and {other.manifest.label}"
        raise BuildError("merge-conflict", f"{names} collide in {', '.join(conflicts)}")
    return head


def _linked(source: str, target: str) -> str:
    """Lay a file of the base into the merged folder without copying, where the file system can."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        return str(shutil.copy2(source, target, follow_symlinks=False))
    return target


def _merge_place(base: Path, head: Path, one: Side, other: Side, place: Place, folder: Path) -> list[str]:
    sides = [(side, side.manifest.entries[place].post) for side in (one, other) if place in side.manifest.entries]
    if len(sides) == 1 or sides[0][1] == sides[1][1]:
        _lay(head, *sides[0])
        return []
    name = "/".join(place)
    left, right = sides[0][1], sides[1][1]
    if not (isinstance(left, File) and isinstance(right, File) and left.executable == right.executable):
        return [name]
    if not is_archive(os.fsencode(name)) or not base.is_file():
        return [name]
    part = folder / "part"
    with (
        base.open("rb") as old,
        one.open(left.sha256) as ours,
        other.open(right.sha256) as theirs,
        part.open("w+b") as out,
    ):
        if conflicts := merge_archives(old, ours, theirs, out):
            return [f"{name}!{member}" for member in conflicts]
    head.unlink()
    part.rename(head)
    head.chmod(0o755 if left.executable else 0o644)
    return []


def _lay(path: Path, side: Side, post: State) -> None:
    """Bring a path into the state in which a hotfix leaves it."""
    if isinstance(post, Folder):
        path.mkdir(parents=True, exist_ok=True)
        return
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()
    if isinstance(post, Absent):
        _leave(path.parent)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(post, Link):
        path.symlink_to(post.target)
        return
    with side.open(post.sha256) as source, path.open("xb") as target:
        shutil.copyfileobj(source, target)
    path.chmod(0o755 if post.executable else 0o644)


def _leave(folder: Path) -> None:
    """Remove a folder in which nothing lies any more, and those above that held nothing else."""
    while folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
