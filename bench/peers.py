"""What a peer does in Python: run by `bench.inside`."""

import hashlib
import json
from collections.abc import Callable

import git


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


WORK: dict[str, Callable[..., None]] = {"gitpython-changes": gitpython_changes}
