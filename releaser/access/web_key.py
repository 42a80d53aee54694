"""The key that keeps cookies and forms of the pages from being forged: made once for a home, never a default."""

import secrets
from pathlib import Path

from patchline.patches.errors import RefusedError
from patchline.patches.files import read_file, write_file

FILE = "web.key"
_BYTES = 32


def web_key(home: Path) -> bytes:
    """Return the key of a home; it is made when none is there.

    Raises:
        RefusedError: others can read it, or it is no key.
    """
    path = home / FILE
    if not path.exists():
        try:
            write_file(path, secrets.token_bytes(_BYTES), mode=0o600)
        except RefusedError:  # Another process made it meanwhile.
            if not path.exists():
                raise
    if path.stat().st_mode & 0o077:
        raise RefusedError("web-key", f"{path} can be read by others")
    key = read_file(path, limit=_BYTES + 1)
    if len(key) != _BYTES:
        raise RefusedError("web-key", f"{path} is no key of {_BYTES} bytes")
    return key
