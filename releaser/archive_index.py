"""What lies in archives (jar, war, ear, zip, wheel …), and in the archives in these: hashed while it is inflated.

Archives come from anywhere, so every one is judged on its own: what cannot be read or goes beyond a bound is one
finding with the archive that has it, and everything else is listed all the same. Each archive is read once, however
often it lies there. Memory holds the list of one archive with those around it, never their contents.
"""

import errno
import hashlib
import re
import struct
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO, NamedTuple

from patchline.patches.wording import counted, readable_size
from patchline.releaser.built_archives import FAILURES, is_archive
from patchline.releaser.components import LARGEST, MANIFEST, Component, component_of, evidence
from patchline.releaser.spool import Advance, unheard

_CHUNK = 1 << 20
_IN_MEMORY = 8 << 20
_MAGIC = b"PK\x03\x04"
_OTHER = re.compile(r"\.(tar(\.[a-z0-9]+)?|tgz|tbz2?|txz|7z|rpm|deb|iso|msi|cab)$", re.IGNORECASE)
_PATH = 4000
_END = struct.Struct("<4s4H2LH")
_TAIL = (1 << 16) + _END.size
_UNREADABLE = (*FAILURES, struct.error, OverflowError, KeyError)
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE)


@dataclass(frozen=True)
class Bounds:
    """How far the index looks into one file of a baseline.

    Attributes:
        depth: archives within each other.
        members: of one archive.
        listing: bytes of one archive's own list of members.
        inflated: bytes of all members, those of archives within included.
        ratio: by how much all members of an archive may be larger than it, once they are larger than `ratio_from`.
    """

    depth: int = 8
    members: int = 500_000
    listing: int = 128 << 20
    inflated: int = 64 << 30
    ratio: int = 200
    ratio_from: int = 256 << 20


BOUNDS = Bounds()


class Entry(NamedTuple):
    """A file that lies in a container."""

    path: str
    sha256: str
    size: int
    component: Component | None


class Finding(NamedTuple):
    """Why some of an archive is not in the index: a stable word, and what people read."""

    code: str
    told: str


@dataclass(frozen=True)
class Listed:
    """An archive by its digest, with what lies in it directly."""

    sha256: str
    entries: list[Entry]
    finding: Finding | None


class _TooFarError(Exception):
    """The bound on all bytes of one file of a baseline was reached."""


@dataclass
class ArchiveReader:
    """Reads archives of one baseline.

    Attributes:
        known: tells whether an archive of this digest is in the index already.
        take: called with each archive once it was read to its end, those within before those around.
        advance: told how many more packed bytes of the outermost archives were read.
    """

    known: Callable[[str], bool]
    take: Callable[[Listed], None]
    advance: Advance = unheard
    bounds: Bounds = BOUNDS
    _left: int = field(init=False, default=0)

    def read(self, file: IO[bytes], sha256: str) -> None:
        """Read an archive that lies in a baseline itself."""
        if self.known(sha256):
            return
        self._left = self.bounds.inflated
        try:
            self._read(file, sha256, 1)
        except _TooFarError:
            told = f"holds more than {readable_size(self.bounds.inflated)}"
            self.take(Listed(sha256, [], Finding("too-much", told)))

    def _read(self, file: IO[bytes], sha256: str, depth: int) -> None:
        entries: list[Entry] = []
        findings: list[Finding] = []
        try:
            self._check_listing(file)
            with zipfile.ZipFile(file) as archive:
                members = [member for member in archive.infolist() if not member.is_dir()]
                self._check_members(members, _size(file))
                for member in members:
                    self._member(archive, member, depth, entries, findings)
        except _RefusedError as refused:
            findings.append(refused.finding)
        except _UNREADABLE as error:
            findings.append(_damaged("is no readable archive", error))
        _drop_manifest(entries)
        self.take(Listed(sha256, entries, _one(findings)))

    def _member(
        self,
        archive: zipfile.ZipFile,
        member: zipfile.ZipInfo,
        depth: int,
        entries: list[Entry],
        findings: list[Finding],
    ) -> None:
        name = _told(member.filename)
        if depth == 1:
            self.advance(member.compress_size)
        if member.flag_bits & 1:
            findings.append(Finding("encrypted", f"{name} is encrypted"))
            return
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            findings.append(Finding("packing", f"{name} is packed in a way that archives of programs are not"))
            return
        try:
            entry, kept = self._inflate(archive, member, name)
        except _UNREADABLE as error:
            findings.append(_damaged(f"{name} cannot be read", error))
            return
        entries.append(entry)
        if kept is None:
            if is_of_other_kind(name) and not self.known(entry.sha256):
                self.take(of_other_kind(entry.sha256))
            return
        with kept:
            if depth == self.bounds.depth:
                findings.append(Finding("depth", f"{name} lies too deep to be looked into"))
            elif not self.known(entry.sha256):
                self._read(kept, entry.sha256, depth + 1)

    def _inflate(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> tuple[Entry, IO[bytes] | None]:
        """Hash a member; give it back as a file when it is an archive itself."""
        with archive.open(member) as stream, ExitStack() as ends:
            piece = stream.read(_CHUNK)
            kept: IO[bytes] | None = None
            if looks_like_archive(name, piece):
                kept = ends.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY))
            asked = evidence(name) and member.file_size <= LARGEST
            component = component_of(name, piece) if asked else None
            digest, size = hashlib.sha256(), 0
            while piece:
                size += len(piece)
                self._left -= len(piece)
                if self._left < 0:
                    raise _TooFarError
                digest.update(piece)
                if kept:
                    kept.write(piece)
                # With the last of its bytes its checksum was compared.
                piece = stream.read(_CHUNK) if size < member.file_size else b""
            ends.pop_all()
        return Entry(name, digest.hexdigest(), size, component), kept

    def _check_listing(self, file: IO[bytes]) -> None:
        """Refuse a list of members that would fill the memory, before it is read."""
        size = _size(file)
        file.seek(max(0, size - _TAIL))
        tail = file.read(_TAIL)
        place = tail.rfind(b"PK\x05\x06")
        if 0 <= place <= len(tail) - _END.size:
            listing = _END.unpack_from(tail, place)[5]
            if min(listing, size) > self.bounds.listing:
                raise _RefusedError("too-many", f"lists its members in {readable_size(min(listing, size))}")
        file.seek(0)

    def _check_members(self, members: list[zipfile.ZipInfo], size: int) -> None:
        if len(members) > self.bounds.members:
            raise _RefusedError("too-many", f"has {counted(len(members), 'member')}")
        inflated = sum(member.file_size for member in members)
        if inflated > max(self.bounds.ratio_from, size * self.bounds.ratio):
            raise _RefusedError("ratio", f"would become {readable_size(inflated)} out of {readable_size(size)}")


class _RefusedError(Exception):
    def __init__(self, code: str, told: str) -> None:
        self.finding = Finding(code, told)


def _drop_manifest(entries: list[Entry]) -> None:
    """Believe the manifest only of an archive in which nothing better tells what it is."""
    if any(entry.component and entry.path.endswith("/pom.properties") for entry in entries):
        for place, entry in enumerate(entries):
            if entry.path == MANIFEST:
                entries[place] = entry._replace(component=None)


def _damaged(what: str, error: Exception) -> Finding:
    """Say that something cannot be read; a disk that fails is no finding."""
    if isinstance(error, OSError) and error.errno in _DISK:
        raise error
    return Finding("damaged", f"{what}: {_told(str(error))[:200]}")


def _one(findings: list[Finding]) -> Finding | None:
    if not findings:
        return None
    more = f", and {len(findings) - 1} more" if len(findings) > 1 else ""
    return Finding(findings[0].code, findings[0].told[:900] + more)


def _told(name: str) -> str:
    """Return a member's name as it may stand in the register: text of a bounded length, without zero bytes."""
    return name.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")[:_PATH]


def _size(file: IO[bytes]) -> int:
    return file.seek(0, 2)


def is_of_other_kind(path: str) -> bool:
    """Tell by its name whether a file is an archive that the index does not look into."""
    return _OTHER.search(path) is not None


def of_other_kind(sha256: str) -> Listed:
    """Return such an archive, with the finding that says so."""
    return Listed(sha256, [], Finding("kind", "is an archive of a kind that is not looked into"))


def looks_like_archive(path: str, start: bytes) -> bool:
    """Tell whether a file is an archive, by its name or how it begins."""
    return start.startswith(_MAGIC) or is_archive(path.encode("utf-8", "surrogatepass"))
