"""Whether a change lies in a history, by its commits or by what they change, as `git patch-id` tells."""

import os
import re
from collections.abc import Iterable, Sequence

from patchline.releaser.git_workshop import GitWorkshop

_COMMIT = re.compile(rb"[0-9a-f]{40}|[0-9a-f]{64}")
_BINARY = b"Binary files "
_MOST_PATHS = 500
_DIFF = ["diff-tree", "--stdin", "-p", "--no-renames", "--no-ext-diff", "--no-textconv", "--full-index"]


class GitPatches(GitWorkshop):
    """A source of which histories are compared."""

    def there(self, oids: Sequence[str]) -> bool:
        """Tell whether all of these commits can be read."""
        return all(found is not None for found in self._read(oids))

    def not_on(self, oids: Sequence[str], head: str) -> list[str]:
        """Return those of some commits that are not part of a history."""
        return [oid for oid in oids if not self.lies_on(oid, head)]

    def same_changes(self, oids: Sequence[str], base: str, head: str) -> dict[str, str]:
        """Return for commits another one that lies on the head, not on the base, and changes the same.

        A commit that changes binary files, a merge, or one without a change is told of nothing: patch ids do not say
        enough about them.
        """
        wanted = self._patch_ids(oids)
        touched = self.touched([self._commit(oid, oid) for oid in oids])
        paths = sorted({os.fsdecode(path) for found in touched.values() for path in found})[:_MOST_PATHS]
        if not wanted or not paths:
            return {}
        there = {patch: oid for oid, patch in self._patch_ids(self._range(base, head, paths)).items()}
        return {oid: there[patch] for oid, patch in wanted.items() if patch in there}

    def _patch_ids(self, oids: Iterable[str]) -> dict[str, str]:
        """Return patch ids by commit."""
        given = "".join(f"{oid}\n" for oid in oids).encode()
        if not given:
            return {}
        diffs = self._run(_DIFF, given=given)
        said = self._run(["patch-id", "--stable"], given=diffs).decode("ascii", "replace")
        binary = _with_binaries(diffs)
        found = (line.split() for line in said.splitlines())
        return {commit: patch for patch, commit in found if commit not in binary}


def _with_binaries(diffs: bytes) -> set[str]:
    """Return the commits that change binary files; no line of a text's change begins like these."""
    found, current = set(), ""
    for line in diffs.split(b"\n"):
        if _COMMIT.fullmatch(line):
            current = line.decode()
        elif line.startswith(_BINARY):
            found.add(current)
    return found
