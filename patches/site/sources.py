"""Where a channel's files come from: a web server (`web`), a folder, or a kit, itself a folder or one zip of it.

Nothing that a source gives is believed; names asked for are those that `channel` makes of what was signed.
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from patchline.patches.errors import ChannelError, NotFoundError, SourceError
from patchline.patches.files import open_regular, os_failure, read_file
from patchline.patches.site.download_tokens import DownloadToken
from patchline.patches.site.pieces import Pieces
from patchline.patches.stored_zip import Member, StoredZip

_MOST_MEMBERS = 200_000
_AHEAD = 1 << 18


class Source(Protocol):
    """The files of a channel or kit, by their path below it.

    Attributes:
        name: address or path, for messages.
    """

    name: str

    def read(self, path: str, limit: int) -> bytes:
        """Return a small file.

        Raises:
            SourceError: `missing`, larger than the limit, or it cannot be had.
        """
        ...

    def open(self, path: str, size: int) -> BinaryIO:
        """Open a large file of known size, to be read anywhere in it.

        Raises:
            SourceError: as for `read`.
            ChannelError: it has another size.
        """
        ...

    def metadata(self) -> list[str]:
        """Return the names in the folder `metadata`; none where they cannot be listed."""
        ...

    def path_of(self, path: str) -> Path | None:
        """Return where a file lies on this machine; None where it is no file of its own here."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


class Folder:
    """A channel or kit that lies in a folder."""

    def __init__(self, folder: Path) -> None:
        """Take the folder."""
        self.name = str(folder)
        self._folder = folder

    def read(self, path: str, limit: int) -> bytes:
        """Return a small file."""
        try:
            return read_file(self._folder / path, limit=limit)
        except NotFoundError:
            raise missing(path, self.name) from None

    def open(self, path: str, size: int) -> BinaryIO:
        """Open a large file, which must have its size."""
        try:
            stream = open_regular(self._folder / path)
        except NotFoundError:
            raise missing(path, self.name) from None
        there = os.fstat(stream.fileno()).st_size
        if there != size:
            stream.close()
            raise _other_size(path, there, size)
        return stream

    def metadata(self) -> list[str]:
        """Return the names in the folder `metadata`."""
        try:
            return sorted(path.name for path in (self._folder / "metadata").iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise os_failure(error) from None

    def path_of(self, path: str) -> Path | None:
        """Return where the file lies."""
        return self._folder / path

    def close(self) -> None:
        """Do nothing: files are opened one by one."""


class KitZip:
    """A kit as one zip."""

    def __init__(self, path: Path) -> None:
        """Open the zip and check its structure.

        Raises:
            ZipError: it is no zip of patchline's form.
        """
        self.name, self._path = str(path), path
        with open_regular(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            found = StoredZip(stream, size, most_members=_MOST_MEMBERS, what=path.name)
        self._members = {member.name: member for member in found.members}

    def read(self, path: str, limit: int) -> bytes:
        """Return a small file."""
        member = self._member(path)
        if member.size > limit:
            raise SourceError("too-large", f"{path} has more than the {limit} bytes it may have")
        with self.open(path, member.size) as stream:
            return stream.read()

    def open(self, path: str, size: int) -> BinaryIO:
        """Open a large file, which must have its size."""
        member = self._member(path)
        if member.size != size:
            raise _other_size(path, member.size, size)
        return io.BufferedReader(_Window(open_regular(self._path), member.start, member.size), _AHEAD)

    def _member(self, path: str) -> Member:
        if path not in self._members:
            raise missing(path, self.name)
        return self._members[path]

    def metadata(self) -> list[str]:
        """Return the names in the folder `metadata`."""
        folder = "metadata/"
        return sorted(name.removeprefix(folder) for name in self._members if name.startswith(folder))

    def path_of(self, path: str) -> None:
        """Return nothing: what lies in a zip has no path of its own."""

    def close(self) -> None:
        """Do nothing: the zip is opened anew for each file."""


class _Window(Pieces):
    """A part of an open file as a stream of its own, which closes the file."""

    def __init__(self, stream: BinaryIO, start: int, size: int) -> None:
        super().__init__(size)
        self._stream, self._start = stream, start

    def _piece(self, start: int, end: int) -> bytes:
        self._stream.seek(self._start + start)
        return self._stream.read(end - start)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def _other_size(path: str, there: int, listed: int) -> ChannelError:
    return ChannelError("target", f"{path} has {there} bytes, not the {listed} that the metadata lists")


def missing(path: str, name: str) -> SourceError:
    """Return the error for a file that is not there."""
    return SourceError("missing", f"{path} is not in {name}")


@contextmanager
def opened_source(given: str, token: DownloadToken | None = None) -> Iterator[Source]:
    """Open what `--from` or a trust file names; a token goes to an address alone.

    Raises:
        SourceError: it is neither an address nor a folder or zip that holds a channel or kit.
        UsageError: it is an address that no token may go to.
    """
    source = _open(given, token)
    try:
        yield source
    finally:
        source.close()


def _open(given: str, token: DownloadToken | None) -> Source:
    if "://" in given:
        # Only here: what reads a kit needs no network and its libraries.
        from patchline.patches.site.web import Web

        return Web(given, token=token)
    path = Path(given)
    if path.is_dir():
        return Folder(path)
    if path.is_file():
        return KitZip(path)
    raise SourceError("no-channel", f"{given} is no folder, no kit and no address")
