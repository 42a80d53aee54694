"""Work of the product that no command does alone, and what peers do in Python: run by `bench.inside`."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import git

from bench import channel_work, kit_work
from patchline.patches.site import area
from patchline.releaser.git_store import GitStore
from patchline.releaser.sources import material_of_commits
from patchline.releaser.spool import Spool
from patchline.releaser.trees import Roots


def hash_file(path: str) -> None:
    """Hash a file as verify and apply do."""
    handle = os.open(path, os.O_RDONLY)
    area.hash_file(handle)
    os.close(handle)


def read_changes(repository: str, base: str, head: str) -> None:
    """Resolve two refs, read and hash every changed blob, both sides, as `bundle build` does."""

    def keeps_base(root: str, path: str) -> bool:
        return False

    with GitStore(Path(repository)) as store, Spool() as spool:
        ends = store.resolve(base), store.resolve(head)
        material = material_of_commits(store, *ends, Roots({"app": ""}), spool, keeps_base)
    assert material.changes


def gitpython_changes(repository: str, base: str, head: str) -> None:
    """Do the same with GitPython's own diff and streams."""
    repo = git.Repo(repository)
    found = []
    for change in repo.commit(base).diff(repo.commit(head), no_renames=True):
        for blob in (change.a_blob, change.b_blob):
            if blob is not None:
                found.append((change.a_path, hashlib.sha256(blob.data_stream.read()).hexdigest()))
    repo.close()
    assert json.dumps(found)


WORK: dict[str, Callable[..., None]] = {
    "hash-file": hash_file,
    "read-changes": read_changes,
    "gitpython-changes": gitpython_changes,
    **channel_work.WORK,
    **kit_work.WORK,
}
