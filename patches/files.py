"""Files that a person names on the command line: bounded reading, atomic writing, and what to say when it fails.

- A file that is written appears whole or not at all, and never replaces another one unless asked to.
- A file that is read is regular, and never larger in memory than its limit.
- Every `OSError` becomes one error of ours that names the path.
"""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from patchline.patches.errors import (
    MalformedError,
    NotFoundError,
    PatchlineError,
    RefusedError,
    StateError,
)

_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_ABSENT = {errno.ENOENT, errno.ENOTDIR}
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK}


def os_failure(error: OSError) -> PatchlineError:
    """Return the error of ours that tells what the operating system refused."""
    reason = (error.strerror or str(error) or type(error).__name__).lower()
    path = _path_of(error)
    message = f"{path}: {reason}" if path else reason
    if error.errno in _ABSENT:
        return NotFoundError("file", message)
    if error.errno in _DENIED:
        return RefusedError("permission", message)
    if error.errno in _FULL:
        return StateError("disk-full", message)
    if error.errno == errno.EISDIR:
        return MalformedError("not-a-file", message)
    return StateError("input-output", message)


def _path_of(error: OSError) -> str:
    name = error.filename if error.filename is not None else error.filename2
    return "" if name is None or isinstance(name, int) else os.fsdecode(name)


def read_file(path: Path, *, limit: int) -> bytes:
    """Read a regular file of at most `limit` bytes.

    Raises:
        NotFoundError: there is no such file.
        MalformedError: it is a folder or device, or has more bytes.
        RefusedError: it may not be read.
    """
    with open_regular(path) as file:
        try:
            data = file.read(limit + 1)
        except OSError as error:
            raise os_failure(error) from None
    if len(data) > limit:
        raise MalformedError("file-too-large", f"{path} has more than {limit} bytes")
    return data


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading, without waiting for anybody.

    Raises:
        NotFoundError: there is no such file.
        MalformedError: it is a folder, pipe or device.
        RefusedError: it may not be read.
    """
    try:
        # Without O_NONBLOCK, opening a pipe that nobody writes to would hang.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return os.fdopen(descriptor, "rb")
        os.close(descriptor)
    except OSError as error:
        raise os_failure(error) from None
    raise MalformedError("not-a-file", f"{path} is not a regular file")


@contextmanager
def write_atomically(path: Path, *, overwrite: bool = False, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Open a file, to write and read back, that takes its name only when the block ends well, its bytes being on the disk by then.

    Args:
        path: the name it takes.
        overwrite: whether a file that has this name already may be replaced.
        mode: rights of the new file, reduced by the umask; 0o600 for secrets.

    Raises:
        RefusedError: there is such a file already, or the folder may not be written to.
        NotFoundError: the folder is not there.
        StateError: the disk is full or fails.
    """
    if not overwrite and os.path.lexists(path):
        raise _exists(path)
    folder = path.parent
    if not folder.is_dir():
        raise NotFoundError("folder", f"{folder} is not a folder")
    part = folder / f".{path.name[:200]}.{secrets.token_hex(4)}.part"
    try:
        with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _take_name(part, path, overwrite)
        sync_folder(folder)
    except OSError as error:
        raise os_failure(error) from None
    finally:
        with suppress(OSError):
            part.unlink()


def write_file(path: Path, data: bytes, *, overwrite: bool = False, mode: int = 0o666) -> None:
    """Write bytes as `write_atomically` does."""
    with write_atomically(path, overwrite=overwrite, mode=mode) as file:
        file.write(data)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _take_name(part: Path, path: Path, overwrite: bool) -> None:
    """Give the finished file its name; a link, unlike a rename, never replaces what has come there meanwhile."""
    if overwrite:
        part.replace(path)
        return
    try:
        os.link(part, path)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        if os.path.lexists(path):
            raise _exists(path) from None
        part.rename(path)  # a memory stick's file system has no hard links


def _exists(path: Path) -> RefusedError:
    return RefusedError("file-exists", f"{path} exists already")
