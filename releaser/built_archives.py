"""When two built archives (jar, war, ear, zip, wheel …) are the same but for how and when they were packed.

A rebuild touches every archive, a fix touches one. Two archives count as unchanged when they have the same members with
the same bytes, rights and way of packing; times, order, comments and extra fields do not count, nor do the lines below
that only tell who built when. An archive within an archive is judged by the same rule. Whatever cannot be read, is
encrypted, or names a member twice counts as changed.

Build stamps, and nothing else, are left out of the comparison:

    META-INF/MANIFEST.MF                 main attributes of `MANIFEST_STAMPS`
    META-INF/maven/**/pom.properties     comments (a date)
    **/git.properties                    the whole file but `git.build.version`
    META-INF/build-info.properties       `build.time`
    *.dist-info/WHEEL                    `Generator`
    *.dist-info/RECORD                   order of lines, and the line of WHEEL
"""

import io
import re
import zipfile
import zlib
from collections.abc import Callable
from typing import IO

SUFFIXES = (b".jar", b".war", b".ear", b".rar", b".zip", b".whl", b".aar", b".jmod", b".egg")
MANIFEST_STAMPS = frozenset(
    [
        "ant-version",
        "archiver-version",
        "bnd-lastmodified",
        "build-date",
        "build-host",
        "build-jdk",
        "build-jdk-spec",
        "build-time",
        "build-timestamp",
        "built-by",
        "built-date",
        "built-on",
        "created-by",
        "implementation-build-date",
        "originally-created-by",
        "os-name",
        "os-version",
        "tool",
    ]
)
_DEPTH = 4
_NESTED = 64 << 20
_STAMPED = 1 << 20
"""A member with build stamps is read whole; one larger than this is compared as it is."""
_CHUNK = 1 << 20
FAILURES = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError)


def is_archive(path: bytes) -> bool:
    """Tell by its name whether a file is of a kind that is compared member by member."""
    return path.lower().endswith(SUFFIXES)


def same_content(base: IO[bytes], head: IO[bytes]) -> bool:
    """Tell whether two archives differ in nothing but how and when they were packed."""
    try:
        return _same(base, head, _DEPTH)
    except FAILURES:
        return False


def _same(base: IO[bytes], head: IO[bytes], depth: int) -> bool:
    with zipfile.ZipFile(base) as old, zipfile.ZipFile(head) as new:
        before, after = members_of(old), members_of(new)
        if before is None or after is None or before.keys() != after.keys():
            return False
        if lead_of(base, before) != lead_of(head, after):
            return False
        return all(_same_member(old, before[name], new, after[name], depth) for name in before)


def members_of(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo] | None:
    """Return the members by name; None when one is encrypted or there twice."""
    found = {member.filename: member for member in archive.infolist()}
    encrypted = any(member.flag_bits & 1 for member in found.values())
    return None if encrypted or len(found) != len(archive.infolist()) else found


def lead_of(file: IO[bytes], members: dict[str, zipfile.ZipInfo]) -> bytes | None:
    """Return what stands before the first member: the start script of an executable archive."""
    size = min((member.header_offset for member in members.values()), default=0)
    if size > _STAMPED:
        return None
    file.seek(0)
    return file.read(size)


def _same_member(
    old: zipfile.ZipFile, before: zipfile.ZipInfo, new: zipfile.ZipFile, after: zipfile.ZipInfo, depth: int
) -> bool:
    if (before.compress_type, before.external_attr) != (after.compress_type, after.external_attr):
        return False
    strip = stampless(before.filename)
    small = max(before.file_size, after.file_size) <= _STAMPED
    if strip and small:
        return strip(old.read(before)) == strip(new.read(after))
    if before.file_size == after.file_size and before.CRC == after.CRC and _same_bytes(old, before, new, after):
        return True
    nested = is_archive(before.filename.encode("utf-8", "surrogatepass"))
    if not nested or not depth or max(before.file_size, after.file_size) > _NESTED:
        return False
    return _same(io.BytesIO(old.read(before)), io.BytesIO(new.read(after)), depth - 1)


def _same_bytes(old: zipfile.ZipFile, before: zipfile.ZipInfo, new: zipfile.ZipFile, after: zipfile.ZipInfo) -> bool:
    with old.open(before) as left, new.open(after) as right:
        while True:
            one, other = left.read(_CHUNK), right.read(_CHUNK)
            if one != other:
                return False
            if not one:
                return True


# Build stamps


def stampless(name: str) -> Callable[[bytes], object] | None:
    """Return what takes the build stamps out of a member, or None when a member of this name has none."""
    for pattern, strip in _STRIPPERS:
        if pattern.fullmatch(name):
            return strip
    return None


def _without_manifest_stamps(data: bytes) -> object:
    """Return the main attributes without the stamps, as a set, and all further sections as they are."""
    text = data.replace(b"\r\n", b"\n").replace(b"\n ", b"")
    main, _, sections = text.partition(b"\n\n")
    lines = main.split(b"\n")
    kept = [line for line in lines if line.partition(b":")[0].decode("latin-1").lower() not in MANIFEST_STAMPS]
    return sorted(kept), sections


def _without_comments(data: bytes) -> object:
    return sorted(line for line in data.splitlines() if not line.lstrip().startswith((b"#", b"!")))


def _without_git(data: bytes) -> object:
    return [line for line in data.splitlines() if line.startswith(b"git.build.version=")]


def _without_build_time(data: bytes) -> object:
    return [line for line in data.splitlines() if not line.startswith((b"#", b"build.time="))]


def _without_generator(data: bytes) -> object:
    return [line for line in data.splitlines() if not line.startswith(b"Generator:")]


def _as_record(data: bytes) -> object:
    return sorted(line for line in data.splitlines() if b".dist-info/WHEEL," not in line)


_STRIPPERS: tuple[tuple[re.Pattern[str], Callable[[bytes], object]], ...] = (
    (re.compile(r"META-INF/MANIFEST\.MF"), _without_manifest_stamps),
    (re.compile(r"META-INF/maven/.+/pom\.properties"), _without_comments),
    (re.compile(r"(.+/)?git\.properties"), _without_git),
    (re.compile(r"(META-INF|BOOT-INF/classes/META-INF)/build-info\.properties"), _without_build_time),
    (re.compile(r"[^/]+\.dist-info/WHEEL"), _without_generator),
    (re.compile(r"[^/]+\.dist-info/RECORD"), _as_record),
)
