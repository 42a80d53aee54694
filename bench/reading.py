"""The first half of a build, which no command does alone: run by `bench.inside`."""

from collections.abc import Callable
from pathlib import Path

from patchline.releaser.git_store import GitStore
from patchline.releaser.sources import material_of_commits
from patchline.releaser.spool import Spool
from patchline.releaser.trees import Roots


def read_changes(repository: str, base: str, head: str) -> None:
    """Resolve two refs, read and hash every changed blob, both sides, as `bundle build` does."""

    def keeps_base(root: str, path: str) -> bool:
        return False

    with GitStore(Path(repository)) as store, Spool() as spool:
        ends = store.resolve(base), store.resolve(head)
        material = material_of_commits(store, *ends, Roots({"app": ""}), spool, keeps_base)
    assert material.changes


WORK: dict[str, Callable[..., None]] = {"read-changes": read_changes}
