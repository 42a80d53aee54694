"""Bringing a revision's bundle from a server, with what was signed about it: what an approver looks at and signs here."""

import hashlib
from pathlib import Path

from patchline.patches.errors import SourceError
from patchline.patches.files import write_atomically
from patchline.releaser.remote.server import Server

_CHUNK = 1 << 20


def bring_release(server: Server, label: str, folder: Path) -> Path:
    """Write a revision's files into a folder; return the bundle's path.

    Raises:
        SourceError: the server cannot be asked, or what arrived is not what it said.
        RefusedError: the bundle lies there already.
    """
    at = f"/hotfixes/{Server.quoted(label)}/files"
    files = server.ask("GET", at, {}, accept="application/json")["files"]
    bundle = None
    for one in files:
        name = str(one["name"])
        if not name.startswith(f"{label}.hotfix") or Path(name).name != name:
            raise SourceError("status", f"{server.address} gives a file {name[:80]!r} with {label}")
        path = folder / name
        with write_atomically(path, overwrite=name != f"{label}.hotfix") as file:
            server.bring(f"{at}/{Server.quoted(name)}", file)
            file.seek(0)
            found = hashlib.sha256()
            while chunk := file.read(_CHUNK):
                found.update(chunk)
            if found.hexdigest() != one["sha256"]:
                raise SourceError("cut", f"{name} did not arrive as the server has it")
        bundle = path if name == f"{label}.hotfix" else bundle
    if bundle is None:
        raise SourceError("missing", f"{server.address} has no bundle of {label}")
    return bundle
