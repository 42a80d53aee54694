"""A git store in which fixes are carried and heads merged: new trees and commits lie in the store of our own alone.

Nothing is checked out, and the source is only read. Git itself merges; the commits are made here, byte by byte, so that
they are the same on any machine and day.
"""

import hashlib
import os
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from patchline.patches.errors import GitError
from patchline.releaser.git_merging import Merged, plain_commit, read_merge
from patchline.releaser.git_objects import read_commit
from patchline.releaser.git_store import GitStore, whole_object

_OLDEST = (2, 38)
"""The first git with `merge-tree --write-tree`."""


class GitWorkshop(GitStore):
    """A source that is read, with a store of ours that is written."""

    def sequence(self, written: str) -> tuple[str, ...]:
        """Return the commits that a person means by a commit or a range `A..B`, the oldest first.

        Raises:
            GitError: one is a merge, or there are none.
        """
        start, dots, end = written.partition("..")
        if not dots:
            oids = [self.resolve(written).commit]
        else:
            given = [self.resolve(end or "HEAD").commit, f"^{self.resolve(start).commit}"]
            oids = self._run(["rev-list", "--reverse", "--topo-order", *given, "--"]).decode().split()
        if not oids:
            raise GitError("no-commits", f"there are no commits in {written}")
        for item in self.objects(oids):
            if len(read_commit(item.oid, whole_object(item)).parents) != 1:
                raise GitError("merge-commit", f"{item.oid} in {written} is a merge, or the first of its history")
        return tuple(oids)

    def raw_commit(self, oid: str) -> bytes:
        """Return the bytes of a commit."""
        (found,) = self.objects([oid])
        return whole_object(found)

    def lies_on(self, commit: str, head: str) -> bool:
        """Tell whether a commit is part of the history of another one."""
        return not self._range(head, commit)

    def merge(self, base: str, ours: str, theirs: str) -> Merged:
        """Merge two trees that both came from a third, without a work tree.

        Raises:
            GitError: git is too old for it.
        """
        if self.is_older_than(_OLDEST):
            raise GitError("too-old-to-merge", f"git is {self.git_release}")
        self._complete_merge(base, ours, theirs)
        # Not every git can be told the base, so it is given a history of three commits that has no other.
        start = self.write_commit(plain_commit(base))
        sides = [self.write_commit(plain_commit(tree, start)) for tree in (ours, theirs)]
        command = ["merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", *sides]
        return read_merge(self._run(command, allowed=(0, 1)))

    def taking_back(self, tree: str, paths: Sequence[bytes], before: str) -> str:
        """Return a tree with some paths as they are in another one."""
        there = self.differences(before, tree)
        null = "0" * (64 if self.algorithm == "sha256" else 40)
        lines = [
            b"%06o %b\t%b\0" % (there[path][0], (there[path][1] or null).encode(), path)
            for path in paths
            if path in there
        ]
        with tempfile.TemporaryDirectory(prefix="patchline-git-") as folder:
            own = {"GIT_INDEX_FILE": os.fspath(Path(folder) / "index")}
            self._run(["read-tree", tree], more=own)
            self._run(["update-index", "-z", "--index-info"], given=b"".join(lines), more=own)
            return self._run(["write-tree"], more=own).decode().strip()

    def write_commit(self, data: bytes) -> str:
        """Keep a commit in the store; return its id."""
        whole = b"commit %d\0%b" % (len(data), data)
        oid = (hashlib.sha256 if self.algorithm == "sha256" else hashlib.sha1)(whole, usedforsecurity=False).hexdigest()
        file = self._store / "objects" / oid[:2] / oid[2:]
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            part = file.with_name(f"{oid}.{os.getpid()}.part")
            part.write_bytes(zlib.compress(whole))
            part.replace(file)
        return oid

    def keep(self, name: str, oid: str) -> None:
        """Give a commit a name in the store, `refs/patchline/NAME`, which `write_pack` writes along."""
        file = self._store / "refs" / "patchline" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{name}.{os.getpid()}")
        part.write_text(f"{oid}\n", encoding="ascii")
        part.replace(file)

    def write_pack(self, names: Sequence[str], beyond: Sequence[str], out: Path) -> None:
        """Write kept commits into a file that `git fetch FILE` reads, without what lies on other commits."""
        refs = [f"refs/patchline/{name}" for name in names]
        self._run(["bundle", "create", "--quiet", os.fspath(out.absolute()), *refs, *(f"^{oid}" for oid in beyond)])

    def _complete_merge(self, base: str, ours: str, theirs: str) -> None:
        """Have what git needs to merge, where the source may lack it."""
        if not self._partial:
            return
        wanted, mine = self.differences(base, theirs), self.differences(base, ours)
        oids = {oid for change in wanted.values() for oid in (change[1], change[3])}
        oids.update(change[3] for path, change in mine.items() if path in wanted)
        if any(not mine[path][3] for path in wanted.keys() & mine.keys()):
            # Perhaps renamed: then it is one of those that came.
            oids.update(change[3] for change in mine.values() if not change[1])
        for _ in self.objects(sorted(oids.difference([""]))):
            pass
