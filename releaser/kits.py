"""Kits: what a site without a network needs, as a folder or one zip, to be carried on a stick.

    README.txt            three commands
    metadata/…            the channel's, under the kit key (`kit_metadata`)
    targets/…             policies, recalls, checkpoint, and the releases that go in (`kit_choice`)
    patchline-site.pyz    the client and what the release key says about it, where the channel has one

The same channel, wish and time make the same kit, byte for byte. It is made beside its name and gets it at the end, so
a kit is whole or not there; what a killed maker left is cleared by the next one.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from patchline.patches import channel
from patchline.patches.errors import LockedError, NotFoundError, RefusedError, StoreError
from patchline.patches.files import os_failure, sync_folder
from patchline.patches.progress import Advance, Readable, progress
from patchline.patches.signers import Signer
from patchline.patches.stored_zip import write_members
from patchline.releaser import kit_words
from patchline.releaser.kit_choice import Choice, Wish, choose, listed_of
from patchline.releaser.kit_metadata import KitMetadata, kit_metadata
from patchline.releaser.published import ListedTarget, Published, read_published
from patchline.releaser.stores import Store

README = "README.txt"
_TRIES = 8


@dataclass(frozen=True)
class Kit:
    """A kit that was made."""

    out: Path
    choice: Choice
    expires: datetime
    size: int


@dataclass(frozen=True)
class _Part:
    """A file of a kit: its bytes, or the target that holds them."""

    path: str
    size: int
    content: bytes | ListedTarget


def make_kit(store: Store, kit_key: Signer, wish: Wish, out: Path, now: datetime, *, as_zip: bool = False) -> Kit:
    """Make a kit.

    Args:
        store: of the channel.
        kit_key: the one that the root of kits names.
        wish: for whom it is.
        out: the folder or zip to be made; it must not be there yet.
        now: the time of making.
        as_zip: make one zip.

    Raises:
        RefusedError: `out` is there already.
        StateError, ExpiredError: the channel cannot be carried now.
        StoreError: the store lacks or changed a file.
        LockedError: somebody else is making this kit.
    """
    if os.path.lexists(out):
        raise RefusedError("file-exists", f"{out} exists already")
    metadata, published = _one_state(store, kit_key, now)
    choice = choose(store, published, wish, now)
    client = _client(metadata.targets)
    words = kit_words.readme(choice.products, choice.releases, now, metadata.expires, client=bool(client))
    parts = [_Part(path, len(data), data) for path, data in metadata.files.items()]
    parts += [_Part(listed.file, listed.size, listed) for listed in listed_of(published, choice)]
    parts += client
    ordered = [_Part(README, len(words.encode()), words.encode()), *sorted(parts, key=lambda part: part.path)]
    size = sum(part.size for part in ordered)
    write = _write_zip if as_zip else _write_folder
    try:
        with _beside(out) as making, progress("writing the kit", size) as advance:
            write(_Content(store, advance), ordered, making).rename(out)
            sync_folder(out.parent)
    except OSError as error:
        raise os_failure(error) from None
    return Kit(out, choice, metadata.expires, size)


def _one_state(store: Store, kit_key: Signer, now: datetime) -> tuple[KitMetadata, Published]:
    """Return a kit's metadata and the state that it is of; again, when somebody published in between."""
    for _ in range(_TRIES):
        metadata, published = kit_metadata(store, kit_key, now), read_published(store)
        if metadata.versions == published.versions:
            return metadata, published
    raise LockedError("channel", "the channel is being published to all the time")


def _client(targets: Mapping[str, ListedTarget]) -> list[_Part]:
    """Return the client beside the README, for people who have none yet; nothing where the channel has none."""
    names = [channel.CLIENT + ending for ending in channel.CLIENT_ENDINGS]
    if not all(name in targets for name in names):
        return []
    return [_Part(name.rpartition("/")[2], targets[name].size, targets[name]) for name in names]


class _Content:
    """Opens the parts of a kit; what comes from the store is checked at its end."""

    def __init__(self, store: Store, advance: Advance) -> None:
        self._store, self._advance = store, advance

    @contextmanager
    def opened(self, part: _Part) -> Iterator["_Checked"]:
        """Open a part for reading."""
        if isinstance(part.content, bytes):
            yield _Checked(BytesIO(part.content), part, self._advance)
            return
        with self._store.reader(part.content.file) as stream:
            yield _Checked(stream, part, self._advance)


class _Checked:
    """A part being read, whose digest must be right at the end."""

    def __init__(self, stream: Readable, part: _Part, advance: Advance) -> None:
        self._stream, self._part, self._advance = stream, part, advance
        self._hash = hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        """Return at most that many bytes.

        Raises:
            StoreError: the store gave other bytes than the channel lists.
        """
        data = self._stream.read(size)
        self._hash.update(data)
        self._advance(len(data))
        content = self._part.content
        if not data and not isinstance(content, bytes) and self._hash.hexdigest() != content.sha256:
            raise StoreError("damaged", f"{content.file} in the store is not what the channel lists")
        return data


def _write_zip(content: _Content, parts: list[_Part], making: Path) -> Path:
    """Write one zip; return it."""
    path = making / README
    with path.open("x+b") as file:
        write_members(file, _members(content, parts))
        file.flush()
        os.fsync(file.fileno())
    return path


def _members(content: _Content, parts: list[_Part]) -> Iterator[tuple[str, int, _Checked]]:
    for part in parts:
        with content.opened(part) as stream:
            yield part.path, part.size, stream


def _write_folder(content: _Content, parts: list[_Part], making: Path) -> Path:
    """Write a folder; return it."""
    for part in parts:
        with content.opened(part) as stream:
            _write(stream, making / part.path)
    for folder, _, _ in os.walk(making, topdown=False):
        sync_folder(Path(folder))
    return making


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """Make the empty folder in which a kit grows; cleared of what a killed maker left there.

    Raises:
        NotFoundError: the folder above is not there.
        LockedError: another one grows in it.
    """
    if not out.parent.is_dir():
        raise NotFoundError("folder", f"{out.parent} is not a folder")
    making = out.with_name(f".{out.name}.part")
    making.mkdir(exist_ok=True)
    handle = os.open(making, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(handle, making, out)
        _clear(making)
        yield making
    finally:
        os.close(handle)
        if making.exists():
            shutil.rmtree(making, ignore_errors=True)


def _lock(handle: int, making: Path, out: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held = making.exists() and making.stat().st_ino == os.fstat(handle).st_ino
    except BlockingIOError:
        held = False
    if not held:  # or it has just got its name
        raise LockedError("kit", f"{out} is being made by another process")


def _clear(folder: Path) -> None:
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            Path(entry.path).unlink()


def _write(stream: _Checked, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        _copy(stream, file)
        file.flush()
        os.fsync(file.fileno())


def _copy(stream: _Checked, file: BinaryIO) -> None:
    while data := stream.read(1 << 20):
        file.write(data)
