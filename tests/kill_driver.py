"""Kill real processes at steps of a scene; run as a program, so that each child is forked from one small process.

    python -m tests.kill_driver SCENE FOLDER STRIDE FIRST

Each child changes the site on a disk that ends it with SIGKILL; every third recovery is killed as well. Prints how many
kills were made; ends with a traceback when a site was not whole after one.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from patchline.patches.site.area import Area, Attributes
from patchline.patches.site.disk import Disk, Place
from tests.crash_scenes import SCENES, Trial
from tests.fault_disk import write_out


class DeadlyDisk(Disk):
    """Ends its own process before a step, as `kill -9` does: nothing is caught, nothing is flushed."""

    parallel = 1

    def __init__(self, last: int) -> None:
        super().__init__()
        self._left = last

    def step(
        self, name: str, area: Area, path: str, other: Place | None = None, data: bytes | Attributes = b""
    ) -> None:
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1


def killed(work: Callable[[], object]) -> bool:
    """Do work in a child; tell whether it was killed."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status == 0 or os.WTERMSIG(status) == signal.SIGKILL, f"the child ended with status {status}"
    return status != 0


def main(name: str, folder: str, stride: str, first: str) -> None:
    trial = Trial(SCENES[name], Path(folder))
    kills = 0
    for number in [*range(int(first), len(trial.steps), int(stride)), len(trial.steps)]:
        write_out(trial.start)
        was_killed = killed(lambda at=number: trial.act(DeadlyDisk(at)))
        assert was_killed == (number < len(trial.steps))
        if number % 3 == 0:
            kills += killed(lambda at=number: trial.recover(DeadlyDisk(at % 37)))
        kills += was_killed
        trial.recover()
        trial.must_be_whole()
    print(kills)


if __name__ == "__main__":
    main(*sys.argv[1:])
