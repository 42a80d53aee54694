"""Bringing published revisions into the state folder: resumed where a download was cut, whole or not at all.

    channel/releases/ID-rN.zip      what arrived whole and is what the metadata lists
    channel/releases/SHA256.part    what has arrived so far of another

A part is durable as it grows; whether what lies there is right, only the digest of the whole decides.
"""

import os
from collections.abc import Collection, Generator
from contextlib import closing
from pathlib import Path
from typing import Protocol, runtime_checkable

from patchline.patches.errors import ChannelError, InstallationError, SourceError
from patchline.patches.progress import Advance
from patchline.patches.site import space
from patchline.patches.site.area import hash_file
from patchline.patches.site.state import Site
from patchline.patches.site.tree import Target
from patchline.patches.site.view import make_folder
from patchline.patches.wording import readable_size

FOLDER = "channel/releases"
_PIECE = 4 << 20
"""How much is made durable at once."""


@runtime_checkable
class Ranges(Protocol):
    """A source of which a file is had from any place."""

    def pieces(self, path: str, start: int, end: int) -> Generator[bytes]:
        """Yield a file's bytes from `start` to before `end`."""
        ...


class Downloads:
    """The releases that lie in a site's state folder. The lock of fetching must be held."""

    def __init__(self, site: Site) -> None:
        """Make their folder where it is missing."""
        self._site, self._state, self._disk = site, site.state, site.disk
        make_folder(site, FOLDER)

    def path_of(self, label: str) -> Path:
        """Return where a release lies once it has arrived."""
        return self._state.path / FOLDER / f"{label}.zip"

    def take(self, source: Ranges, target: Target, label: str, advance: Advance) -> Path:
        """Bring one release here, unless it lies here.

        Raises:
            ChannelError: what arrived is not what the metadata lists.
            SourceError: it cannot be had, or not to its end; what has arrived is kept.
            InstallationError: there is no room for it.
        """
        name = f"{FOLDER}/{label}.zip"
        if self._digest(name)[0] == target.sha256:
            advance(target.size)
            return self.path_of(label)
        part = f"{FOLDER}/{target.sha256}.part"
        resumed = self._fetch(source, target, part, advance)
        if self._digest(part)[0] != target.sha256:
            self._disk.unlink(self._state, part)
            if resumed:  # What lay here was not the beginning of it.
                return self.take(source, target, label, lambda _: None)
            raise ChannelError("target", f"{target.name} is not what the metadata lists")
        self._disk.rename((self._state, part), (self._state, name))
        self._disk.sync()
        return self.path_of(label)

    def _fetch(self, source: Ranges, target: Target, part: str, advance: Advance) -> bool:
        """Bring what is missing of a part; return whether something of it was here before."""
        there = self._size(part)
        if there is None:
            self._disk.write_file(self._state, part, ())
            self._disk.sync()
        elif there > target.size:
            self._disk.cut(self._state, part, 0)
        start = self._size(part) or 0
        self._check_room(target, target.size - start)
        advance(start)
        try:
            self._append(source.pieces(target.file, start, target.size), part, advance)
        except SourceError as error:
            if error.code != "source.no-ranges":
                raise
            self._disk.cut(self._state, part, 0)
            self._append(source.pieces(target.file, 0, target.size), part, advance)
        return start > 0

    def _append(self, pieces: Generator[bytes], part: str, advance: Advance) -> None:
        gathered = bytearray()

        def keep() -> None:
            data = bytes(gathered)
            gathered.clear()  # First: what a full disk took of it must not come twice.
            self._disk.append(self._state, part, data)

        try:
            with closing(pieces):  # and with it the connection, whatever happens here
                for piece in pieces:
                    gathered += piece
                    advance(len(piece))
                    if len(gathered) >= _PIECE:
                        keep()
        finally:  # What has arrived is worth keeping, whatever stopped it.
            if gathered:
                keep()

    def _check_room(self, target: Target, needed: int) -> None:
        status = os.fstatvfs(self._state.descriptor)
        free = status.f_bavail * status.f_frsize
        if needed + space.MARGIN > free:
            raise InstallationError(
                "disk-full",
                f"{target.name} needs {readable_size(needed)} in {self._state.path}, of which {readable_size(free)} are free",
            )

    def _size(self, path: str) -> int | None:
        try:
            with self._state.open(path) as handle:
                return os.fstat(handle).st_size
        except FileNotFoundError:
            return None

    def _digest(self, path: str) -> tuple[str, int]:
        try:
            with self._state.open(path) as handle:
                return hash_file(handle)
        except FileNotFoundError:
            return "", 0

    def tidy(self, wanted: Collection[tuple[str, Target]]) -> None:
        """Remove what is offered no more; `wanted` are the labels and targets of what is."""
        keep = {f"{label}.zip" for label, _ in wanted} | {f"{target.sha256}.part" for _, target in wanted}
        for name in self._state.names(FOLDER):
            if name not in keep:
                self._disk.unlink(self._state, f"{FOLDER}/{name}")
        self._disk.sync()
