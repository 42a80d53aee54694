"""Whose folders these are: nobody but the applier may be able to change what a site relies on.

- The state folder belongs to the applier and is closed to others; every folder above it belongs to the applier or to
  root and can be written by nobody else (a sticky one is safe when the next component belongs to one of the two).
- The applier acts only in folders it owns; root acts only where nobody else can write above.
"""

import grp
import os
import pwd
import stat
from pathlib import Path

from patchline.patches.errors import InstallationError
from patchline.patches.site.area import Attributes


def check_state_folder(descriptor: int, path: Path) -> None:
    """Refuse an opened state folder that somebody else could have written; `path` is for messages.

    Raises:
        InstallationError: the folder or one above it is open to others, or belongs to somebody else.
    """
    real = Path(f"/proc/self/fd/{descriptor}").readlink()
    status = os.fstat(descriptor)
    if status.st_uid != os.geteuid():
        raise InstallationError("state-owner", f"{path} belongs to {user(status.st_uid)}, not to {user(os.geteuid())}")
    if status.st_mode & 0o077:
        raise InstallationError("state-open", f"{path} is open to others (mode {status.st_mode & 0o7777:04o})")
    if problem := open_above(real):
        raise InstallationError("state-open", problem)


def open_above(real: Path) -> str | None:
    """Tell which folder above a real path lets somebody else replace what lies below it; None when none does."""
    below = real
    for folder in real.parents:
        try:
            status, next_status = folder.stat(), below.lstat()
        except OSError as error:
            return f"{folder} above {real} cannot be read: {error.strerror}"
        if status.st_uid not in (0, os.geteuid()):
            return f"{folder} above {real} belongs to {user(status.st_uid)}"
        if _writable_by_others(status, folder):
            safe = status.st_mode & stat.S_ISVTX and next_status.st_uid in (0, os.geteuid())
            if not safe:
                return f"{folder} above {real} can be written by others"
        below = folder
    return None


def _writable_by_others(status: os.stat_result, folder: int | Path) -> bool:
    if status.st_mode & stat.S_IWOTH:
        return True
    # With an access list the group's bits are the most that anybody named in it has.
    shared = not _private_group(status.st_gid) or _has_access_list(folder)
    return bool(status.st_mode & stat.S_IWGRP) and shared


def _has_access_list(folder: int | Path) -> bool:
    try:
        return bool(os.getxattr(folder, "system.posix_acl_access"))
    except OSError:  # There is none, or the file system knows none.
        return False


def _private_group(gid: int) -> bool:
    """Tell whether a group has no member but the applier: where every user has one, its folders are group-writable."""
    if gid == 0:
        return True
    try:
        person, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return False
    return person.pw_gid == gid and group.gr_name == person.pw_name and set(group.gr_mem) <= {person.pw_name}


def only_ours(attributes: Attributes) -> bool:
    """Tell whether nobody but the applier can write a file that has these attributes."""
    access = any(name == "system.posix_acl_access" for name, _ in attributes.extended)
    return attributes.uid == os.geteuid() and not attributes.mode & 0o022 and not access


def folder_problem(descriptor: int, shown: str) -> InstallationError | None:
    """Return why the applier must not act in an opened folder; None when it may."""
    status, me = os.fstat(descriptor), os.geteuid()
    if status.st_uid != me:
        owner = user(status.st_uid)
        return InstallationError(
            "folder-owner",
            f"{shown} belongs to {owner}, not to {user(me)}",
            hint=f"Run as the folder's owner: runuser -u {owner} -- patchline-site …",
        )
    if me != 0:
        return None
    if _writable_by_others(status, descriptor):
        return InstallationError("folder-open", f"{shown} can be written by others")
    problem = open_above(Path(f"/proc/self/fd/{descriptor}").readlink())
    return InstallationError("folder-open", problem) if problem else None


def user(uid: int) -> str:
    """Return a user's name, or the number where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
