"""What Python's own `zipfile` does with a folder of archives: run by `bench.inside`."""

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path


def hash_members(folder: str) -> None:
    """Hash every archive of a folder and every member in them, and keep nothing."""
    for path in sorted(Path(folder).iterdir()):
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                hashlib.sha256(archive.read(member)).hexdigest()


WORK: dict[str, Callable[..., None]] = {"hash-members": hash_members}
