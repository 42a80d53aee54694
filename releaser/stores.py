"""A place for files of ours that people or programs fetch by name: a folder, or an object store behind a URL.

- A file appears whole or not at all; in a folder it is on the disk when the call returns.
- What is read back is bounded by the caller, who also knows what the bytes must be.
- `create` never replaces, `swap` replaces only what was seen; so of two writers at once one is told, on any store. A
  folder knows no such conditions: there `exclusive` keeps the second writer waiting. An object store that ignores the
  conditions, as some imitations of S3 do, is found out by `probe` and refused.
- The driver's errors end here; what an object store says may hold addresses with secrets, so only its kind is told.
"""

import errno
import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO, Self
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import LocalStore, from_url

from patchline.patches.errors import LockedError, SettingsError, StateError, StoreError
from patchline.patches.files import open_regular, os_failure, sync_folder
from patchline.patches.progress import watch

CHUNK = 1 << 20
_LOCK = ".lock"
_PATIENCE_S = 60.0
_OPTIONS: dict[str, Any] = {"timeout": "300s", "connect_timeout": "20s"}
_PLAIN_HTTP = "AWS_ALLOW_HTTP"
"""Obstore takes everything else from the environment by itself, but this one only as an option."""
_NOT_KEPT: Any = {"Cache-Control": "no-cache"}
_from_url: Any = from_url


@dataclass(frozen=True)
class Seen:
    """A file as it was read: its bytes, and the mark by which the store knows this state of it."""

    data: bytes
    mark: str | None


class Store:
    """Files by name; a name is some words with slashes between them."""

    def __init__(self, store: Any, folder: Path | None = None) -> None:
        """Take a store of obstore; `folder` where it is a local one."""
        self._store, self._folder = store, folder
        self._probed = folder is not None
        self._alone = False

    @classmethod
    def at(cls, place: str) -> Self:
        """Open a store.

        Args:
            place: a folder, which is made when it is missing, or an object store's URL (`s3://…`, `gs://…`, `az://…`);
                access comes from the environment.

        Raises:
            StoreError: no such kind of store, or it cannot be opened.
            PatchlineError: the folder cannot be made.
        """
        scheme = urlsplit(place).scheme if "://" in place else ""
        if not scheme or scheme == "file":
            return cls.of_folder(Path(unquote(urlsplit(place).path)) if scheme else Path(place))
        if scheme in ("http", "https"):
            raise StoreError("url", "the store's URL is a web address; nothing can be kept there")
        try:
            plain = os.environ.get(_PLAIN_HTTP, "").lower() in ("1", "true")
            return cls(_from_url(place, client_options={**_OPTIONS, "allow_http": plain}))
        except (BaseError, ValueError, TypeError):
            raise StoreError("url", "the store's URL is none that can be opened") from None

    @classmethod
    def of_folder(cls, folder: Path) -> Self:
        """Open a folder, which is made when it is missing."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise os_failure(error) from None
        return cls(LocalStore(folder.resolve()), folder.resolve())

    def put(self, name: str, data: bytes) -> None:
        """Write a file, in place of one that has the name."""
        with _told(name):
            if self._folder is None:
                obstore.put(self._store, name, data)
            else:
                self._land(name, data, overwrite=True)

    def put_file(self, name: str, path: Path) -> None:
        """Write a file from one on disk, however large it is, in place of one that has the name."""
        with open_regular(path) as file, _told(name), self._beside(name) as part:
            obstore.put(self._store, part, _read(file, None), chunk_size=8 * CHUNK)
            self._take_name(part, name, overwrite=True)

    def upload(self, name: str, file: BinaryIO, size: int, sha256: str) -> None:
        """Write a file whose name holds its digest; one that is there whole is left alone.

        Args:
            name: what it is called.
            file: read from its present place.
            size: how many bytes it has.
            sha256: its digest.

        Raises:
            StateError: the file has other bytes by now; nothing is left of it.
        """
        if self.size(name) == size:
            return
        hasher = hashlib.sha256()
        with _told(name), self._beside(name) as part:
            obstore.put(self._store, part, _read(file, hasher), chunk_size=8 * CHUNK)
            if hasher.hexdigest() != sha256:
                self.delete(part)
                raise StateError("source-changed", f"{name}: the file changed while it was uploaded")
            self._take_name(part, name, overwrite=True)

    def size(self, name: str) -> int | None:
        """Return a file's size in bytes, None when there is none."""
        try:
            with _told(name):
                return int(obstore.head(self._store, name)["size"])
        except FileNotFoundError:
            return None

    def read(self, name: str, limit: int) -> bytes | None:
        """Return the content of a file, None when there is none.

        Raises:
            StoreError: it has more than `limit` bytes.
        """
        seen = self.look(name, limit)
        return None if seen is None else seen.data

    def look(self, name: str, limit: int) -> Seen | None:
        """Return a file as `swap` wants it, None when there is none.

        Raises:
            StoreError: it has more than `limit` bytes.
        """
        try:
            with _told(name):
                found = obstore.get(self._store, name)
                if found.meta["size"] > limit:
                    raise StoreError("too-large", f"{name} has {found.meta['size']} bytes, more than {limit}")
                return Seen(bytes(found.bytes()), found.meta["e_tag"])
        except FileNotFoundError:
            return None

    def read_into(self, name: str, stream: BinaryIO, size: int) -> None:
        """Write the content of a file of this size to a stream.

        Raises:
            StoreError: it is not there, or has another size.
        """
        left = size
        try:
            with _told(name):
                for chunk in obstore.get(self._store, name).stream(min_chunk_size=CHUNK):
                    left -= len(chunk)
                    if left < 0:
                        break
                    stream.write(chunk)
        except FileNotFoundError:
            raise StoreError("missing", f"{name} is not in the store") from None
        if left:
            raise StoreError("other-size", f"{name} in the store does not have {size} bytes")

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading here and there.

        Raises:
            StoreError: it is not there.
        """
        try:
            with _told(name):
                return BufferedReader(_Ranges(obstore.open_reader(self._store, name)), CHUNK)
        except FileNotFoundError:
            raise StoreError("missing", f"{name} is not in the store") from None

    @contextmanager
    def reader(self, name: str) -> Iterator[BinaryIO]:
        """Open a file as `open` does, to be closed at the end of the block."""
        with _told(name), self.open(name) as stream:
            yield stream

    def path_of(self, name: str) -> Path | None:
        """Return where a file lies on this machine; None in an object store."""
        return None if self._folder is None else self._folder / name

    def signed(self, name: str, life: timedelta) -> str:
        """Return an address by which anybody may fetch this one file of an object store for so long.

        Raises:
            StoreError: the store gives none.
        """
        with _told(name):
            return str(obstore.sign(self._store, "GET", name, expires_in=life))

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names below a prefix, which ends at a slash."""
        with _told(prefix):
            for batch in obstore.list(self._store, prefix):
                yield from (str(found["path"]) for found in batch)

    def delete(self, name: str) -> None:
        """Remove a file; one that is not there already is no matter."""
        try:
            with _told(name):
                obstore.delete(self._store, name)
        except FileNotFoundError:
            return

    def create(self, name: str, data: bytes) -> bool:
        """Write a file that is not there yet; False, and nothing done, when it is.

        Raises:
            SettingsError: the store knows no conditions.
        """
        self.probe()
        with _told(name):
            return self._create(name, data)

    def _create(self, name: str, data: bytes, attributes: Any = None) -> bool:
        try:
            if self._folder is None:
                obstore.put(self._store, name, data, mode="create", use_multipart=False, attributes=attributes)
            else:
                self._land(name, data, overwrite=False)
        except AlreadyExistsError:
            return False
        return True

    def swap(self, name: str, data: bytes, seen: Seen | None) -> bool:
        """Replace a file as it was seen, or write one where none was; in a folder only within `exclusive`.

        Returns:
            False, and nothing done, when it is another by now.

        Raises:
            SettingsError: the store knows no conditions.
        """
        self.probe()
        with _told(name):
            return self._create(name, data, _NOT_KEPT) if seen is None else self._swap(name, data, seen)

    def _swap(self, name: str, data: bytes, seen: Seen) -> bool:
        if self._folder is not None:
            if self.look(name, len(seen.data)) != seen:
                return False
            self._land(name, data, overwrite=True)
            return True
        if seen.mark is None:
            return False
        mode: Any = {"e_tag": seen.mark}
        try:
            # What is swapped is looked at by its name; no cache on the way may keep an earlier state.
            obstore.put(self._store, name, data, mode=mode, use_multipart=False, attributes=_NOT_KEPT)
        except (PreconditionError, AlreadyExistsError):
            return False
        return True

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other writers of a folder out; of an object store, the conditions do that.

        Raises:
            LockedError: another writer does not come to an end.
        """
        if self._folder is None:
            yield
            return
        try:
            handle = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise os_failure(error) from None
        try:
            _lock(handle, self._folder)
            self._alone = True
            yield
        finally:
            self._alone = False
            os.close(handle)

    def probe(self) -> None:
        """Make sure, once, that the store obeys the conditions of `create` and `swap`.

        Raises:
            SettingsError: it does not.
        """
        if self._probed:
            return
        name = f"probe/{secrets.token_hex(8)}"
        with _told(name):
            try:
                obeys = self._create(name, b"1") and not self._create(name, b"2")
                first = self.look(name, 10)
                obeys = obeys and first is not None and first.data == b"1" and self._swap(name, b"3", first)
                obeys = obeys and first is not None and not self._swap(name, b"4", first)
            finally:
                self.delete(name)
        if not obeys:
            raise SettingsError("store-conditions", "the object store overwrites what it was told not to overwrite")
        self._probed = True

    def _land(self, name: str, data: bytes, *, overwrite: bool) -> None:
        """Write a file of the folder: durable first, then under its name."""
        with self._beside(name) as part:
            obstore.put(self._store, part, data, use_multipart=False)
            self._take_name(part, name, overwrite=overwrite)

    @contextmanager
    def _beside(self, name: str) -> Iterator[str]:
        """Give the name to write under: in a folder one beside, which is gone afterwards; else the name itself.

        Whoever is alone in a folder clears what killed writers left there.
        """
        if self._folder is None:
            yield name
            return
        folder, slash, _ = name.rpartition("/")
        for left in (self._folder / folder).glob(".*.part") if self._alone else ():
            left.unlink(missing_ok=True)
        part = f"{folder}{slash}.{secrets.token_hex(8)}.part"
        try:
            yield part
        finally:
            (self._folder / part).unlink(missing_ok=True)

    def _take_name(self, part: str, name: str, *, overwrite: bool) -> None:
        if self._folder is None:
            return
        descriptor = os.open(self._folder / part, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        obstore.rename(self._store, part, name, overwrite=overwrite)
        for folder in (self._folder / name).parents:
            sync_folder(folder)
            if folder == self._folder:
                break


class _Ranges(RawIOBase):
    """The driver's reader as one of Python's."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return int(self._reader.seek(offset, whence))

    def tell(self) -> int:
        return int(self._reader.tell())

    def readinto(self, buffer: Any, /) -> int:
        data = bytes(self._reader.read(len(buffer)))
        buffer[: len(data)] = data
        return len(data)


def _read(file: BinaryIO, hasher: Any) -> Iterator[bytes]:
    while data := file.read(CHUNK):
        if hasher is not None:
            hasher.update(data)
        watch().advance(len(data))
        yield data


def _lock(handle: int, folder: Path) -> None:
    patience = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > patience:
                raise LockedError("store", f"{folder} is being written to by another program") from None
            time.sleep(0.05)


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
        raise os_failure(OSError(error.errno or errno.EIO, _first_line(error), name)) from None


def _first_line(error: OSError) -> str:
    return str(error.strerror or error).partition("\n")[0][:200]
