"""A fetch that is cut off at any step, by a kill or a power loss: the site believes the old or the new, a second try ends it."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from patchline.patches import documents
from patchline.patches.files import os_failure
from patchline.patches.site import state
from patchline.patches.site.fetching import fetch
from patchline.patches.site.sources import opened_source
from patchline.patches.site.view import View
from tests.channel_worlds import NOW, Shop, policy, recalled
from tests.conftest import EXHAUSTIVE
from tests.fault_disk import (
    ALL_LOST,
    DATA_LOST,
    SPACE_TAKING,
    Crash,
    FaultDisk,
    Platter,
    random_loss,
    read_in,
    write_out,
)
from tests.servers import served, serving


class Scene:
    """A fetch that brings a policy, a recall and a release, to be played again and again."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.shop = Shop(folder)
        self.bad, self.good = self.shop.hotfix(), self.shop.hotfix("HF-2026-0002", "b.txt", content=os.urandom(5 << 20))
        self.shop.publish(self.bad)
        self.shop.fetch(self.shop.channel.folder)
        self.before = self.believed()
        self.start = read_in((self.shop.world.state,))
        self.shop.put_policy(policy(2))
        self.shop.put_recalls(recalled=[recalled(self.bad.manifest)])
        self.shop.put_checkpoint(9)
        self.shop.publish(self.good)
        self.url = url or str(self.shop.channel.folder)

    def fetch(self, disk: FaultDisk) -> None:
        world = self.shop.world
        with state.opened(world.root, world.state, disk) as site, opened_source(self.url) as source:
            fetch(site, source, NOW, None)

    def believed(self):
        with self.shop.opened() as site:
            view = View.of(site)
            assert site.ledger().chain.rows == [] or site.ledger().chain.rows[-1]["policy"] <= view.trust.policy.version
        number = view.recalls.newest.number if view.recalls else None
        return view.trust.policy.version, number, view.known.checkpoint.count

    def restore(self) -> None:
        shutil.rmtree(self.shop.world.state / "channel/tuf", ignore_errors=True)
        write_out(self.start)

    def must_end(self) -> None:
        """Check that what is believed is no mixture that was never so, and that a second try ends it."""
        there = self.believed()
        # Recalls come first, then trust, then the rest: whatever is new is newer than what it rests on.
        assert there in [self.before, (1, 2, 1), (2, 2, 1), (2, 2, 9)]
        self.fetch(FaultDisk())
        assert self.believed() == (2, 2, 9)


@pytest.fixture
def scene(tmp_path):
    (tmp_path / "channel").mkdir()
    with serving(tmp_path / "channel") as server:
        yield Scene(tmp_path, server.url)


def some(number: int, stride: int) -> list[int]:
    return list(range(0, number, 1 if EXHAUSTIVE else stride))


def played(scene: Scene) -> list:
    scene.restore()
    disk = FaultDisk()
    scene.fetch(disk)
    assert scene.believed() == (2, 2, 9)
    assert len(disk.steps) > 20
    return disk.steps


def test_a_fetch_that_is_killed_at_any_step_is_ended_by_a_second_try(scene):
    steps = played(scene)
    for number in some(len(steps), 7):
        for half in (False, True) if EXHAUSTIVE else (number % 2 == 0,):
            scene.restore()
            with pytest.raises(Crash):
                scene.fetch(FaultDisk(stop_at=number, half=half))
            scene.must_end()


@pytest.mark.parametrize("lost", ["all", "data", "random"])
def test_a_power_loss_at_any_step_takes_nothing_back_that_was_believed(scene, lost):
    steps = played(scene)
    for number in some(len(steps) + 1, 9):
        loss = {"all": ALL_LOST, "data": DATA_LOST}.get(lost) or random_loss(number)
        shutil.rmtree(scene.shop.world.state / "channel/tuf", ignore_errors=True)
        write_out(Platter(scene.start).replay(steps[:number]).after_power_loss(loss))
        scene.must_end()


def test_what_was_reported_as_fetched_survives_a_power_loss(scene):
    steps = played(scene)
    write_out(Platter(scene.start).replay(steps).after_power_loss(ALL_LOST))
    assert scene.believed() == (2, 2, 9)
    path = scene.shop.world.state / "channel/releases/HF-2026-0002-r1.zip"
    assert documents.digest(path.read_bytes()) == documents.digest(scene.shop.release(scene.good))


KILLED = """
import sys, os, signal
from pathlib import Path
from tests.channel_worlds import NOW, clock_at
from tests.kill_driver import DeadlyDisk
from patchline.patches.site import command_options
from patchline.patches.site.commands import patchline_site
from patchline.patches import terminal
command_options.Disk = lambda: DeadlyDisk(int(sys.argv[1]))
with clock_at(NOW):
    raise SystemExit(terminal.run(patchline_site, sys.argv[2:]))
"""


def test_real_processes_that_are_killed_against_a_real_server(tmp_path):
    (tmp_path / "channel").mkdir()
    with served(tmp_path / "channel") as url:
        scene = Scene(tmp_path, url)
        scene.restore()
        world = scene.shop.world
        line = ["fetch", "--from", url, "--root", world.root, "--state", world.state]
        ends = []
        for steps in (*some(40, 6), 1000):
            done = subprocess.run(
                [sys.executable, "-c", KILLED, str(steps), *map(str, line)],
                cwd=Path(__file__).parents[3],
                capture_output=True,
                check=False,
            )
            ends.append(done.returncode)
            assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
        assert ends[0] == -signal.SIGKILL
        assert ends[-1] == 0
        assert scene.believed() == (2, 2, 9)
        assert scene.shop.standings(url) == {"HF-2026-0001-r1": "recalled", "HF-2026-0002-r1": "new"}


def test_a_disk_that_is_full_at_any_step_is_told_and_takes_nothing_back(scene):
    steps = played(scene)
    places = [number for number, step in enumerate(steps) if step.name in SPACE_TAKING]
    for number in places[:: 1 if EXHAUSTIVE else 5]:
        scene.restore()
        full = FaultDisk(fail=lambda at, name, number=number: errno.ENOSPC if at == number else None)
        with pytest.raises(OSError) as caught:
            scene.fetch(full)
        assert os_failure(caught.value).code == "state.disk-full"
        scene.must_end()
