"""Real processes, really killed (scenarios 1 and 3): before given steps of the disk, and at any time at all."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import EXHAUSTIVE
from tests.crash_scenes import SCENES
from tests.fault_disk import read_in, write_out
from tests.programs import BIN, process
from tests.worlds import World

HERE = Path(__file__).parents[3]


@pytest.mark.parametrize("name", SCENES)
def test_process_killed_before_a_step_leaves_the_site_wholly_before_or_wholly_after(name, shared_memory):
    stride = 1 if EXHAUSTIVE else 12
    first = list(SCENES).index(name) % stride
    command = [sys.executable, "-m", "tests.kill_driver", name, shared_memory, str(stride), str(first)]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0


FILES = 60
BASE = {f"lib/{number}.txt": f"old {number}\n".encode() * 200 for number in range(FILES)}
CHANGES = {f"lib/{number}.txt": f"new {number}\n".encode() * 200 for number in range(FILES)}


@pytest.fixture
def world(tmp_path):
    return World(tmp_path, BASE)


def site(world, command, *arguments):
    return [BIN / "patchline-site", command, *arguments, "--root", world.root, "--state", world.state]


def kill_after(line, seconds):
    """Start a program and kill it; tell how long it ran."""
    started = time.monotonic()
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            running.wait(seconds)
        except subprocess.TimeoutExpired:
            os.kill(running.pid, signal.SIGKILL)
        running.wait()
    return time.monotonic() - started


@pytest.mark.parametrize("command", ["apply", "rollback"])
def test_program_killed_at_any_time_leaves_the_site_wholly_before_or_wholly_after(world, command):
    hotfix, before = world.hotfix(CHANGES), world.tree()
    arguments = [hotfix.path] if command == "apply" else [hotfix.manifest.hotfix]
    if command == "rollback":
        process(*site(world, "apply", hotfix.path))
    start = read_in((world.root, world.state))
    whole = kill_after(site(world, command, *arguments), 60)
    ends = [
        before,
        {**before, **{path: (*before[path][:1], data, *before[path][2:]) for path, data in CHANGES.items()}},
    ]
    chance = random.Random(command)
    for _ in range(40 if EXHAUSTIVE else 5):
        write_out(start)
        kill_after(site(world, command, *arguments), whole * chance.uniform(0.4, 1))
        process(*site(world, "recover"))
        assert world.tree() in ends
        assert world.inventory().drift == []
