"""Content on its way into a bundle: hashed once as it arrives, kept by digest, given back in any order.

Memory stays flat: what exceeds a bound lies in one unnamed file beside the bundle that is being made.
"""

import hashlib
import io
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from patchline.patches.errors import BuildError
from patchline.patches.limits import LIMITS

_IN_MEMORY = 16 << 20
_CHUNK = 1 << 20


Advance = Callable[[int], None]


def unheard(amount: int) -> None:
    """Tell nobody how far the work has come."""


class Spool:
    """A place for content, known by its SHA-256. Use as a context manager.

    Attributes:
        advance: told how many more bytes came or went.
    """

    def __init__(self, folder: Path | None = None, advance: Advance = unheard) -> None:
        """Make an empty spool.

        Args:
            folder: where the file of a large spool lies; None means the system's folder for temporary files.
            advance: told how many more bytes came or went.
        """
        self.advance = advance
        self._folder = folder
        self._file: IO[bytes] = io.BytesIO()
        self._places: dict[str, tuple[int, int]] = {}
        self._end = 0
        self._appending = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._places

    def add(self, pieces: Iterable[bytes]) -> tuple[str, int]:
        """Keep content.

        Returns:
            Its SHA-256 in hexadecimal, and its size in bytes.

        Raises:
            BuildError: it is larger than a bundle can carry.
        """
        digest, size = hashlib.sha256(), 0
        self._to_end()
        for piece in pieces:
            size += len(piece)
            check_size(size)
            if self._end + size > _IN_MEMORY and isinstance(self._file, io.BytesIO):
                self._spill()
            digest.update(piece)
            self._file.write(piece)
            self.advance(len(piece))
        return self._keep(digest.hexdigest(), size)

    def _keep(self, sha256: str, size: int) -> tuple[str, int]:
        if sha256 in self._places:
            self._appending = False  # What was written is written over.
        else:
            self._places[sha256] = (self._end, size)
            self._end += size
        return sha256, size

    def _to_end(self) -> None:
        # A seek on a file throws its buffer away, which costs more than to write a small content.
        if not self._appending:
            self._file.seek(self._end)
            self._appending = True

    def _spill(self) -> None:
        """Go on in a file without a name."""
        file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 (closed by __exit__)
        here = self._file.tell()
        self._file.seek(0)
        shutil.copyfileobj(self._file, file, _CHUNK)
        self._file.close()
        file.seek(here)
        self._file = file

    def read(self, sha256: str) -> Iterator[bytes]:
        """Yield content in pieces; several readers may take turns."""
        position, left = self._places[sha256]
        while left:
            self._appending = False
            self._file.seek(position)
            piece = self._file.read(min(_CHUNK, left))
            position += len(piece)
            left -= len(piece)
            self.advance(len(piece))
            yield piece


def measure(pieces: Iterable[bytes]) -> tuple[str, int]:
    """Return SHA-256 and size of content without keeping it, by the same rule as `Spool.add`."""
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        size += len(piece)
        check_size(size)
        digest.update(piece)
    return digest.hexdigest(), size


def check_size(size: int) -> None:
    """Refuse content that no bundle can carry."""
    if size > LIMITS.file:
        raise BuildError("file-too-large", f"a file has more than {LIMITS.file} bytes")
