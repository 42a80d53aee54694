"""How much room a change needs, and whether it is there.

Counted is what is written before anything is replaced: new contents, and earlier ones that cannot be kept by a second
name of the same file, in whole blocks, and the rows about them. A margin on each file system covers what else is small.
"""

import errno
import os
import stat
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping

from patchline.patches.errors import InstallationError, PatchlineError
from patchline.patches.manifest import File, Manifest
from patchline.patches.site.actions import Action
from patchline.patches.site.area import Area
from patchline.patches.site.state import OBJECTS, STAGING, Site

MARGIN = 512 << 10
_ROWS = 2 << 10
"""Bytes that journal and record say about one change."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

Needs = Callable[[], Iterable[tuple[Area, int]]]
"""Yields where a file will be written, and its bytes; what lies there already is left out."""


def needs_of_manifests(site: Site, manifests: Iterable[Manifest]) -> Iterator[tuple[Area, int]]:
    """Yield what staging the payloads writes: each content once in every root that needs it."""
    contents: dict[tuple[str, str], int] = {}
    for manifest in manifests:
        yield site.state, 2 * len(manifest.data)
        for entry in manifest.files:
            if isinstance(entry.post, File) and entry.root in site.roots:
                contents[entry.root, entry.post.sha256] = entry.post.size
    for (root, _), size in contents.items():
        yield site.roots[root], size


def needs_of_actions(
    site: Site,
    actions: Collection[Action],
    between: Mapping[tuple[str, str], File],
    spent: Container[tuple[str, str]],
) -> Iterator[tuple[Area, int]]:
    """Yield what a transaction still has to write.

    Args:
        site: where.
        actions: what it does.
        between: contents that are kept for rollbacks only (`Plan.between`).
        spent: objects that are not copied (`Plan.spent`).
    """
    yield site.state, _ROWS * len(actions)
    for (root, _), kept in between.items():
        if not lies_there(site.roots[root], OBJECTS, kept):
            yield site.roots[root], kept.size
    counted: set[str] = set()
    for action in actions:
        area = site.roots[action.place[0]]
        for state, folder in ((action.after, STAGING), (action.before, OBJECTS)):
            if not isinstance(state, File) or (folder == OBJECTS and action.linkable):
                continue
            if folder == STAGING and (action.place[0], state.sha256) in spent:
                continue
            key = f"{action.place[0]}/{folder}/{state.sha256}"
            # A second place with the same content gets a copy of its own; earlier content is kept once.
            if (key in counted and folder == STAGING) or (key not in counted and not lies_there(area, folder, state)):
                yield area, state.size
            counted.add(key)


def lies_there(area: Area, folder: str, state: File) -> bool:
    """Tell whether a content lies in staging or among the objects of a root, by its name and size."""
    there = area.status(f"{folder}/{state.sha256}")
    return there is not None and stat.S_ISREG(there.st_mode) and there.st_size == state.size


def bytes_written(actions: Iterable[Action], spent: Container[tuple[str, str]]) -> int:
    """Return the bytes of contents that a transaction writes all in all, new and earlier ones."""
    written = 0
    for action in actions:
        if isinstance(action.after, File) and (action.place[0], action.after.sha256) not in spent:
            written += action.after.size
        written += action.before.size if isinstance(action.before, File) and not action.linkable else 0
    return written


def missing(needs: Iterable[tuple[Area, int]]) -> list[PatchlineError]:
    """Return the refusal for each file system that has too little room; roots may share one."""
    areas: dict[int, Area] = {}
    blocks: dict[int, int] = {}
    needed: dict[int, int] = {}
    for area, size in needs:
        if area.device not in areas:
            areas[area.device], blocks[area.device] = area, os.fstatvfs(area.descriptor).f_frsize
        needed[area.device] = needed.get(area.device, MARGIN) - (-size // blocks[area.device]) * blocks[area.device]
    return [disk_full(areas[device], total) for device, total in needed.items() if total > _free(areas[device])]


def disk_full(area: Area, needed: int) -> InstallationError:
    """Return the refusal for a file system that is too full, saying how many bytes are missing."""
    free = _free(area)
    gap = max(needed - free, 1)
    return InstallationError("disk-full", f"{area.path} needs {needed} bytes, {free} are free: {gap} are missing")


def disk_failed(error: OSError, site: Site, needs: Needs) -> PatchlineError:
    """Return the error for a disk that failed or filled while something was written, after that was undone."""
    if error.errno in _FULL:
        fuller = min((site.state, *site.roots.values()), key=_free)
        return next(iter(missing(needs())), disk_full(fuller, _free(fuller) + MARGIN))
    what = f" ({os.fsdecode(error.filename)})" if isinstance(error.filename, str | bytes) else ""
    return InstallationError("disk", f"the disk failed: {error.strerror or error}{what}")


def _free(area: Area) -> int:
    status = os.fstatvfs(area.descriptor)
    return status.f_bavail * status.f_frsize
