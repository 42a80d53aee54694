"""Refs of a repository as `git upload-pack` lists them, and what a person means by a name. Pure: runs nothing."""

import os
import re
from dataclasses import dataclass, field

from patchline.patches.errors import GitError

FULL_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT_ID = re.compile(r"[0-9a-f]{7,64}")
# Git's packet format: four hexadecimal digits of length, then the line.
_END = b"0000"
_FIRST = re.compile(rb"[0-9a-f]{4}([0-9a-f]{40,64}) ([^\0\n]+)\0([^\n]*)\n")
_SHALLOW = re.compile(rb"\n[0-9a-f]{4}shallow ([0-9a-f]{40,64})")
_ID = re.compile(rb"[0-9a-f]{4}([0-9a-f]{40,64})")
_WRITTEN = re.compile(r"(?P<name>[^~^]+)(?P<steps>(?:~[0-9]{0,6}|\^[0-9]{0,2}|\^\{(?:commit)?\})*)")
# What `git check-ref-format` forbids.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^/|/$|\.lock(/|$)|(^|/)\.|\.$")
_PLACES = ("{}", "refs/{}", "refs/tags/{}", "refs/heads/{}", "refs/remotes/{}", "refs/remotes/{}/HEAD")


@dataclass(frozen=True)
class Advertisement:
    """What a repository says of itself.

    Attributes:
        shallow: commits whose parents the repository lacks.
        algorithm: `sha1` or `sha256`, the hash of its object ids.
        agent: the git that listed it, such as `git/2.39.5`.
    """

    shallow: tuple[str, ...]
    algorithm: str
    agent: str
    _data: bytes = field(repr=False)

    def find(self, ref: str) -> str | None:
        """Return the id of a ref given by its full name: of the tag object where there is one."""
        # A repository may list a hundred thousand refs, of which two are asked for: nothing is listed for it here.
        name = b" " + os.fsencode(ref)
        for end in (b"\n", b"\0"):
            place = self._data.find(name + end)
            if place >= 0 and (found := _ID.fullmatch(self._data, self._data.rfind(b"\n", 0, place) + 1, place)):
                return found[1].decode()
        return None

    def peel(self, ref: str) -> str | None:
        """Return the id an annotated tag leads to; None for anything else."""
        return self.find(f"{ref}^{{}}")


@dataclass(frozen=True)
class Meaning:
    """What a written ref stands for.

    Attributes:
        ref: full name, or None when it was written as an id or with steps.
        oid: the id it names, unpeeled: of the tag object where there is one. Short when written short.
        revision: what git resolves to the commit; an id and steps such as `~2`, no name.
    """

    ref: str | None
    oid: str
    revision: str


def read_advertisement(data: bytes) -> Advertisement:
    """Read what `git upload-pack --advertise-refs` wrote.

    Raises:
        GitError: it is not in git's form, or cut off.
    """
    if data == _END:
        return Advertisement((), "sha1", "git", b"")
    first = _FIRST.match(data)
    if first is None or not data.endswith(_END):
        raise GitError("damaged", f"the repository lists its refs in a form that git does not use: {data[:80]!r}")
    told = dict(feature.decode("ascii", "replace").partition("=")[::2] for feature in first[3].split())
    # An empty list has one line of features alone, for a ref that no ref can be called.
    listed = b"" if first[2] == b"capabilities^{}" else data
    return Advertisement(
        shallow=tuple(found.decode() for found in _SHALLOW.findall(data)),
        algorithm=told.get("object-format", "sha1"),
        agent=told.get("agent", "git"),
        _data=listed,
    )


def understand(written: str, listed: Advertisement) -> Meaning:
    """Return what a person means by a ref, by git's own order of places, refusing where two places differ.

    Raises:
        GitError: not a ref's form, no such ref, or a name that is a tag here and a branch there.
    """
    if written.startswith("-"):
        raise GitError("ref-option", f"{written!r} is an option, not a ref")
    match = _WRITTEN.fullmatch(written)
    if match is None or _FORBIDDEN.search(match["name"]):
        raise GitError("ref-malformed", f"{written[:200]!r} is not a ref")
    name, steps = match["name"], match["steps"]
    found = {ref: oid for place in _PLACES if (oid := listed.find(ref := place.format(name))) is not None}
    if len({listed.peel(ref) or oid for ref, oid in found.items()}) > 1:
        raise GitError("ref-ambiguous", f"{name!r} means {' and '.join(found)}, which differ")
    if found:
        ref, oid = next(iter(found.items()))
        return Meaning(None if steps else ref, oid, oid + steps)
    if _SHORT_ID.fullmatch(name):
        return Meaning(None, name, name + steps)
    raise GitError("ref-missing", f"there is no ref {name!r}")
