"""What a hook's messages are signed with: a file of the home for each hook, and nowhere else."""

import os
import secrets
import stat
from pathlib import Path

from patchline.patches.errors import RefusedError
from patchline.patches.files import read_file, write_file
from patchline.releaser.register import Register

_FOLDER = "webhooks"


def make(register: Register, number: int) -> str:
    """Make the secret of a hook, and keep it where its owner alone may read."""
    path = _path(register, number)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    secret = f"plw_{secrets.token_urlsafe(32)}"
    write_file(path, secret.encode(), mode=0o600)
    return secret


def of(register: Register, number: int) -> bytes:
    """Return the secret of a hook.

    Raises:
        NotFoundError: it is not there.
        RefusedError: others may read it.
    """
    path = _path(register, number)
    data = read_file(path, limit=4096)
    if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise RefusedError("webhook-secret", f"{path} can be read by others")
    return data.strip()


def forget(register: Register, number: int) -> None:
    """Remove the secret of a hook that is no more."""
    _path(register, number).unlink(missing_ok=True)


def _path(register: Register, number: int) -> Path:
    return register.home / _FOLDER / f"{number}.secret"
