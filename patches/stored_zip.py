"""A zip of one form: members stored as they are, one after the other, all of one time; zip64 only where it must be.

Every byte beside the members' own follows from their names, sizes and CRCs. The reader makes these bytes anew and
compares, so there is nothing that two programs could read in two ways: no second directory, no comment, nothing before,
between or after. Names are plain ASCII; what a name means is the caller's affair, and nothing is written by it here.
"""

import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from patchline.patches.errors import ZipError

MAGIC = b"PK\x03\x04"
CHUNK = 1 << 20
NAME = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,127}/){0,8}[A-Za-z0-9][A-Za-z0-9._-]{0,254}")

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")
_BIG, _MANY = 0xFFFFFFFF, 0xFFFF
_DATE = 0x21  # 1980-01-01, the first day a zip knows; the time is midnight
_PLAIN, _ZIP64 = 20, 45
_MADE_BY = 3 << 8
_MODE = 0o100644 << 16


class Source(Protocol):
    """What a member is written from."""

    def read(self, size: int, /) -> bytes:
        """Return at most that many bytes."""
        ...


@dataclass(frozen=True)
class Member:
    """A member as it lies in the zip; `offset` is where its header begins."""

    name: str
    size: int
    crc: int
    offset: int

    @property
    def start(self) -> int:
        """Where its bytes begin."""
        return self.offset + len(_local_header(self))

    @property
    def end(self) -> int:
        """Where its bytes end."""
        return self.start + self.size


def write_members(out: BinaryIO, members: Iterable[tuple[str, int, Source]]) -> None:
    """Write a zip to an empty file that can be sought in.

    Args:
        out: the file.
        members: name, size and content of each, in their order.

    Raises:
        ZipError: a name that the form does not allow, one name twice, or content of another size.
    """
    written: list[Member] = []
    offset = 0
    for name, size, source in members:
        _check_name(name)
        # The header's length does not depend on the CRC, which is known only afterwards.
        out.write(_local_header(Member(name, size, 0, offset)))
        member = Member(name, size, _copy(source, out, name, size), offset)
        out.seek(offset)
        out.write(_local_header(member))
        out.seek(member.end)
        offset = member.end
        written.append(member)
    _check_twins(written)
    out.write(_directory(written, offset))


def _copy(source: Source, out: BinaryIO, name: str, size: int) -> int:
    crc, left = 0, size
    while data := source.read(min(CHUNK, left + 1)):
        left -= len(data)
        if left < 0:
            break
        crc = zlib.crc32(data, crc)
        out.write(data)
    if left:
        raise ZipError("source-size", f"{name} is not of {size} bytes any more")
    return crc


class StoredZip:
    """A zip whose whole structure was checked; the members' bytes are checked by their CRC as they are read.

    Attributes:
        members: in their order.
    """

    def __init__(self, stream: BinaryIO, size: int, *, most_members: int, what: str) -> None:
        """Read and check everything but the members' bytes.

        Args:
            stream: can be sought in; stays open as long as members are read.
            size: how many bytes it has.
            most_members: more are refused before they are read.
            what: name of the file in messages.

        Raises:
            ZipError: any byte is not as the form demands.
        """
        self._stream, self._what = stream, what
        self.members = tuple(self._read_directory(size, most_members))
        for member in self.members:
            if self._at(member.offset, member.start - member.offset) != _local_header(member):
                raise ZipError("form", f"{what}: the header of {member.name} differs from the directory")

    def _read_directory(self, size: int, most: int) -> Iterator[Member]:
        count, start = self._read_end(size)
        if count > most:
            raise ZipError("too-many", f"{self._what} has {count} members, more than {most}")
        if start > size:
            raise ZipError("form", f"{self._what} has its directory outside of itself")
        # A member of the directory is at most its fixed part, a name, and an extra field of zip64.
        if size - start > count * (_CENTRAL.size + 1500) + 200:
            raise ZipError("form", f"{self._what} has something beside its members and its directory")
        data = self._at(start, size - start)
        members = list(_parse_directory(data, count, self._what))
        _check_twins(members)
        offset = 0
        for member in members:
            if member.offset != offset:
                raise ZipError("form", f"{self._what}: {member.name} does not follow the member before it")
            offset = member.end
        if offset != start or data != _directory(members, start):
            raise ZipError("form", f"{self._what} is a zip of another form than patchline's")
        return iter(members)

    def _read_end(self, size: int) -> tuple[int, int]:
        """Return the number of members and where the directory starts, as the end claims."""
        if size < _END.size:
            raise ZipError("truncated", f"{self._what} is no zip, or was cut short")
        end = _END.unpack(self._at(size - _END.size, _END.size))
        if end[0] != b"PK\x05\x06":
            raise ZipError("truncated", f"{self._what} is no zip, was cut short, or has something after its end")
        count, start = end[4], end[6]
        if count != _MANY and start != _BIG:
            return count, start
        before = _LOCATOR_64.size + _END_64.size + _END.size
        if size < before:
            raise ZipError("form", f"{self._what} lacks its zip64 directory")
        found = _END_64.unpack(self._at(size - before, _END_64.size))
        return found[7], found[9]

    def _at(self, offset: int, length: int) -> bytes:
        self._stream.seek(offset)
        data = self._stream.read(length)  # a plain file or one over HTTP ranges gives all of it, or it has ended
        if len(data) != length:
            raise ZipError("truncated", f"{self._what} was cut short")
        return data

    def open(self, member: Member) -> "MemberStream":
        """Return a member's bytes as a stream; one at a time is read."""
        self._stream.seek(member.start)
        return MemberStream(self._stream, member, self._what)

    def read(self, member: Member, limit: int) -> bytes:
        """Return a member's bytes.

        Raises:
            ZipError: more than `limit`, or damaged.
        """
        if member.size > limit:
            raise ZipError("member-too-large", f"{self._what}: {member.name} has more than {limit} bytes")
        stream = self.open(member)
        return b"".join(iter(lambda: stream.read(CHUNK), b""))


class MemberStream:
    """A member being read from start to end."""

    def __init__(self, stream: BinaryIO, member: Member, what: str) -> None:
        self._stream, self._member, self._what = stream, member, what
        self._left, self._crc = member.size, 0

    def read(self, size: int, /) -> bytes:
        """Return at most that many bytes, none at the end.

        Raises:
            ZipError: it is cut short, or not what its CRC says.
        """
        data = self._stream.read(min(size, self._left)) if self._left and size else b""
        self._left -= len(data)
        self._crc = zlib.crc32(data, self._crc)
        if size and not data and self._left:
            raise ZipError("truncated", f"{self._what} was cut short in {self._member.name}")
        if not self._left and self._crc != self._member.crc:
            raise ZipError("crc", f"{self._what}: {self._member.name} is damaged")
        return data


def _parse_directory(data: bytes, count: int, what: str) -> Iterator[Member]:
    """Yield the members that a directory claims; whether it has the one form, comparing shows."""
    at = 0
    for _ in range(count):
        if len(data) < at + _CENTRAL.size:
            raise ZipError("form", f"{what} has a directory that was cut short")
        found = _CENTRAL.unpack_from(data, at)
        crc, size, name_length, extra_length, comment_length, offset = (found[n] for n in (7, 9, 10, 11, 12, 16))
        name_at = at + _CENTRAL.size
        name = data[name_at : name_at + name_length].decode("ascii", "replace")
        _check_name(name)
        extra = data[name_at + name_length : name_at + name_length + extra_length]
        if size == _BIG or offset == _BIG:
            size, offset = _read_extra(extra, size, offset, what)
        yield Member(name, size, crc, offset)
        at = name_at + name_length + extra_length + comment_length


def _read_extra(extra: bytes, size: int, offset: int, what: str) -> tuple[int, int]:
    wanted = (2 if size == _BIG else 0) + (offset == _BIG)
    if len(extra) != 4 + 8 * wanted:
        raise ZipError("form", f"{what} has an extra field of another form")
    numbers = struct.unpack_from(f"<{wanted}Q", extra, 4)
    return (numbers[0] if size == _BIG else size), (numbers[-1] if offset == _BIG else offset)


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise ZipError("name", f"a zip of this form holds no member named {name[:80]!r}")


def _check_twins(members: list[Member]) -> None:
    """Refuse names that are one on a system that does not tell capitals, and a name that is a folder of another."""
    names = {member.name.lower() for member in members}
    folders = {name.rsplit("/", depth)[0] for name in names for depth in range(1, name.count("/") + 1)}
    if len(names) != len(members) or names & folders:
        raise ZipError("name", "a zip of this form holds no two members of one name")


def _large(number: int) -> bool:
    return number >= _BIG


def _local_header(member: Member) -> bytes:
    name = member.name.encode("ascii")
    large = _large(member.size)
    extra = struct.pack("<2H2Q", 1, 16, member.size, member.size) if large else b""
    size = _BIG if large else member.size
    version = _ZIP64 if large else _PLAIN
    fixed = _LOCAL.pack(MAGIC, version, 0, 0, 0, _DATE, member.crc, size, size, len(name), len(extra))
    return fixed + name + extra


def _directory_entry(member: Member) -> bytes:
    name = member.name.encode("ascii")
    numbers = [member.size, member.size] if _large(member.size) else []
    numbers += [member.offset] if _large(member.offset) else []
    extra = struct.pack(f"<2H{len(numbers)}Q", 1, 8 * len(numbers), *numbers) if numbers else b""
    size, offset = min(member.size, _BIG), min(member.offset, _BIG)
    version = _ZIP64 if numbers else _PLAIN
    head = (b"PK\x01\x02", _MADE_BY | version, version, 0, 0, 0, _DATE, member.crc, size, size)
    return _CENTRAL.pack(*head, len(name), len(extra), 0, 0, 0, _MODE, offset) + name + extra


def _directory(members: list[Member], start: int) -> bytes:
    entries = b"".join(map(_directory_entry, members))
    count, size = len(members), len(entries)
    tail = b""
    if count >= _MANY or _large(start) or _large(size):
        tail = _END_64.pack(
            b"PK\x06\x06", _END_64.size - 12, _MADE_BY | _ZIP64, _ZIP64, 0, 0, count, count, size, start
        )
        tail += _LOCATOR_64.pack(b"PK\x06\x07", 0, start + size, 1)
    short = min(count, _MANY)
    return entries + tail + _END.pack(b"PK\x05\x06", 0, 0, short, short, min(size, _BIG), min(start, _BIG), 0)
