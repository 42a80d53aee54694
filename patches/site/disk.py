"""Every write of a site, as small steps.

- Each method names the step it is about to take (`Disk.step`) before it takes it; the tests' fault disk stops there,
  or records the step and replays what a power loss would have kept.
- Nothing is durable before `sync` (everything since the last one) or one of the methods that say so. What a process
  wrote that was killed is durable only after `doubt` and `sync`: it stands there, but a power loss may still take it.
- Paths are walked by descriptor (`Area`); nothing here follows a link or opens an existing file for writing, but
  `append`, which belongs to the state folder alone.
"""

import contextlib
import errno
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from patchline.patches.errors import InstallationError
from patchline.patches.site.area import Area, Attributes, hash_file, read_attributes
from patchline.patches.site.file_systems import sync_whole

Place = tuple[Area, str]
_MANY = 16
"""From so many files and folders on, one sync of everything costs less than one for each."""
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# It was removed, or replaced by a file or link, after it had changed: the folder above is in the list. Some file systems
# cannot sync a folder, and need not.
_NO_FOLDER = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EINVAL})
_FAILING = frozenset({errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_KEPT_BY_KERNEL = frozenset({"security.selinux"})


class Disk:
    """The real disk."""

    parallel = 8
    """How many files are made durable, or freed, at once."""

    def __init__(self) -> None:
        self._files: dict[tuple[int, str], Place] = {}
        self._folders: dict[tuple[int, str], Place] = {}

    def step(
        self, name: str, area: Area, path: str, other: Place | None = None, data: bytes | Attributes = b""
    ) -> None:
        """Called before every step. The real disk has nothing to do here."""

    # Writing, durable after `sync`.

    @contextmanager
    def create(self, area: Area, path: str, mode: int = 0o600) -> Iterator[Callable[[bytes], None]]:
        """Create a file that must not exist; yields the function that writes the next piece of it."""
        self.step("create", area, path, data=f"{mode:o}".encode())
        with area.parent(path) as (folder, name):
            handle = os.open(name, _CREATE, mode, dir_fd=folder)
        self._changed_folder(area, path)

        def write(data: bytes) -> None:
            self.step("write", area, path, data=data)
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]

        try:
            yield write
            os.fchmod(handle, mode)
        finally:
            os.close(handle)
        self._files[id(area), path] = area, path

    def write_file(self, area: Area, path: str, chunks: Iterable[bytes]) -> None:
        """Create a file with this content."""
        with self.create(area, path) as write:
            for chunk in chunks:
                write(chunk)

    def copy(self, source: Place, target: Place) -> str:
        """Copy a file into a new one; return the SHA-256 of what was copied."""
        with source[0].open(source[1]) as handle, self.create(*target) as write:
            return hash_file(handle, write)[0]

    def link(self, source: Place, target: Place) -> None:
        """Give a file a second name."""
        self.step("link", *target, other=source)
        with source[0].parent(source[1]) as (from_folder, from_name), target[0].parent(target[1]) as (folder, name):
            os.link(from_name, name, src_dir_fd=from_folder, dst_dir_fd=folder, follow_symlinks=False)
        self._files[id(target[0]), target[1]] = target
        self._changed_folder(*target)

    def symlink(self, area: Area, path: str, target: str, owner: Attributes | None = None) -> None:
        """Create a symbolic link, with owner and group where they are given.

        Raises:
            InstallationError: this user cannot give it that owner or group.
        """
        self.step("symlink", area, path, data=os.fsencode(target))
        with area.parent(path) as (folder, name):
            os.symlink(target, name, dir_fd=folder)
            if owner is not None:
                _set_owner_of_link(folder, name, owner)
        self._changed_folder(area, path)

    def rename(self, source: Place, target: Place) -> None:
        """Move a file or link over whatever file or link is there, or a folder to where nothing is, in one step."""
        self.step("rename", *target, other=source)
        with source[0].parent(source[1]) as (from_folder, from_name), target[0].parent(target[1]) as (folder, name):
            os.rename(from_name, name, src_dir_fd=from_folder, dst_dir_fd=folder)
        self._files.pop((id(target[0]), target[1]), None)
        if self._files.pop((id(source[0]), source[1]), None):
            self._files[id(target[0]), target[1]] = target
        self._changed_folder(*source)
        self._changed_folder(*target)

    def unlink(self, area: Area, path: str) -> None:
        """Remove a file or link."""
        self.step("unlink", area, path)
        with area.parent(path) as (folder, name):
            os.unlink(name, dir_fd=folder)
        self._files.pop((id(area), path), None)
        self._changed_folder(area, path)

    def unlink_all(self, places: Collection[Place]) -> None:
        """Remove many files: whoever frees their blocks one by one waits for each, on some file systems for long."""
        if self.parallel > 1 and len(places) >= _MANY:
            with ThreadPoolExecutor(self.parallel) as pool:
                list(pool.map(lambda place: self.unlink(*place), places))
        else:
            for place in places:
                self.unlink(*place)

    def mkdir(self, area: Area, path: str) -> None:
        """Create a folder, closed to others until its attributes are set."""
        self.step("mkdir", area, path)
        with area.parent(path) as (folder, name):
            os.mkdir(name, 0o700, dir_fd=folder)
        self._changed_folder(area, path)

    def rmdir(self, area: Area, path: str) -> None:
        """Remove an empty folder."""
        self.step("rmdir", area, path)
        with area.parent(path) as (folder, name):
            os.rmdir(name, dir_fd=folder)
        self._files.pop((id(area), path), None)
        self._folders.pop((id(area), path), None)
        self._changed_folder(area, path)

    def set_attributes(self, area: Area, path: str, attributes: Attributes) -> None:
        """Give a file or folder its owner, group, permission bits and extended attributes.

        Raises:
            InstallationError: they cannot be given here, by this user or on this file system.
        """
        self.step("attributes", area, path, data=attributes)
        try:
            with area.parent(path) as (folder, name):
                handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
                try:
                    _set_attributes(handle, attributes)
                finally:
                    os.close(handle)
            self._files[id(area), path] = area, path
        except OSError as error:
            if error.errno in _FAILING:
                raise
            raise InstallationError(
                "attributes", f"owner, group, mode or extended attributes of {path} cannot be kept: {error.strerror}"
            ) from None

    # Durable at once.

    def replace(self, area: Area, path: str, data: bytes, mode: int = 0o600) -> None:
        """Write a small file anew, durably: readers see the old one or the new one."""
        fresh = f"{path}.new"
        with contextlib.suppress(FileNotFoundError):
            self.unlink(area, fresh)
        with self.create(area, fresh, mode) as write:
            write(data)
        self._sync_file(area, fresh)
        self._files.pop((id(area), fresh), None)
        self.rename((area, fresh), (area, path))
        self._sync_folder(area, path.rpartition("/")[0])

    def append(self, area: Area, path: str, data: bytes) -> None:
        """Add to a file of the state folder, durably."""
        self.step("append", area, path, data=data)
        with area.parent(path) as (folder, name):
            handle = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            self.step("sync-append", area, path)
            os.fdatasync(handle)
        finally:
            os.close(handle)

    def cut(self, area: Area, path: str, size: int) -> None:
        """Shorten a file of the state folder to its first `size` bytes, durably."""
        self.step("cut", area, path, data=str(size).encode())
        with area.parent(path) as (folder, name):
            handle = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            os.ftruncate(handle, size)
            os.fsync(handle)
        finally:
            os.close(handle)

    def sync(self) -> None:
        """Make everything written since the last call durable: files first, then the folders that name them."""
        files, folders = list(self._files.values()), list(self._folders.values())
        if self.parallel > 1 and len(files) + len(folders) >= _MANY:
            done = self._sync_whole({area for area, _ in files + folders})
            files, folders = ([place for place in places if place[0] not in done] for places in (files, folders))
        if self.parallel > 1 and len(files) > 1:
            with ThreadPoolExecutor(self.parallel) as pool:
                list(pool.map(lambda place: self._sync_file(*place), files))
        else:
            for place in files:
                self._sync_file(*place)
        for place in folders:
            self._sync_folder(*place)
        self._files.clear()
        self._folders.clear()

    def doubt(self, area: Area, path: str, *, content: bool = True) -> None:
        """Have the next `sync` make durable what stands at a path, and that it stands there, whoever wrote it."""
        if content:
            self._files[id(area), path] = area, path
        self._changed_folder(area, path)

    def _sync_whole(self, areas: Iterable[Area]) -> set[Area]:
        """Sync the file systems of some areas, each once; return the areas for which that is known to be enough."""
        done: dict[int, bool] = {}
        for area in areas:
            if area.device not in done:
                self.step("sync-whole", area, "")
                done[area.device] = sync_whole(area.descriptor)
        return {area for area in areas if done[area.device]}

    def _sync_file(self, area: Area, path: str) -> None:
        self.step("sync-file", area, path)
        with area.open(path) as handle:
            os.fsync(handle)

    def _sync_folder(self, area: Area, path: str) -> None:
        self.step("sync-folder", area, path)
        try:
            with area.folder(path) as handle:
                os.fsync(handle)
        except OSError as error:
            if error.errno not in _NO_FOLDER:
                raise

    def _changed_folder(self, area: Area, path: str) -> None:
        above = path.rpartition("/")[0]
        self._folders[id(area), above] = area, above


def _set_owner_of_link(folder: int, name: str, owner: Attributes) -> None:
    there = os.lstat(name, dir_fd=folder)
    if (there.st_uid, there.st_gid) != (owner.uid, owner.gid):
        try:
            os.chown(name, owner.uid, owner.gid, dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            message = f"owner or group of the link {name} cannot be kept: {error.strerror}"
            raise InstallationError("attributes", message) from None


def _set_attributes(handle: int, wanted: Attributes) -> None:
    there = read_attributes(handle)
    if (there.uid, there.gid) != (wanted.uid, wanted.gid):
        os.fchown(handle, wanted.uid, wanted.gid)
    extended, surplus = dict(wanted.extended), dict(there.extended)
    for name in surplus.keys() - extended.keys() - _KEPT_BY_KERNEL:
        os.removexattr(handle, name)
    for name, value in extended.items():
        if surplus.get(name) != value:
            os.setxattr(handle, name, bytes.fromhex(value))
    # Last, as a change of owner or access list changes the bits.
    os.fchmod(handle, wanted.mode)
