"""Kill a publisher at each of its steps; run as a program, so that each child is forked from one process without threads.

    python -m tests.publish_killer HOME FOLDER DOES STRIDE FIRST HOTFIX…

Each hotfix is published (or recalled) by a child that ends with SIGKILL before a step, the next one every STRIDE steps
further; a step is a write to the store, or a commit of the database. After each, the channel must be whole, and the
second try must finish. Prints how many were killed; ends with a traceback when something was not whole, or when there
were more steps than hotfixes.
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sqlalchemy import event

from patchline.patches import documents
from patchline.releaser.channel import Channel
from patchline.releaser.hotfixes import find
from patchline.releaser.register import Register, opened
from patchline.releaser.stores import Store
from tests import channels
from tests.hotfixes import Life

_WRITES = ("create", "put", "put_file", "swap", "upload", "delete")
_left = -1


def step() -> None:
    """Count a step; end here when it is the last one allowed."""
    global _left
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    _left -= 1


class DeadlyStore(Store):
    """Ends its own process before a write."""


def _deadly(name: str):
    def write(self, *arguments, **more):
        step()
        return getattr(Store, name)(self, *arguments, **more)

    return write


for _name in _WRITES:
    setattr(DeadlyStore, _name, _deadly(_name))


def act(home: Path, folder: Path, does: str, identifier: str, last: int | None) -> None:
    """Publish or recall a hotfix; with `last`, dying before that step."""
    global _left
    with opened(home) as register:
        kind = DeadlyStore if last is not None else Store
        life = Killed(register, folder, Channel(kind.at(register.channel), channels.keys()))
        if last is not None:
            event.listen(register.database.engine, "commit", lambda _: step())
            _left = last
        if does == "publish":
            life.publish(identifier)
        else:
            life.recall(identifier, life.recall_file(identifier, "ada", "ben"))


class Killed(Life):
    """A day on which the channel has another store."""

    def __init__(self, register: Register, folder: Path, channel: Channel) -> None:
        super().__init__(register, folder)
        self.given = channel

    @property
    def channel(self) -> Channel:
        return self.given


def killed(work: Callable[[], object]) -> bool:
    """Do work in a child; tell whether it was killed. This process itself uses no store: its threads do not survive a fork."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 (the child ends here, and must say why)
            traceback.print_exc()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status == 0 or os.WIFSIGNALED(status), f"the child ended with status {status}"
    return status != 0


def must_be_whole(home: Path) -> list[str]:
    """Read the channel as a site does, every listed file too; return the labels of what it offers."""
    with opened(home) as register:
        store = Store.at(register.channel)
        life = Life(register, home)
        for target in life.channel.published().targets.values():
            assert documents.digest(store.read(target.file, 1 << 30)) == target.sha256
        offered = life.offered()
        with register.read() as session:
            for name in offered:
                assert find(session, name).state in ("published", "held", "recalled")
        return offered


def try_again(home: Path, folder: Path, does: str, identifier: str) -> None:
    """Finish what a killed child began."""
    must_be_whole(home)
    act(home, folder, does, identifier, None)
    assert (f"{identifier}-r1" in must_be_whole(home)) == (does == "publish")


def main(home: str, folder: str, does: str, stride: str, first: str, *identifiers: str) -> None:
    where = (Path(home), Path(folder), does)
    for number, identifier in enumerate(identifiers):
        last = int(first) + number * int(stride)
        was_killed = killed(partial(act, *where, identifier, last))
        assert not killed(partial(try_again, *where, identifier))
        if not was_killed:
            print(number)
            return
    raise AssertionError("there were more steps than hotfixes")


if __name__ == "__main__":
    main(*sys.argv[1:])
