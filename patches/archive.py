"""The strict tar of a bundle: with `compression`, the only code that touches archive bytes.

One header is right for a name and a size, and `header` makes it. The reader parses name and size, makes that header
and compares all 512 bytes; nothing else about a member is ever believed. So there are no links, devices, folders,
owners, times, modes, long names or extended records to interpret, and a name is only looked up in the list of names
the caller expects, in that order: it never becomes a path.

An archive is its members, each padded with zeros to 512 bytes, two zero blocks, and the end of the stream.
Everything is read and written in chunks of at most `CHUNK` bytes; a stream needs no more than `read` or `write`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO, Protocol, TypeVar

from patchline.patches.errors import ArchiveError
from patchline.patches.limits import LIMITS

BLOCK = 512
CHUNK = 1 << 18
"""Bytes moved at once: small enough for the processor's cache, large enough that Python's own cost vanishes."""

Filled = TypeVar("Filled")

_END = bytes(2 * BLOCK)
_NAME = slice(0, 100)
_SIZE = slice(124, 136)
_CHECKSUM = slice(148, 156)
_TYPE = slice(156, 157)
_MAGIC = slice(257, 265)

_MODE_AND_OWNER = b"0000644\0" + b"0000000\0" + b"0000000\0"
_TIME = b"00000000000\0"
_AFTER_CHECKSUM = b"0" + bytes(100) + b"ustar\x0000" + bytes(247)
_FIXED_SUM = sum(_MODE_AND_OWNER) + sum(_TIME) + 8 * ord(" ") + sum(_AFTER_CHECKSUM)


class Readable(Protocol):
    """A binary stream to read from, a pipe included: `read` may give fewer bytes than asked, none only at the end."""

    def read(self, size: int, /) -> bytes:
        """Return 1 to `size` bytes, or none at the end."""
        ...


class Writable(Protocol):
    """A binary stream to write to; `write` takes everything it is given."""

    def write(self, data: bytes, /) -> object:
        """Take all bytes."""
        ...


def header(name: str, size: int) -> bytes:
    """Return the one header of a member: ustar, a regular file, mode 0644, owner 0, time 0, no names of people.

    Raises:
        ArchiveError: the name is not 1 to 100 characters of ASCII, or the size does not fit eleven octal digits.
    """
    if not (name.isascii() and 0 < len(name) <= 100) or "\0" in name:
        raise ArchiveError("name", f"{name!r} cannot be the name of an archive member")
    if not 0 <= size <= LIMITS.file:
        raise ArchiveError("member-too-large", f"member {name} of {size} bytes; at most {LIMITS.file} fit")
    raw = name.encode("ascii")
    digits = b"%011o\0" % size
    checksum = b"%06o\0 " % (_FIXED_SUM + sum(raw) + sum(digits))
    return raw.ljust(100, b"\0") + _MODE_AND_OWNER + digits + _TIME + checksum + _AFTER_CHECKSUM


def padding(size: int) -> int:
    """Return how many zero bytes follow a content of `size` bytes."""
    return -size % BLOCK


def archive_size(sizes: Iterable[int]) -> int:
    """Return the bytes of an archive whose members have these sizes."""
    return sum(BLOCK + size + padding(size) for size in sizes) + len(_END)


# Writing


class TarWriter:
    """Writes an archive member by member; small pieces are gathered, so that the stream sees large ones."""

    def __init__(self, stream: Writable) -> None:
        self._stream = stream
        self._pieces: list[bytes] = []
        self._gathered = 0

    def add(self, name: str, size: int, chunks: Iterable[bytes]) -> None:
        """Add a member.

        Raises:
            ArchiveError: the chunks hold more or fewer bytes than `size`, or the member cannot be carried.
        """
        self._put(header(name, size))
        written = 0
        for chunk in chunks:
            written += len(chunk)
            if written > size:
                break
            self._put(chunk)
        if written != size:
            comparison = "more" if written > size else "fewer"
            raise ArchiveError("source-size", f"the source of {name} holds {comparison} than the {size} bytes stated")
        self._put(bytes(padding(size)))

    def close(self) -> None:
        """Write the end of the archive. The stream stays open."""
        self._put(_END)
        self.flush()

    def flush(self) -> None:
        """Hand everything gathered to the stream."""
        if self._pieces:
            self._stream.write(b"".join(self._pieces))
            self._pieces, self._gathered = [], 0

    def _put(self, data: bytes) -> None:
        self._pieces.append(data)
        self._gathered += len(data)
        if self._gathered >= CHUNK:
            self.flush()


def add_unmeasured(writer: TarWriter, file: BinaryIO, name: str, fill: Callable[[Writable], Filled]) -> Filled:
    """Add a member whose size is known only once `fill` has written it: its header is set afterwards.

    Args:
        writer: an archive that is written to `file`.
        file: a seekable file.
        name: the member's name.
        fill: writes the content to the stream it is given.

    Returns:
        What `fill` returns.
    """
    writer.flush()
    start = file.tell()
    file.write(bytes(BLOCK))
    filled = fill(file)
    end = file.tell()
    size = end - start - BLOCK
    file.seek(start)
    file.write(header(name, size))
    file.seek(end)
    file.write(bytes(padding(size)))
    return filled


# Reading


class _Source:
    """A stream from which exact numbers of bytes are taken."""

    def __init__(self, stream: Readable, what: str) -> None:
        self._stream = stream
        self._buffer = b""
        self._at = 0
        self.what = what

    def some(self, most: int) -> bytes:
        """Return 1 to `most` bytes, or none at the end."""
        if self._at == len(self._buffer):
            self._buffer, self._at = self._stream.read(CHUNK), 0
        piece = self._buffer[self._at : self._at + most]
        self._at += len(piece)
        return piece

    def take(self, size: int) -> bytes:
        """Return `size` bytes, or fewer when the stream ends before."""
        piece = self.some(size)
        if len(piece) == size or not piece:
            return piece
        pieces = [piece]
        missing = size - len(piece)
        while missing and (piece := self.some(missing)):
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)


class OpenMember:
    """A member whose content is being read; it can be read once, before the next member is asked for."""

    def __init__(self, source: _Source, name: str, size: int) -> None:
        self._source = source
        self._left = size
        self.name = name
        self.size = size

    def read(self, size: int = CHUNK) -> bytes:
        """Return 1 to `size` bytes of content, or none at its end.

        Raises:
            ArchiveError: the archive ends inside the content.
        """
        if not self._left:
            return b""
        piece = self._source.some(min(size, self._left))
        if not piece:
            raise _truncated(self._source, f"inside {self.name}")
        self._left -= len(piece)
        return piece

    def chunks(self) -> Iterator[bytes]:
        """Yield what is left of the content."""
        while self._left:
            yield self.read()


def read_members(stream: Readable, names: Sequence[str], *, what: str) -> Iterator[OpenMember]:
    """Read an archive that must hold exactly these members in this order.

    The archive is right only when the iteration ends without an error: then its end was reached and nothing follows.

    Args:
        stream: read in chunks up to its end.
        names: what the archive must hold.
        what: name of the archive in error messages.

    Raises:
        ArchiveError: the archive differs in any byte from what a `TarWriter` would have written.
    """
    source = _Source(stream, what)
    for place, expected in enumerate(names):
        block = _header_block(source)
        if block == bytes(BLOCK):
            raise ArchiveError("missing-member", f"{what} ends without its member {expected}")
        name, size = _parse(block, what)
        if name != expected:
            raise _wrong_place(source, names, place, name, size)
        member = OpenMember(source, name, size)
        yield member
        _skip(member)
    _read_end(source, names)


def _header_block(source: _Source) -> bytes:
    block = source.take(BLOCK)
    if len(block) != BLOCK:
        raise _truncated(source, "where a member should begin")
    return block


def _skip(member: OpenMember) -> None:
    """Pass over what is left of a member, and its padding, which must be zero."""
    for _ in member.chunks():
        pass
    source, size = member._source, padding(member.size)
    if not size:
        return
    found = source.take(size)
    if len(found) != size:
        raise _truncated(source, f"after {member.name}")
    if found.count(0) != size:
        raise ArchiveError("padding", f"{source.what}: the padding after {member.name} is not zero")


def _read_end(source: _Source, names: Sequence[str]) -> None:
    block = _header_block(source)
    if block != bytes(BLOCK):
        name, size = _parse(block, source.what)
        raise _wrong_place(source, names, len(names), name, size)
    if source.take(BLOCK) != bytes(BLOCK):
        raise ArchiveError("end-block", f"{source.what} has one zero block at its end instead of two")
    if source.some(1):
        raise ArchiveError("trailing-data", f"{source.what} goes on after its end")


def _truncated(source: _Source, where: str) -> ArchiveError:
    return ArchiveError("truncated", f"{source.what} ends {where}")


def _wrong_place(source: _Source, names: Sequence[str], place: int, name: str, size: int) -> ArchiveError:
    """Say why a well-formed member does not belong where it stands."""
    if name not in names:
        return ArchiveError("unknown-member", f"{source.what} holds {name!r}, which does not belong to it")
    if name in names[:place]:
        return ArchiveError("duplicate-member", f"{source.what} holds {name} twice or out of order")
    expected = names[place]
    if _comes_later(OpenMember(source, name, size), expected):
        return ArchiveError("member-order", f"{source.what} holds {name} before {expected}")
    return ArchiveError("missing-member", f"{source.what} lacks its member {expected}")


def _comes_later(member: OpenMember, wanted: str) -> bool:
    """Tell whether a member follows; the archive is refused already, this only finds the better words."""
    source = member._source
    try:
        while True:
            _skip(member)
            name, size = _parse(_header_block(source), source.what)
            if name == wanted:
                return True
            member = OpenMember(source, name, size)
    except ArchiveError:
        return False


def _parse(block: bytes, what: str) -> tuple[str, int]:
    """Return name and size of a header that is right in every byte."""
    try:
        name = block[_NAME].partition(b"\0")[0].decode("ascii")
        size = int(block[_SIZE][:11], 8)
        if block == header(name, size):
            return name, size
    except (ValueError, ArchiveError):
        pass
    code, reason = _diagnose(block)
    raise ArchiveError(code, f"{what}: {reason}")


# Saying what is wrong with a header. Nothing here accepts anything.

_TYPES = {
    b"\0": ("type-old", "an old-style regular file"),
    b"1": ("type-hard-link", "a hard link"),
    b"2": ("type-link", "a symbolic link"),
    b"3": ("type-device", "a character device"),
    b"4": ("type-device", "a block device"),
    b"5": ("type-folder", "a folder"),
    b"6": ("type-fifo", "a FIFO"),
    b"x": ("type-pax", "an extended (pax) header"),
    b"g": ("type-pax-global", "a global extended (pax) header"),
    b"L": ("type-long-name", "a GNU long name"),
    b"K": ("type-long-name", "a GNU long link name"),
    b"S": ("type-sparse", "a GNU sparse file"),
}

_NUMBERS = {
    "mode": slice(100, 108),
    "user id": slice(108, 116),
    "group id": slice(116, 124),
    "size": _SIZE,
    "time": slice(136, 148),
}

_FIXED_FIELDS = (
    (slice(108, 124), _MODE_AND_OWNER[8:], "owner", "belongs to a user or group id other than 0"),
    (slice(136, 148), _TIME, "time", "has a time"),
    (slice(157, 257), bytes(100), "link-name", "has a link name"),
    (slice(265, 329), bytes(64), "owner-name", "names a user or group"),
    (slice(329, 345), bytes(16), "device-number", "has a device number"),
    (slice(345, 500), bytes(155), "name-prefix", "has a name prefix"),
)


def _diagnose(block: bytes) -> tuple[str, str]:
    """Return error code and reason for a header that is not right."""
    for finder in (_wrong_frame, _wrong_type, _wrong_name, _wrong_number, _wrong_mode, _wrong_field):
        if finding := finder(block):
            return finding
    return "header-end", f"{_shown(block)} has bytes after its last field"


def _wrong_frame(block: bytes) -> tuple[str, str] | None:
    if block[_MAGIC] != b"ustar\x0000":
        return "magic", "a member's header is not that of a ustar archive"
    total = sum(block) - sum(block[_CHECKSUM]) + 8 * ord(" ")
    if block[_CHECKSUM] != b"%06o\0 " % total:
        return "checksum", "the checksum of a member's header is wrong"
    return None


def _wrong_type(block: bytes) -> tuple[str, str] | None:
    kind = block[_TYPE]
    if kind == b"0":
        return None
    code, words = _TYPES.get(kind, ("type", f"a member of type {kind!r}"))
    return code, f"it holds {words}; only regular files may stand here"


def _wrong_name(block: bytes) -> tuple[str, str] | None:
    name, _, rest = block[_NAME].partition(b"\0")
    if not name:
        return "name-empty", "a member has no name"
    if rest.strip(b"\0"):
        return "name-after-nul", f"the name {name!r} is followed by hidden bytes"
    if not name.isascii():
        return "name-encoding", f"the name {name!r} is not ASCII"
    return None


def _wrong_number(block: bytes) -> tuple[str, str] | None:
    for words, place in _NUMBERS.items():
        field = block[place]
        if field[0] & 0x80:
            return "number-binary", f"the {words} of {_shown(block)} is a base-256 number"
        if field[-1] != 0 or field[:-1].strip(b"01234567"):
            return "number", f"the {words} of {_shown(block)} is not an octal number of full width"
    return None


def _wrong_mode(block: bytes) -> tuple[str, str] | None:
    mode = int(block[100:107], 8)
    if mode & 0o7000:
        return "mode-special", f"{_shown(block)} has a setuid, setgid or sticky bit (mode {mode:o})"
    if mode != 0o644:
        return "mode", f"{_shown(block)} has mode {mode:o} instead of 644"
    return None


def _wrong_field(block: bytes) -> tuple[str, str] | None:
    for place, right, code, words in _FIXED_FIELDS:
        if block[place] != right:
            return code, f"{_shown(block)} {words}"
    return None


def _shown(block: bytes) -> str:
    return repr(block[_NAME].partition(b"\0")[0].decode("ascii", "replace"))
