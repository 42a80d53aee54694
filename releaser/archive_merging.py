"""Two changes of one built archive put together, where they do not touch the same members.

A fix changes few members of a jar. When two fixes changed different ones, the archive with both is well defined: every
member as the side that changed it has it. What both changed, each in its own way, is for people; an archive within an
archive is looked into. Build stamps count as unchanged, as everywhere.
"""

import io
import zipfile
from collections.abc import Iterator
from typing import IO

from patchline.releaser.built_archives import FAILURES, is_archive, lead_of, members_of, stampless

_SIGNATURES = (".SF", ".RSA", ".DSA", ".EC")
_DEPTH = 4


def merge_archives(base: IO[bytes], one: IO[bytes], other: IO[bytes], out: IO[bytes], depth: int = _DEPTH) -> list[str]:
    """Merge two successors of an archive.

    Args:
        base: what both came from.
        one: its successor, whose order of members counts.
        other: another successor.
        out: where the merged archive goes.
        depth: how deep archives within are looked into.

    Returns:
        Names of members that people must decide about; `out` is then of no use.
    """
    try:
        with zipfile.ZipFile(base) as old, zipfile.ZipFile(one) as left, zipfile.ZipFile(other) as right:
            return _merge((old, left, right), (base, one, other), out, depth)
    except FAILURES as error:
        return [f"(not to be read: {error})"]


Three = tuple[zipfile.ZipFile, zipfile.ZipFile, zipfile.ZipFile]


def _merge(archives: Three, files: tuple[IO[bytes], ...], out: IO[bytes], depth: int) -> list[str]:
    found = [members_of(archive) for archive in archives]
    old, left, right = found
    if old is None or left is None or right is None:
        return ["(a member is encrypted or there twice)"]
    if signed := sorted(name for name in {**left, **right} if _is_signature(name)):
        return [f"{signed[0]} (a merged archive would not match its signature)"]
    leads = [lead_of(file, members) for file, members in zip(files, found, strict=True) if members is not None]
    lead = leads[1] if leads[2] == leads[0] else leads[2]
    if lead is None or (leads[0] not in leads[1:] and leads[1] != leads[2]):
        return ["(what stands before the first member)"]
    conflicts: list[str] = []
    out.write(lead)
    with zipfile.ZipFile(out, "a" if lead else "w") as merged:
        for name in _order(left, right):
            taken = _taken(archives, (old, left, right), name, depth)
            if isinstance(taken, str):
                conflicts.append(taken)
            elif taken is not None:
                merged.writestr(*taken)
    return conflicts


Members = dict[str, zipfile.ZipInfo]
Written = tuple[zipfile.ZipInfo, bytes]


def _order(left: Members, right: Members) -> Iterator[str]:
    yield from left
    yield from (name for name in right if name not in left)


def _taken(archives: Three, members: tuple[Members, Members, Members], name: str, depth: int) -> Written | str | None:
    """Return the member of the side that changed it; its name when both did, None when it goes."""
    infos = [table.get(name) for table in members]
    data = [None if info is None else archive.read(info) for archive, info in zip(archives, infos, strict=True)]
    strip = stampless(name)
    kept = [None if item is None else (strip(item) if strip else item) for item in data]
    if kept[2] == kept[0]:
        side = 1
    elif kept[1] == kept[0] or kept[1] == kept[2]:
        side = 2
    else:
        return _nested(infos, data, name, depth)
    info, content = infos[side], data[side]
    return None if info is None or content is None else (_fresh(info), content)


def _nested(infos: list[zipfile.ZipInfo | None], data: list[bytes | None], name: str, depth: int) -> Written | str:
    old, left, right = data
    info = infos[1]
    archive = is_archive(name.encode("utf-8", "surrogatepass"))
    if not archive or not depth or old is None or left is None or right is None or info is None:
        return name
    out = io.BytesIO()
    conflicts = merge_archives(io.BytesIO(old), io.BytesIO(left), io.BytesIO(right), out, depth - 1)
    return ", ".join(f"{name}!{one}" for one in conflicts) or (_fresh(info), out.getvalue())


def _fresh(info: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """Return a member's head with what counts of it alone: name, time, rights and way of packing."""
    made = zipfile.ZipInfo(info.filename, info.date_time)
    made.compress_type, made.external_attr, made.create_system = (
        info.compress_type,
        info.external_attr,
        info.create_system,
    )
    return made


def _is_signature(name: str) -> bool:
    folder, _, file = name.upper().rpartition("/")
    return folder == "META-INF" and file.endswith(_SIGNATURES)
