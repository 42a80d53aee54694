"""Git's objects as bytes: commits, trees, and the check that an object's content gives its id.

Pure: nothing here runs git or reads a disk. Names in trees stay bytes, because git lets them be anything.
Trailers are found anywhere in a message, not in its last paragraph only: a squashed merge leaves them in the middle,
and whoever wrote a fix must not become invisible by it.
"""

import re
from dataclasses import dataclass

from patchline.patches.errors import GitError

FILE, EXECUTABLE, LINK, FOLDER, SUBMODULE = 0o100644, 0o100755, 0o120000, 0o040000, 0o160000
EMPTY_TREES = {
    "sha1": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "sha256": "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
_MODES = {
    b"100644": FILE,
    # Written by git of 2005.
    b"100664": FILE,
    b"100755": EXECUTABLE,
    b"120000": LINK,
    b"40000": FOLDER,
    b"040000": FOLDER,
    b"160000": SUBMODULE,
}
_FORBIDDEN = frozenset([b".", b".."])
_TREE_ENTRY = {
    "sha1": re.compile(rb"([0-7]{5,6}) ([^\0/]+)\0([\s\S]{20})"),
    "sha256": re.compile(rb"([0-7]{5,6}) ([^\0/]+)\0([\s\S]{32})"),
}
_IDENTITY = re.compile(rb"(?P<name>[^<>\n]*)<(?P<mail>[^<>\n]*)>")
_TRAILER = re.compile(r"^(Co-authored-by|Fixes)[ \t]*:[ \t]*(.+?)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


def normal_mode(written: bytes) -> int:
    """Return one of this module's modes, or 0 for a mode that git does not write."""
    return _MODES.get(written, 0)


TreeEntry = tuple[bytes, bytes]
"""One name in a tree: its mode as written and the bytes of the id of what it names."""


@dataclass(frozen=True)
class Commit:
    """A commit as far as a hotfix needs it.

    Attributes:
        mails: lower-case e-mail addresses of author, committer and co-authors.
        fixes: ids from its `Fixes:` trailers, without a leading `#`.
    """

    oid: str
    tree: str
    parents: tuple[str, ...]
    mails: frozenset[str]
    fixes: frozenset[str]
    subject: str


def read_tree(oid: str, data: bytes, algorithm: str) -> dict[bytes, TreeEntry]:
    """Read a tree object.

    Raises:
        GitError: a name or mode that git itself refuses to check out, or two entries of one name.
    """
    # Thousands of trees are read for one hotfix: nothing here walks over the entries in Python.
    entries = _TREE_ENTRY[algorithm].findall(data)
    modes, names, targets = zip(*entries, strict=True) if entries else ((), (), ())
    tree = dict(zip(names, zip(modes, targets, strict=True), strict=True))
    # An entry is its mode, a space, its name, a zero byte and the id: all of the data must be that.
    read = sum(map(len, map(b"".join, (modes, names, targets)))) + 2 * len(entries)
    if read != len(data) or len(tree) != len(entries):
        raise GitError("tree-malformed", f"tree {oid} has an entry of a form that git does not write, or one twice")
    if not _MODES.keys() >= set(modes):
        raise GitError("tree-malformed", f"tree {oid} holds an entry of a mode that git does not write")
    # No name holds a slash, so between two of them stands a whole name.
    if not _FORBIDDEN.isdisjoint(tree) or b"/.git/" in b"/%b/" % b"/".join(names).lower():
        raise GitError("tree-malformed", f"tree {oid} holds a name that git itself would refuse")
    return tree


def read_commit(oid: str, data: bytes) -> Commit:
    """Read a commit object.

    Raises:
        GitError: no tree, author or committer, or an identity without an address in angle brackets.
    """
    head, _, message = data.partition(b"\n\n")
    headers: dict[bytes, list[bytes]] = {}
    for line in head.split(b"\n"):
        key, _, value = line.partition(b" ")
        headers.setdefault(key, []).append(value)
    if any(len(headers.get(key, ())) != 1 for key in (b"tree", b"author", b"committer")):
        raise GitError("commit-malformed", f"commit {oid} lacks its tree, author or committer, or has two of them")
    text = _decoded(message, headers.get(b"encoding", [b"utf-8"])[0])
    mails = {_mail(oid, headers[key][0]) for key in (b"author", b"committer")}
    fixes: set[str] = set()
    for key, value in _TRAILER.findall(text):
        if key.lower() == "fixes":
            # The first word of each part: the rest is often the subject of another commit.
            words = (part.split() for part in value.split(","))
            fixes.update(word[0].lstrip("#") for word in words if word)
        elif found := _IDENTITY.search(value.encode()):
            mails.add(_folded(found["mail"]))
    return Commit(
        oid=oid,
        tree=headers[b"tree"][0].decode("ascii", "replace"),
        parents=tuple(value.decode("ascii", "replace") for value in headers.get(b"parent", ())),
        mails=frozenset(mails),
        fixes=frozenset(fixes),
        subject=text.strip().split("\n", 1)[0][:300],
    )


def _decoded(message: bytes, encoding: bytes) -> str:
    try:
        return message.decode(encoding.decode("ascii"))
    except (LookupError, UnicodeDecodeError):
        return message.decode("utf-8", "replace")


def _mail(oid: str, identity: bytes) -> str:
    found = _IDENTITY.match(identity)
    if found is None:
        raise GitError("commit-malformed", f"commit {oid} names somebody without an address: {identity[:80]!r}")
    return _folded(found["mail"])


def _folded(mail: bytes) -> str:
    return mail.decode("utf-8", "backslashreplace").strip().lower()
