"""Logins that a script of the owner's tries and changes: the program `HOME/setups/SETUP/ENDPOINT`.

It is started with `check` or `change`, for loans also with `create` or `delete`, reads one line of JSON (`address`,
`username`, `password`, for `change` also `new_password`), and ends with 0 for yes, 1 for a refused login, anything else for trouble. What it prints is thrown
away, since it may hold secrets.
"""

import os
import subprocess
from pathlib import Path

from patchline.patches import documents
from patchline.patches.errors import RefusedError
from patchline.releaser.setups.targets.outcomes import Outcome
from patchline.vault.setups import Login

_SECONDS = 60


def script_of(home: Path, setup: str, endpoint: str) -> Path | None:
    """Return the owner's script for an endpoint, None where there is none.

    Raises:
        RefusedError: others than its owner may change it.
    """
    script = home / "setups" / setup / endpoint
    if not script.is_file():
        return None
    if script.stat().st_mode & 0o022 or not os.access(script, os.X_OK):
        raise RefusedError("setup-script", f"{script} is no program that its owner alone may change")
    return script


def ask(script: Path, task: str, address: str, login: Login, new: str | None = None) -> Outcome:
    """Let a script do a task."""
    asked = {"address": address, "username": login.username, "password": login.password}
    asked |= {"new_password": new} if new is not None else {}
    silent = subprocess.DEVNULL
    try:
        done = subprocess.run(  # noqa: S603 (the owner's own program, which nobody else may change)
            [str(script), task],
            check=False,
            input=documents.encode(asked) + b"\n",
            stdout=silent,
            stderr=silent,
            env={"PATH": os.environ.get("PATH", os.defpath)},
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return Outcome.UNCLEAR
    return {0: Outcome.WORKS, 1: Outcome.REFUSED}.get(done.returncode, Outcome.UNCLEAR)
