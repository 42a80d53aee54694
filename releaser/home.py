"""The vendor's folder: where the programs keep what they remember between runs."""

import hashlib
import os
from pathlib import Path


def home_folder() -> Path:
    """Return the folder that `PATCHLINE_HOME` names, or the default one, as an absolute path; it need not exist."""
    given = os.environ.get("PATCHLINE_HOME")
    return Path(given).absolute() if given else Path.home() / ".local" / "share" / "patchline"


def mirror_folder(name: str, home: Path | None = None) -> Path | None:
    """Return the folder that remembers a git source, made when needed; None when nothing can be written there.

    Args:
        name: what people call the source, never where it lies: every clone of one source is remembered as one.
        home: the folder it lies in; by default the one that the environment names.
    """
    folder = (home or home_folder()) / "mirrors" / hashlib.sha256(name.encode()).hexdigest()[:32]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None
