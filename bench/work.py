"""Work at a site that no command does alone: run by `bench.inside`."""

import os
from collections.abc import Callable

from patchline.patches import terminal
from patchline.patches.site import area


def hash_file(path: str) -> None:
    """Hash a file as verify and apply do."""
    handle = os.open(path, os.O_RDONLY)
    area.hash_file(handle)
    os.close(handle)


def change_often(bundle: str, root: str, state_folder: str, count: str) -> None:
    """Apply a hotfix to a site and roll it back, many times."""
    from patchline.patches.site.commands import patchline_site

    place = ["--root", root, "--state", state_folder, "--yes", "--json"]
    for _ in range(int(count)):
        for line in (["apply", bundle], ["rollback", "HF-2026-0001"]):
            assert terminal.run(patchline_site, [*line, *place]) == 0


WORK: dict[str, Callable[..., None]] = {"hash-file": hash_file, "change-often": change_often}
