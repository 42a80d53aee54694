"""Whether a site can take what was worked out: rights, file systems, attributes, earlier contents, steps."""

import os
from collections.abc import Iterable, Iterator

from patchline.patches.errors import InstallationError, PatchlineError, RefusedError
from patchline.patches.manifest import ABSENT, File, Folder, Manifest, Step
from patchline.patches.site import rights
from patchline.patches.site.actions import Action
from patchline.patches.site.area import Area, Attributes
from patchline.patches.site.sketch import folder_of
from patchline.patches.site.space import lies_there
from patchline.patches.site.state import OBJECTS, Site
from patchline.patches.situation import Place

_SETTABLE = ("user.", "system.posix_acl_", "security.selinux")
"""Extended attributes that a user other than root can give to a file of their own."""


def folder_problems(site: Site, actions: Iterable[Action]) -> Iterator[PatchlineError]:
    """Check the nearest existing folder of each action: ours, on the root's file system, no link on the way."""
    actions, checked = list(actions), set[Place]()
    becoming = {action.place for action in actions if not isinstance(action.before, Folder)}
    for place in sorted({folder_of(action.place) for action in actions}):
        while place in becoming:  # No folder yet, or no more: the one above it counts.
            place = folder_of(place)
        area = site.roots[place[0]]
        folder = _nearest(area, place[1])
        if (place[0], folder) in checked:
            continue
        checked.add((place[0], folder))
        try:
            with area.folder(folder) as handle:
                problem = _folder_problem(area, handle, folder)
        except OSError as error:
            problem = InstallationError("link", f"{area.path / folder}: {error.strerror}")
        if problem:
            yield problem


def _nearest(area: Area, folder: str) -> str:
    while folder:
        try:
            with area.folder(folder):
                return folder
        except (FileNotFoundError, NotADirectoryError):
            folder = folder.rpartition("/")[0]
        except OSError:
            return folder
    return folder


def _folder_problem(area: Area, handle: int, folder: str) -> PatchlineError | None:
    shown = str(area.path / folder)
    if os.fstat(handle).st_dev != os.fstat(area.descriptor).st_dev:
        return InstallationError("other-file-system", f"{shown} lies on another file system than its root")
    return rights.folder_problem(handle, shown)


def attribute_problems(actions: Iterable[Action]) -> Iterator[PatchlineError]:
    """Say which files would lose their owner, group or attributes, since this user cannot give them."""
    if os.geteuid() == 0:
        return
    groups = {os.getegid(), *os.getgroups()}
    for action in actions:
        wanted = action.after_attributes if action.after != ABSENT else None
        if wanted is not None and (lost := _not_givable(wanted, groups)):
            yield InstallationError("attributes", f"{lost} of {action.name} cannot be kept by this user")


def _not_givable(wanted: Attributes, groups: set[int]) -> str | None:
    if wanted.uid != os.geteuid():
        return "the owner"
    if wanted.gid not in groups:
        return "the group"
    return next((name for name, _ in wanted.extended if not name.startswith(_SETTABLE)), None)


def content_problems(site: Site, actions: Iterable[Action], payload: set[tuple[str, str]]) -> Iterator[PatchlineError]:
    """Say which earlier contents are needed and not there. Their digests are checked when they are used.

    `payload` has root and digest of what the bundles bring.
    """
    actions = list(actions)
    at_hand = payload | {
        (action.place[0], action.before.sha256) for action in actions if isinstance(action.before, File)
    }
    for action in actions:
        root, after = action.place[0], action.after
        if not isinstance(after, File) or (root, after.sha256) in at_hand:
            continue
        if lies_there(site.roots[root], OBJECTS, after):
            continue
        message = f"the earlier content of {action.name} ({after.sha256[:12]}) is missing"
        yield InstallationError("object-missing", message)


def step_problems(steps: Iterable[tuple[Manifest, Step]], *, root_steps: bool) -> Iterator[PatchlineError]:
    """Say which steps may not run as this user, or lack their interpreter."""
    for manifest, step in steps:
        shown = f"step {step.id} of {manifest.label}"
        if os.geteuid() == 0 and not (step.root and root_steps):
            why = "the vendor's policy does not allow it" if step.root else "it was not made for root"
            yield RefusedError("root-step", f"{shown} would run as root, and {why}")
        if os.geteuid() != 0 and step.root:
            yield RefusedError("needs-root", f"{shown} must run as root")
        if problem := _interpreter_problem(step.interpreter):
            yield RefusedError("interpreter", f"{shown}: {problem}")


def _interpreter_problem(path: str) -> str | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - the whole record is wanted
    except OSError:
        return f"{path} is not there"
    if status.st_uid != 0 or status.st_mode & 0o022:
        return f"{path} does not belong to root alone"
    return None
