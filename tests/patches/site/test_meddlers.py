"""Local users who meddle while a change is going on: nothing is written astray, waited for or lost."""

import os
import shutil

import pytest

from patchline.patches.errors import PatchlineError
from patchline.patches.site.disk import Disk
from tests.worlds import World, put, take

BASE = {"lib/a.txt": b"a old\n", "lib/b.txt": b"b old\n", "other/a.txt": b"theirs\n"}
CHANGES = {"lib/a.txt": b"a new\n", "lib/b.txt": None, "lib/new/x.txt": b"x\n"}


@pytest.fixture
def sentinel(tmp_path):
    """A folder that nothing may ever change."""
    put(tmp_path / "outside", {"a.txt": b"theirs\n", "b.txt": b"theirs\n", "new/x.txt": b"theirs\n"})
    before = take(tmp_path / "outside")
    yield tmp_path / "outside"
    assert take(tmp_path / "outside") == before


class Meddling(Disk):
    """A disk on which somebody else acts just before the n-th step."""

    def __init__(self, at, act):
        super().__init__()
        self.left, self.act = at, act
        self.acted = False

    def step(self, name, area, path, *arguments, **more):
        super().step(name, area, path, *arguments, **more)
        self.left -= 1
        if self.left == 0:
            self.acted, self.name, self.path = True, name, path
            self.act()


def swap_for_link(world, target):
    def act():
        (world.root / "lib").rename(world.root / "lib.moved")
        (world.root / "lib").symlink_to(target)

    def back():
        (world.root / "lib").unlink()
        (world.root / "lib.moved").rename(world.root / "lib")

    return act, back


def swap_for_fifo(world, _):
    def act():
        (world.root / "lib/a.txt").rename(world.root / "mine")
        os.mkfifo(world.root / "lib/a.txt")

    def back():
        (world.root / "lib/a.txt").unlink(missing_ok=True)
        (world.root / "mine").rename(world.root / "lib/a.txt")

    return act, back


def edit(world, _):
    def act():
        (world.root / "lib/a.txt").write_bytes(b"in the middle\n")

    return act, lambda: None


def last_instant(name, path):
    """Tell whether a step comes between the last look at the file and its replacement: no check can cover that."""
    return name == "rename" and path == "lib/a.txt"


def meddled(folder, hotfix, meddle, target, at, operation):
    """Run apply or rollback with somebody meddling at a step; tell whether the step was reached, and the world."""
    world = World(folder, BASE)
    if operation == "rollback":
        world.apply(hotfix)
    act, back = meddle(world, target)
    world.disk = Meddling(at, act)
    outcome = None
    try:
        outcome = (world.apply(hotfix) if operation == "apply" else world.rollback())[1].outcome
    except PatchlineError as error:
        outcome = error
    disk, world.disk = world.disk, Disk()
    if disk.acted:
        back()
    return disk, world, outcome


@pytest.mark.parametrize("operation", ["apply", "rollback"])
@pytest.mark.parametrize("where", ["outside", "inside"])
def test_folder_swapped_for_a_link_at_any_step_leads_nothing_astray(tmp_path, sentinel, operation, where):
    hotfix = World(tmp_path / "maker", BASE).hotfix(CHANGES)
    at, reached = 0, True
    while reached:
        at += 1
        folder = tmp_path / f"{at}"
        target = sentinel if where == "outside" else folder / "app/other"
        disk, world, _ = meddled(folder, hotfix, swap_for_link, target, at, operation)
        reached = disk.acted
        assert take(world.root / "other")["a.txt"][1] == b"theirs\n"
        assert set(take(world.root / "other")) == {"a.txt"}
        world.recover()
        tree = {path: item[1] for path, item in world.tree().items() if path.startswith("lib/")}
        assert tree["lib/a.txt"] in (b"a old\n", b"a new\n"), at
        whole = {b"a old\n": {"lib/a.txt", "lib/b.txt"}, b"a new\n": {"lib/a.txt", "lib/new", "lib/new/x.txt"}}
        assert set(tree) == whole[tree["lib/a.txt"]], at
        shutil.rmtree(folder)
    assert at > 10


@pytest.mark.parametrize("operation", ["apply", "rollback"])
@pytest.mark.parametrize("meddle", [swap_for_fifo, edit])
def test_file_swapped_or_edited_at_any_step_is_neither_waited_for_nor_lost(tmp_path, operation, meddle):
    hotfix = World(tmp_path / "maker", BASE).hotfix(CHANGES)
    at, reached = 0, True
    while reached:
        at += 1
        disk, world, outcome = meddled(tmp_path / f"{at}", hotfix, meddle, None, at, operation)
        reached = disk.acted
        world.recover()
        contents = [item[1] for item in world.tree().values()]
        if reached and meddle is edit and not last_instant(disk.name, disk.path):
            assert b"in the middle\n" in contents, (at, disk.name, disk.path, outcome)
        shutil.rmtree(tmp_path / f"{at}")
    assert at > 10
