"""Doing something as another user of the machine, in a child process that cannot hang."""

import os
import pickle
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from patchline.patches.errors import PatchlineError

ANN, EVE = 47_101, 47_102
"""Two users without a name: the applier and an attacker."""
_LONGEST = 60


@dataclass(frozen=True)
class Outcome:
    """What came of it: a value, or the code, message and hint of a refusal."""

    value: Any = None
    code: str | None = None
    message: str = ""
    hint: str = ""


def as_user(uid: int, work: Callable[[], Any]) -> Outcome:
    """Run `work` with the user's rights alone; anything but a refusal of ours is an error of the test."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _run_and_exit(uid, work, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        data = stream.read()
    _, status = os.waitpid(child, 0)
    assert data, f"the child ended with {status}: it hung or crashed"
    outcome = pickle.loads(data)
    assert isinstance(outcome, Outcome), outcome
    return outcome


def _run_and_exit(uid: int, work: Callable[[], Any], writing: int) -> None:
    signal.alarm(_LONGEST)
    try:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        result: Any = Outcome(work())
    except PatchlineError as error:
        result = Outcome(None, error.code, error.message, error.hint)
    except BaseException as error:  # noqa: BLE001 - told to the test as it is
        result = f"{type(error).__name__}: {error}"
    os.write(writing, pickle.dumps(result))
    os._exit(0)


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder of root that everybody may pass through, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="patchline-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def give(folder: Path, uid: int) -> None:
    """Give a folder and everything in it to a user."""
    for top, folders, files in os.walk(folder):
        for name in [".", *folders, *files]:
            os.chown(Path(top) / name, uid, uid, follow_symlinks=False)
