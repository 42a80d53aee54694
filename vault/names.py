"""Names in Vault: checked before any path is built of them, since clients and servers normalise paths."""

import re

from patchline.patches.errors import VaultError

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_MOST_PARTS = 6


def fits(text: str) -> bool:
    """Tell whether a text is one segment of a path."""
    return _NAME.fullmatch(text) is not None


def name(text: str) -> str:
    """Return one segment of a path: a key, a setup, a loan.

    Raises:
        VaultError: it could mean another path, or Vault would write it differently (policies go by lower case).
    """
    if not fits(text):
        raise VaultError("path", f"{text[:80]!r} is no name in Vault")
    return text


def path(text: str) -> str:
    """Return a mount or namespace of several segments, without slashes around it.

    Raises:
        VaultError: as `name`, for one of the segments; or there are too many.
    """
    parts = text.split("/")
    if len(parts) > _MOST_PARTS:
        raise VaultError("path", f"{text[:80]!r} is no path in Vault")
    return "/".join(name(part) for part in parts)
