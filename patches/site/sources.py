"""Where a channel's files come from: a web server (`web`), a folder, or a kit, itself a folder or one zip of it.

Nothing that a source gives is believed; names asked for are those that `channel` makes of what was signed.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from patchline.patches.errors import NotFoundError, SourceError
from patchline.patches.files import open_regular, os_failure, read_file


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
            raise SourceError("cut", f"{path} has {there} of {size} bytes")
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


def missing(path: str, name: str) -> SourceError:
    """Return the error for a file that is not there."""
    return SourceError("missing", f"{path} is not in {name}")


@contextmanager
def opened_source(given: str) -> Iterator[Source]:
    """Open what `--from` or a trust file names.

    Raises:
        SourceError: it is neither an address nor a folder or zip that holds a channel or kit.
    """
    source = _open(given)
    try:
        yield source
    finally:
        source.close()


def _open(given: str) -> Source:
    if "://" in given:
        # Only here: what reads a kit needs no network and its libraries.
        from patchline.patches.site.web import Web

        return Web(given)
    path = Path(given)
    if path.is_dir():
        return Folder(path)
    raise SourceError("no-channel", f"{given} is no folder, no kit and no address")
