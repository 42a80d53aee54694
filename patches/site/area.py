"""Looking into a root or a state folder by descriptor: what is there, and never through somebody's link.

- An area is an opened folder; a path below it is walked component by component with O_NOFOLLOW.
- A link on the way is followed only where it stood at `init`, was recorded (`--follow`), and still leads to the
  same folder.
- Nothing here writes.
"""

import errno
import hashlib
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Generic, TypeVar

from patchline.patches.errors import InstallationError
from patchline.patches.fields import Fields
from patchline.patches.limits import LIMITS
from patchline.patches.manifest import ABSENT, File, Folder, Link, State
from patchline.patches.paths import parents

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
CHUNK = 1 << 20
NEW, SAVED = ".patchline-new", ".patchline-saved"
"""What is laid beside a file: the hotfix's one where the customer's stays; the customer's where it does not."""
_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LONGEST = 255
"""Bytes of a name."""
Stamp = tuple[int, int, int]
"""Inode, size and time of change (nanoseconds) of a file: the same stamp means the same content."""
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Attributes:
    """What a path keeps when its content changes: permission bits, owner, group, extended attributes (ACL, label)."""

    mode: int
    uid: int
    gid: int
    extended: tuple[tuple[str, str], ...] = ()
    """Pairs of a name and its value in hexadecimal, sorted."""

    def as_document(self) -> dict[str, Any]:
        """Return the attributes as they stand in journal and ledger."""
        return {"mode": self.mode, "uid": self.uid, "gid": self.gid, "extended": [list(pair) for pair in self.extended]}

    @classmethod
    def read(cls, fields: Fields) -> "Attributes":
        """Read what `as_document` wrote."""
        extended = tuple((name, value) for name, value in fields.items("extended", most=1000))
        top = 2**32 - 1
        return cls(
            fields.integer("mode", 0, 0o7777), fields.integer("uid", 0, top), fields.integer("gid", 0, top), extended
        )


@dataclass(frozen=True)
class Found:
    """What stands at a path.

    `state` is None for something a manifest cannot describe (a device, an unreadable file, a link on the way);
    `problem` then says what.
    """

    state: State | None
    attributes: Attributes | None = None
    problem: str | None = None
    links: int = 1
    stamp: Stamp | None = None


NOTHING = Found(ABSENT)


@dataclass(frozen=True)
class Identity:
    """Which folder this is: its real path and inode. Device numbers are left out, they change with a restart."""

    path: str
    inode: int


class _Opened(Generic[_Value]):
    """What a `with` block is given, and the descriptor that is closed after it; several of these for each file."""

    __slots__ = ("_descriptor", "_value")

    def __init__(self, value: _Value, descriptor: int | None) -> None:
        self._value, self._descriptor = value, descriptor

    def __enter__(self) -> _Value:
        return self._value

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)


class Area:
    """An opened folder below which a site acts.

    Attributes:
        path: where it was opened; for messages only.
        identity: which folder it is.
        device: number of its file system, until the next restart.
    """

    def __init__(self, path: Path, follow: dict[str, "Identity"] | None = None) -> None:
        """Open the folder; `follow` maps links on the way to the folder they led to at `init`."""
        self.path = path
        self._follow = follow or {}
        try:
            self.descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise InstallationError("folder", f"cannot open {path}: {error.strerror}") from None
        self.identity = identify(self.descriptor)
        self.device = os.fstat(self.descriptor).st_dev
        self._held: dict[str, int] = {}

    def close(self) -> None:
        """Let go of the descriptors."""
        for descriptor in self._held.values():
            os.close(descriptor)
        self._held.clear()
        os.close(self.descriptor)

    def hold(self, path: str) -> None:
        """Keep a folder open, so that every use of it is the same folder and costs no walk.

        Raises:
            OSError: as for `folder`.
        """
        with self.folder(path) as descriptor:
            self._held.setdefault(path, descriptor if path in self._held else os.dup(descriptor))

    def folder(self, path: str) -> _Opened[int]:
        """Open the folder at a path below the area, `""` being the area itself; gives a `with` block its descriptor.

        Raises:
            OSError: ELOOP for a link on the way, ENOENT or ENOTDIR where there is no such folder.
        """
        descriptor, ours = self._walk(path)
        return _Opened(descriptor, ours)

    def _walk(self, path: str) -> tuple[int, int | None]:
        """Return a folder's descriptor, and the same again when it was opened for this and is to be closed."""
        if not path or path in self._held:
            return (self._held[path] if path else self.descriptor), None
        descriptor, walked = self.descriptor, ""
        for part in path.split("/"):
            walked = f"{walked}/{part}" if walked else part
            above = descriptor
            try:
                descriptor = self._enter(above, part, walked)
            finally:
                if above != self.descriptor:
                    os.close(above)
        return descriptor, descriptor

    def _enter(self, descriptor: int, part: str, walked: str) -> int:
        if walked not in self._follow:
            try:
                return os.open(part, _FOLDER, dir_fd=descriptor)
            except NotADirectoryError:
                if stat.S_ISLNK(os.lstat(part, dir_fd=descriptor).st_mode):
                    raise OSError(errno.ELOOP, "a link on the way", walked) from None
                raise
        below = os.open(part, _FOLDER & ~os.O_NOFOLLOW, dir_fd=descriptor)
        if identify(below) != self._follow[walked]:
            os.close(below)
            raise OSError(errno.ELOOP, "a recorded link leads elsewhere now", walked)
        return below

    def parent(self, path: str) -> _Opened[tuple[int, str]]:
        """Open the folder that holds a path; gives a `with` block its descriptor and the last component.

        Raises:
            OSError: as for `folder`.
        """
        above, _, name = path.rpartition("/")
        descriptor, ours = self._walk(above)
        return _Opened((descriptor, name), ours)

    def look(self, path: str, *, content: bool = True, managed: Callable[[str], bool] | None = None) -> Found:
        """Tell what stands at a path.

        Args:
            path: below the area.
            content: read a file's digest; else its state has an empty one.
            managed: tells which paths hotfixes cover. Below a link that is covered itself lies nothing of theirs: a
                folder was there, or will be.
        """
        try:
            if managed is not None and any(managed(above) and self._is_link(above) for above in parents(path)[::-1]):
                return NOTHING
            with self.parent(path) as (descriptor, name):
                return _look(descriptor, name, content)
        except FileNotFoundError:
            return NOTHING
        except NotADirectoryError:
            return NOTHING
        except OSError as error:
            return Found(None, problem=_problem(error))

    def _is_link(self, path: str) -> bool:
        with self.parent(path) as (descriptor, name):
            return stat.S_ISLNK(os.lstat(name, dir_fd=descriptor).st_mode)

    def names(self, path: str) -> list[str]:
        """List a folder's names, sorted; empty where there is no such folder.

        Raises:
            OSError: it cannot be listed, or a link is on the way.
        """
        try:
            with self.folder(path) as descriptor:
                return sorted(os.listdir(descriptor))  # noqa: PTH208 - a descriptor has no Path
        except (FileNotFoundError, NotADirectoryError):
            return []

    def free_beside(self, path: str, suffix: str) -> str:
        """Return the first name beside a path that is free.

        Raises:
            OSError: its folder cannot be listed, or a link is on the way.
        """
        folder, slash, _ = path.rpartition("/")
        taken = {f"{folder}{slash}{name}" for name in self.names(folder)}
        return next(name for number in count(1) if (name := beside(path, suffix, number)) not in taken)

    def read(self, path: str, limit: int) -> bytes:
        """Return the bytes of a regular file of at most `limit` bytes.

        Raises:
            FileNotFoundError: there is none.
            InstallationError: no regular file, or too large.
        """
        with self.open(path) as handle:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise InstallationError("state", f"{self.path / path} is no regular file")
            with os.fdopen(handle, "rb", closefd=False) as stream:
                data = stream.read(limit + 1)
        if len(data) > limit:
            raise InstallationError("state", f"{self.path / path} has more than {limit} bytes")
        return data

    def open(self, path: str) -> _Opened[int]:
        """Open a regular file for reading; gives a `with` block its descriptor."""
        with self.parent(path) as (descriptor, name):
            handle = os.open(name, _FILE, dir_fd=descriptor)
        return _Opened(handle, handle)

    def status(self, path: str) -> os.stat_result | None:
        """Return what `lstat` tells of a path, which is cheaper than a look; None where nothing can be seen."""
        try:
            with self.parent(path) as (descriptor, name):
                return os.lstat(name, dir_fd=descriptor)
        except OSError:
            return None

    def stamp(self, path: str) -> Stamp | None:
        """Return the stamp of a regular file; None where there is none."""
        status = self.status(path)
        return stamp(status) if status is not None and stat.S_ISREG(status.st_mode) else None


def beside(path: str, suffix: str, number: int = 1) -> str:
    """Return the n-th name for what is laid beside a path; a long name is cut so that the suffix fits."""
    folder, slash, name = path.rpartition("/")
    ending = suffix if number == 1 else f"{suffix}.{number}"
    stem = name.encode()[: _LONGEST - len(ending)].decode("utf-8", "ignore")
    return f"{folder}{slash}{stem}{ending}"


def identify(descriptor: int) -> Identity:
    """Return which folder a descriptor stands for."""
    return Identity(str(Path(f"/proc/self/fd/{descriptor}").readlink()), os.fstat(descriptor).st_ino)


def _problem(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return f"{error.strerror} ({error.filename})" if error.filename else "a link on the way"
    return error.strerror or str(error)


def _look(descriptor: int, name: str, content: bool) -> Found:
    status = os.lstat(name, dir_fd=descriptor)
    if stat.S_ISLNK(status.st_mode):
        return _look_at_link(os.readlink(name, dir_fd=descriptor), status)
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return Found(None, problem="neither a file, a link nor a folder")
    handle = os.open(name, _FILE, dir_fd=descriptor)
    try:
        return _look_inside(handle, content)
    finally:
        os.close(handle)


def _look_at_link(target: str, status: os.stat_result) -> Found:
    if _ODD.search(target) or len(target) > LIMITS.path:
        return Found(None, problem="a link whose target no manifest can hold")
    return Found(Link(target), _plain_attributes(status))


def _look_inside(handle: int, content: bool) -> Found:
    status = os.fstat(handle)
    if stat.S_ISDIR(status.st_mode):
        return Found(Folder(), read_attributes(handle))
    sha256, size = hash_file(handle) if content else ("", status.st_size)
    state = File(sha256, size, is_executable(status))
    return Found(state, read_attributes(handle), links=status.st_nlink, stamp=stamp(status))


def is_executable(status: os.stat_result) -> bool:
    """Tell whether a file's owner may execute it."""
    return bool(status.st_mode & 0o100)


def stamp(status: os.stat_result) -> Stamp:
    """Return what changes whenever a file's content does."""
    return status.st_ino, status.st_size, status.st_mtime_ns


def hash_file(handle: int, copy_to: Callable[[bytes], Any] | None = None) -> tuple[str, int]:
    """Return SHA-256 and size of an open file from its start, handing each piece to `copy_to` on the way."""
    hasher, size = hashlib.sha256(), 0
    while piece := os.pread(handle, CHUNK, size):
        hasher.update(piece)
        size += len(piece)
        if copy_to is not None:
            copy_to(piece)
    return hasher.hexdigest(), size


def _plain_attributes(status: os.stat_result) -> Attributes:
    return Attributes(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)


def read_attributes(handle: int) -> Attributes:
    """Return the attributes of an open file or folder."""
    status = os.fstat(handle)
    extended = []
    for name in _extended_names(handle):
        # Extended attributes come and go; one that is gone meanwhile was nothing to keep.
        try:
            extended.append((name, os.getxattr(handle, name).hex()))
        except OSError as error:
            if error.errno not in (errno.ENODATA, errno.EPERM, errno.EACCES):
                raise
    return Attributes(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, tuple(sorted(extended)))


def _extended_names(handle: int) -> list[str]:
    if not hasattr(os, "listxattr"):
        return []
    try:
        return os.listxattr(handle)
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.ENOSYS):
            return []
        raise
