"""A place for files of ours that people or programs fetch by name: a folder, or an object store behind a URL.

- A file appears whole or not at all; in a folder it is on the disk when `put` returns.
- What is read back is bounded by the caller, who also knows what the bytes must be.
- The driver's errors end here; what an object store says may hold addresses with secrets, so only its kind is told.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from patchline.patches.errors import StoreError
from patchline.patches.files import os_failure, sync_folder


class Store:
    """Files by name; a name is some words with slashes between them."""

    def __init__(self, store: ObjectStore, folder: Path | None) -> None:
        self._store, self._folder = store, folder

    @classmethod
    def at(cls, place: str) -> Self:
        """Open a store.

        Args:
            place: a folder, which is made when it is missing, or an object store's URL (`s3://…`, `gs://…`, `az://…`).

        Raises:
            StoreError: no such kind of store, or it cannot be opened.
            PatchlineError: the folder cannot be made.
        """
        if "://" in place:
            try:
                return cls(from_url(place), None)
            except (BaseError, ValueError, TypeError):
                raise StoreError("url", "the store's URL is none that can be opened") from None
        folder = Path(place)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return cls(LocalStore(folder), folder)
        except OSError as error:
            raise os_failure(error) from None

    def put(self, name: str, data: bytes) -> None:
        """Write a file, in place of one that has the name."""
        with _told(name):
            self._store.put(name, data)
        self._settle(name)

    def put_file(self, name: str, path: Path) -> None:
        """Write a file from one on disk, however large it is."""
        with _told(name):
            self._store.put(name, path)
        self._settle(name)

    def size(self, name: str) -> int | None:
        """Return a file's size in bytes, None when there is none."""
        try:
            with _told(name):
                return int(self._store.head(name)["size"])
        except FileNotFoundError:
            return None

    def read(self, name: str, limit: int) -> bytes | None:
        """Return the content of a file, None when there is none.

        Raises:
            StoreError: it has more than `limit` bytes.
        """
        size = self.size(name)
        if size is None:
            return None
        if size > limit:
            raise StoreError("too-large", f"{name} has {size} bytes, more than {limit}")
        with _told(name):
            return bytes(self._store.get(name).bytes())

    def read_into(self, name: str, stream: BinaryIO, size: int) -> None:
        """Write the content of a file of this size to a stream.

        Raises:
            StoreError: it is not there, or has another size.
        """
        left = size
        try:
            with _told(name):
                for chunk in self._store.get(name).stream():
                    left -= len(chunk)
                    if left < 0:
                        break
                    stream.write(chunk)
        except FileNotFoundError:
            raise StoreError("missing", f"{name} is not in the store") from None
        if left:
            raise StoreError("other-size", f"{name} in the store does not have {size} bytes")

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names below a prefix, which ends at a slash."""
        with _told(prefix):
            for batch in self._store.list(prefix):
                yield from (str(found["path"]) for found in batch)

    def delete(self, name: str) -> None:
        """Remove a file; one that is not there already is no matter."""
        try:
            with _told(name):
                self._store.delete(name)
        except FileNotFoundError:
            return

    def _settle(self, name: str) -> None:
        """Make a file in a folder survive a power cut."""
        if self._folder is None:
            return
        path = self._folder / name
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            for folder in path.parents:
                sync_folder(folder)
                if folder == self._folder:
                    break
        except OSError as error:
            raise os_failure(error) from None


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Turn the driver's errors into ours; a file that is not there stays a FileNotFoundError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except BaseError as error:
        kind = type(error).__name__.removesuffix("Error").lower()
        raise StoreError("unreachable", f"{name}: the store does not take or give it ({kind})") from None
    except OSError as error:
        raise os_failure(OSError(error.errno or 5, _first_line(error), name)) from None


def _first_line(error: OSError) -> str:
    return error.strerror or (str(error).splitlines() or ["input or output failed"])[0]
