"""A stream that is read in pieces, anywhere: of whatever can give the bytes between two places."""

import io
from typing import Any


class Pieces(io.RawIOBase):
    """A readable, seekable stream; what follows from it gives the bytes."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size, self._place = size, 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be read anywhere."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; returns it."""
        self._place = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence])
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer; returns how many bytes, none at the end."""
        end = max(self._place, min(self._size, self._place + len(buffer)))
        data = self._piece(self._place, end) if self._place < end else b""
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)

    def _piece(self, start: int, end: int) -> bytes:
        """Return the bytes from `start` to before `end`; fewer only where the source has ended."""
        raise NotImplementedError
