"""Kill real processes at every step of a change of a channel; what customers see must be wholly before or wholly after.

    python -m tests.channel_crashes SCENE FOLDER STRIDE FIRST

Run as a program, so that each child is forked from a process in which the object store's driver was never used. Each
child ends itself with SIGKILL before a step of the store; the next one looks as a customer, tries again, looks again.
Prints how many kills were made; ends with a traceback when something was neither before nor after.
"""

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tuf.api.exceptions import DownloadError, RepositoryError

from patchline.patches import channel as form
from patchline.releaser import stores
from patchline.releaser.channel import Channel
from patchline.releaser.channel_roots import Offline, take_in
from patchline.releaser.stores import Store
from tests import channels
from tests.channels import NOW, keys, name, recalls, zip_of

LATER = NOW + timedelta(days=4)
WEEKS = NOW + timedelta(days=200)
STATUS = form.recalls_target("demo")


@dataclass(frozen=True)
class Scene:
    """A change that is cut off.

    Attributes:
        before: what was done to the store before.
        act: the change.
        at: when customers look.
        blind: between two steps customers may see nothing that counts; trying again must end that.
    """

    before: Callable[[Store], object]
    act: Callable[[Store], object]
    at: object = NOW
    blind: bool = False


def begun(store):
    channel = channels.begun(store)
    channels.publish(channel, SCRATCH, 1)
    return channel


def publish(store):
    channel = Channel(store, keys())
    listed = [channel.upload(name(number), zip_of(SCRATCH, number)) for number in (2, 3)]
    with channel.changing(NOW) as edit:
        for one in listed:
            edit.put(one)
        edit.status(STATUS, recalls(1, held=(1,)))


def withdraw(store):
    with Channel(store, keys()).changing(NOW) as edit:
        edit.status(STATUS, recalls(1, held=(1,)))
        edit.remove(name(1))


def renew(store):
    Channel(store, keys()).renew(WEEKS)


def papers(former=()):
    """A rotation of the online key, one offline key and the kit key at once."""
    names = (*channels.NAMES[:2], "offline-4")
    signers = channels.NAMES[:2]
    root = channels.root(2, names=names, online="new", previous=channels.root(), signers=signers)
    kits = channels.kit_root(names=names, kit="kit-2", previous=channels.kit_root(), signers=signers)
    targets = channels.targets("new", "new", previous=channels.targets(), signers=signers)
    return lambda store: take_in(Channel(store, keys("new", former=former)), Offline.of([root, kits, targets]), NOW)


def begin(store):
    channels.begun(store)


SCENES = {
    "begin": Scene(lambda store: None, begin, blind=True),
    "publish": Scene(begun, publish),
    "withdraw": Scene(begun, withdraw),
    "renew": Scene(begun, renew, at=WEEKS),
    "rotation": Scene(begun, lambda store: papers(("online",))(store)),
    "rotation-after-loss": Scene(begun, lambda store: papers()(store), blind=True),
}
SCRATCH = Path()


def seen(store: Store, client: Path, at) -> dict[str, bytes | None] | None:
    """What a customer's client sees, that began with the first root and remembers earlier looks."""
    try:
        return channels.seen_by_tuf(store, client, *map(name, (1, 2, 3)), STATUS, at=at)
    except (RepositoryError, DownloadError):
        return None


def steps(deadly: int | None = None) -> list[str]:
    """Count the steps of the store from now on in this process, or end it before one of them."""
    made: list[str] = []

    def stepping(module, function):
        plain = getattr(module, function)

        def step(*given, **more):
            if len(made) == deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            made.append(f"{function} {given[-1]}")
            return plain(*given, **more)

        setattr(module, function, step)

    for module, function in ((stores.obstore, "put"), (stores.obstore, "rename"), (stores, "sync_folder")):
        stepping(module, function)
    return made


def in_child(work: Callable[[], object]) -> bool:
    """Do work in a child; tell whether it was killed."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status == 0 or os.WTERMSIG(status) == signal.SIGKILL, f"the child ended with status {status}"
    return status != 0


class Trial:
    def __init__(self, scene: Scene, folder: Path) -> None:
        self.scene, self.folder = scene, folder
        self.start, self.place = folder / "start", folder / "store"
        self.start.mkdir(parents=True)
        in_child(lambda: scene.before(Store.of_folder(self.start)))
        (folder / "client").mkdir()
        in_child(self.first_look)

    def reset(self) -> None:
        for path, origin in ((self.place, self.start), (self.folder / "looking", self.folder / "client")):
            shutil.rmtree(path, ignore_errors=True)
            shutil.copytree(origin, path, symlinks=True)

    def first_look(self) -> None:
        """See both ends, and count the steps between them."""
        before = seen(Store.of_folder(self.start), self.folder / "client", NOW)
        self.reset()
        made = steps()
        self.scene.act(Store.of_folder(self.place))
        after = seen(Store.of_folder(self.place), self.folder / "looking", self.scene.at)
        assert after is not None
        (self.folder / "ends").write_text(repr((before, after, len(made))))

    def ends(self) -> tuple[object, object, int]:
        return eval((self.folder / "ends").read_text())

    def cut_off(self, at: int) -> bool:
        self.reset()

        def act():
            steps(at)
            self.scene.act(Store.of_folder(self.place))

        return in_child(act)

    def must_be_whole(self) -> None:
        before, after, _ = self.ends()
        store, client = Store.of_folder(self.place), self.folder / "looking"
        now = seen(store, client, NOW)
        assert now in (before, after) or (self.scene.blind and now is None), "neither before nor after"
        self.scene.act(store)
        assert seen(store, client, self.scene.at) == after, "trying again did not finish"
        left = [path for path in self.place.rglob("*.part") if path.parent.name == "metadata"]
        assert not left, left


def main(scene: str, folder: str, stride: str, first: str) -> None:
    global SCRATCH
    SCRATCH = Path(folder) / "scratch"
    SCRATCH.mkdir(parents=True)
    trial = Trial(SCENES[scene], Path(folder) / "trial")
    count = trial.ends()[2]
    kills = 0
    for at in [*range(int(first), count, int(stride)), count]:
        killed = trial.cut_off(at)
        assert killed == (at < count), (at, count)
        kills += killed
        in_child(trial.must_be_whole)
    print(kills)


if __name__ == "__main__":
    main(*sys.argv[1:])
