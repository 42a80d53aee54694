"""Commits and merges as bytes: what a carried commit says, and what `git merge-tree` answered. Pure: runs nothing."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from patchline.patches.errors import GitError

_OID = re.compile(rb"[0-9a-f]{40}|[0-9a-f]{64}")
_TRAILER = re.compile(rb"[A-Za-z][A-Za-z0-9-]*: \S.*|\(cherry picked from commit [0-9a-f]{40,64}\)|\s.*")
_STAMP = re.compile(rb"> ([0-9]{1,19} [+-][0-9]{4})$")
_UNFIT = re.compile(r"[<>\n\0]")


@dataclass(frozen=True)
class Identity:
    """Who commits, as git writes it."""

    name: str
    mail: str

    def line(self, stamp: bytes) -> bytes:
        """Return name, address and moment as they stand in a commit."""
        name, mail = (_UNFIT.sub("", text).strip() for text in (self.name, self.mail))
        return f"{name} <{mail}> ".encode() + stamp


@dataclass(frozen=True)
class Merged:
    """How a merge ended.

    Attributes:
        tree: of what came out; where there are conflicts it holds them as text.
        paths: that both sides changed, each in its own way.
    """

    tree: str
    paths: tuple[bytes, ...]


def carried_commit(
    data: bytes, oid: str, tree: str, parent: str, committer: Identity, left: Iterable[bytes] = ()
) -> bytes:
    """Return a commit that does again what another one did: same author and message, its moment that of the author.

    Args:
        data: the other commit.
        oid: its id, which is noted at the end of the message.
        tree: what it becomes.
        parent: on what it lies.
        committer: who carries it.
        left: paths that it changed and that stay as they were, which is noted too.

    Raises:
        GitError: the other commit has no author as git writes one.
    """
    headers, message = _parted(data)
    author = next((line for line in headers if line.startswith(b"author ")), b"")
    stamp = _STAMP.search(author)
    if stamp is None:
        raise GitError("commit-malformed", f"commit {oid} has no author as git writes one")
    kept = [line for line in headers if line.startswith(b"encoding ")]
    lines = [
        f"tree {tree}\nparent {parent}".encode(),
        author,
        b"committer " + committer.line(stamp[1]),
        *kept,
    ]
    for path in left:
        message = _noted(message, b"Left-as-it-was: " + path.replace(b"\n", b"\\n"))
    return b"\n".join(lines) + b"\n\n" + _noted(message, f"(cherry picked from commit {oid})".encode())


def merge_commit(heads: Sequence[tuple[str, bytes]], tree: str, committer: Identity, message: str) -> bytes:
    """Return a commit that merges heads; its moment is the newest of theirs, so that it is the same on any day.

    Args:
        heads: id and content of each.
        tree: what they become together.
        committer: who merges.
        message: why.
    """
    stamp = max((_committed(data) for _, data in heads), key=lambda found: int(found.split()[0]))
    parents = "".join(f"\nparent {oid}" for oid, _ in heads).encode()
    who = committer.line(stamp)
    return b"tree %b%b\nauthor %b\ncommitter %b\n\n%b\n" % (tree.encode(), parents, who, who, message.encode())


def plain_commit(tree: str, parent: str | None = None) -> bytes:
    """Return a commit that only gives a tree a place in a history, for git to merge by."""
    lead = f"tree {tree}\n" + (f"parent {parent}\n" if parent else "")
    return f"{lead}author - <-> 0 +0000\ncommitter - <-> 0 +0000\n\n".encode()


def read_merge(data: bytes) -> Merged:
    """Read what `git merge-tree --write-tree -z --name-only --no-messages` wrote.

    Raises:
        GitError: it is something else.
    """
    tree, _, rest = data.partition(b"\0")
    if not _OID.fullmatch(tree):
        raise GitError("damaged", f"git merge-tree wrote something unexpected: {data[:120]!r}")
    return Merged(tree.decode(), tuple(sorted({path for path in rest.split(b"\0") if path})))


def shown_paths(paths: Iterable[bytes]) -> tuple[str, ...]:
    """Return paths as people read them."""
    return tuple(path.decode("utf-8", "backslashreplace") for path in paths)


def _parted(data: bytes) -> tuple[list[bytes], bytes]:
    head, _, message = data.partition(b"\n\n")
    return head.split(b"\n"), message


def _committed(data: bytes) -> bytes:
    line = next((line for line in _parted(data)[0] if line.startswith(b"committer ")), b"")
    stamp = _STAMP.search(line)
    if stamp is None:
        raise GitError("commit-malformed", "a commit has no committer as git writes one")
    return stamp[1]


def _noted(message: bytes, note: bytes) -> bytes:
    """Return a message with a line more at its end, in its block of trailers if it has one."""
    text = message.rstrip(b"\n")
    last = text.rpartition(b"\n\n")[2]
    in_block = b"\n\n" in text and all(_TRAILER.fullmatch(line) for line in last.split(b"\n"))
    return text + (b"\n" if in_block else b"\n\n") + note + b"\n"
