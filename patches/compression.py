"""The strict gzip of a payload: one member with a fixed header, and no byte more.

The header is always the same ten bytes (no name, no time, no extra fields). The reader checks the checksum and the
length in the trailer, accepts nothing after it, and inflates in bounded pieces up to a limit that the caller states,
so that a bomb stops at the first byte beyond it.

`zlib_ng` does the work where it is installed, because it is two to three times faster; else Python's `zlib` does.
The two may write different bytes for the same content, and nothing depends on those bytes.
"""

import struct

from patchline.patches.archive import CHUNK, Readable, Writable
from patchline.patches.errors import ArchiveError

try:
    from zlib_ng import zlib_ng as engine
except ImportError:  # the customer's one-file client is pure Python
    import zlib as engine  # type: ignore[no-redef]

ENGINE = f"{engine.__name__} {engine.ZLIB_RUNTIME_VERSION}"
"""What compresses here, for provenance: the packed bytes, unlike the payload's, may differ with it."""

_LEVELS = {"zlib": 6, "zlib_ng.zlib_ng": 5}
"""zlib_ng's level 5 takes four fifths of the time of its level 6, for 0.3 % more bytes."""

HEADER = bytes.fromhex("1f8b08000000000000ff")
"""Magic, deflate, no flags, no time, no extra flags, system unknown."""

_RAW = -15
"""Window bits of deflate without a wrapper: header and trailer are read and written here."""


class GzipWriter:
    """Compresses what is written to it."""

    def __init__(self, stream: Writable) -> None:
        self._stream = stream
        self._deflate = engine.compressobj(_LEVELS[engine.__name__], engine.DEFLATED, _RAW)
        self._checksum = 0
        self._size = 0
        stream.write(HEADER)

    def write(self, data: bytes) -> int:
        """Compress bytes; returns how many were taken, which is all."""
        self._checksum = engine.crc32(data, self._checksum)
        self._size += len(data)
        if packed := self._deflate.compress(data):
            self._stream.write(packed)
        return len(data)

    def close(self) -> None:
        """Write the rest and the trailer. The stream stays open."""
        self._stream.write(self._deflate.flush() + struct.pack("<II", self._checksum, self._size & 0xFFFFFFFF))


class GzipReader:
    """Inflates a stream; it was right when `read` has returned no bytes.

    Args:
        stream: the compressed bytes and nothing after them.
        limit: most bytes it may inflate to.
        what: name of the stream in error messages.
    """

    def __init__(self, stream: Readable, limit: int, *, what: str) -> None:
        self._stream = stream
        self._limit = limit
        self._what = what
        self._inflate = engine.decompressobj(_RAW)
        self._packed: bytes | None = None
        self._checksum = 0
        self._size = 0
        self._ended = False

    def read(self, size: int = CHUNK) -> bytes:
        """Return 1 to `size` bytes, or none at the checked end.

        Raises:
            ArchiveError: the stream is not what a `GzipWriter` makes, is damaged, or inflates beyond the limit.
        """
        if self._packed is None:
            self._read_header()
        while not self._ended:
            if piece := self._inflate_some(size):
                return piece
        return b""

    def _read_header(self) -> None:
        found = self._exactly(len(HEADER))
        if found != HEADER:
            code, reason = _wrong_header(found)
            raise ArchiveError(code, f"{self._what} {reason}")

    def _inflate_some(self, size: int) -> bytes:
        if self._inflate.eof:
            self._read_trailer()
            return b""
        packed = self._packed or self._stream.read(CHUNK)
        room = self._limit - self._size
        try:
            piece = self._inflate.decompress(packed, min(size, max(room, 1)))
        except engine.error as error:  # type: ignore[misc]  # the stub declares an instance, not a class
            raise ArchiveError("gzip-damaged", f"{self._what} cannot be inflated: {error}") from None
        self._packed = self._inflate.unconsumed_tail
        if not (packed or piece or self._inflate.eof):
            raise ArchiveError("gzip-truncated", f"{self._what} ends before its content does")
        self._checksum = engine.crc32(piece, self._checksum)
        self._size += len(piece)
        if piece and not room:
            raise ArchiveError("gzip-too-large", f"{self._what} inflates to more than the {self._limit} bytes declared")
        return piece

    def _read_trailer(self) -> None:
        self._packed = self._inflate.unused_data
        trailer = self._exactly(8)
        if len(trailer) < 8:
            raise ArchiveError("gzip-truncated", f"{self._what} ends inside its trailer")
        checksum, size = struct.unpack("<II", trailer)
        if checksum != self._checksum:
            raise ArchiveError("gzip-checksum", f"the checksum of {self._what} is wrong")
        if size != self._size & 0xFFFFFFFF:
            raise ArchiveError("gzip-length", f"{self._what} states another length than it has")
        rest = self._exactly(2)
        if rest == HEADER[:2]:
            raise ArchiveError("gzip-second-stream", f"{self._what} holds a second gzip stream")
        if rest:
            raise ArchiveError("gzip-trailing-data", f"{self._what} goes on after its end")
        self._ended = True

    def _exactly(self, size: int) -> bytes:
        """Return `size` packed bytes, fewer only at the end; the rest of what was read stays in `_packed`."""
        found = self._packed or b""
        while len(found) < size and (piece := self._stream.read(CHUNK)):
            found += piece
        self._packed = found[size:]
        return found[:size]


def _wrong_header(found: bytes) -> tuple[str, str]:
    if len(found) < len(HEADER):
        return "gzip-truncated", "ends inside its header"
    if found[:3] != HEADER[:3]:
        return "gzip-magic", "is not a gzip stream"
    if found[3]:
        return "gzip-flags", "carries a name, a comment or extra fields"
    if any(found[4:8]):
        return "gzip-time", "carries a time"
    return "gzip-header", "has another header than the fixed one"
