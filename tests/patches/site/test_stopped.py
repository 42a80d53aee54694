"""Signals, a lost terminal, a second applier (scenarios 23 and 38), with the real program."""

import json
import os
import pty
import signal
import subprocess
import time
from contextlib import contextmanager

import pytest

from tests.crash_scenes import step
from tests.programs import BIN, process
from tests.worlds import World

BASE = {"lib/a.txt": b"old\n", "lib/gone.txt": b"gone\n"}
CHANGES = {"lib/a.txt": b"new\n", "lib/gone.txt": None, "lib/more/b.txt": b"b\n"}
STOPS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
NOTE = 'echo "$PATCHLINE_PHASE $PATCHLINE_OPERATION" >> "$PATCHLINE_ROOT_APP/../said"\n'
WAIT = 'touch "$PATCHLINE_ROOT_APP/../reached"; until [ -e "$PATCHLINE_ROOT_APP/../go" ]; do sleep 0.02; done\n'


@pytest.fixture
def world(tmp_path):
    return World(tmp_path, BASE)


def stepped(world, **scripts):
    """A hotfix with a script for each of these phases."""
    made = {phase: text.encode() for phase, text in scripts.items()}
    steps = [step(f"{phase}-it", phase, data) for phase, data in made.items()]
    checks = ["health-it"] if "health" in made else []
    return world.hotfix(CHANGES, steps=steps, checks=checks, script_contents=sorted(set(made.values())))


def line(world, command, *arguments):
    return [BIN / "patchline-site", command, *arguments, "--root", world.root, "--state", world.state]


def said(world):
    path = world.folder / "said"
    return path.read_text().splitlines() if path.exists() else []


def wait_for(path):
    for _ in range(1000):
        if path.exists():
            return
        time.sleep(0.02)
    raise AssertionError(f"{path} never came")


@contextmanager
def running(command, **options):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", STOPS)
def test_signal_before_forward_undoes_and_starts_again_what_was_stopped(world, number):
    hotfix, before = stepped(world, stop=NOTE + f"kill -{number.value} $PPID; sleep 20\n", start=NOTE), world.tree()
    done = process(*line(world, "apply", hotfix.path), expect=STOPS[number], timeout=15)
    assert number.name in done.err
    assert world.tree() == before
    assert said(world) == ["stop apply", "start recover"]
    assert world.recover().outcome == "nothing"
    assert world.inventory().level.label == "1.0"


@pytest.mark.parametrize("number", STOPS)
def test_signal_after_forward_finishes_and_says_where_it_stands(world, number):
    hotfix = stepped(world, start=NOTE + f"kill -{number.value} $PPID; sleep 0.1; kill -TERM $PPID\n", health=NOTE)
    done = process(*line(world, "apply", hotfix.path), expect=STOPS[number])
    assert "1.0+HF-2026-0001-r1" in done.out and number.name in done.err
    assert said(world) == ["start apply", "health apply"]
    assert world.inventory().level.label == "1.0+HF-2026-0001-r1" and world.inventory().drift == []
    assert world.recover().outcome == "nothing"


def test_signal_while_it_is_undone_does_not_stop_that(world):
    hotfix, before = stepped(world, start=NOTE, health="exit 1\n", stop=NOTE + "kill -TERM $PPID\n"), world.tree()
    # The first signal comes before FORWARD; the second while the stop step runs again on the way back.
    process(*line(world, "apply", hotfix.path), expect=143)
    assert world.tree() == before
    hotfix = stepped(
        world, start=NOTE, health="exit 1\n", stop='[ "$PATCHLINE_OPERATION" = apply ] || kill -TERM $PPID\n'
    )
    process(*line(world, "apply", hotfix.path), expect=24)
    assert world.tree() == before
    assert world.recover().outcome == "nothing"


@contextmanager
def in_a_terminal(command):
    """Run a program in a terminal of its own; yields it and the function that tears the terminal away."""
    master, slave = pty.openpty()
    process = subprocess.Popen(["setsid", "--ctty", *command], stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    try:
        yield process, lambda: os.close(master)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("phase", ["stop", "start"])
def test_lost_terminal_undoes_before_forward_and_finishes_after(world, phase):
    hotfix, before = stepped(world, **{phase: WAIT}), world.tree()
    with in_a_terminal(line(world, "apply", hotfix.path)) as (program, tear_away):
        wait_for(world.folder / "reached")
        tear_away()
        (world.folder / "go").touch()
        assert program.wait(20) == 129
    if phase == "stop":
        assert world.tree() == before
    else:
        assert world.inventory().level.label == "1.0+HF-2026-0001-r1" and world.inventory().drift == []
    assert world.recover().outcome == "nothing"


def test_second_applier_is_refused_and_told_who_is_at_it(world):
    hotfix = stepped(world, stop=WAIT)
    with running(line(world, "apply", hotfix.path)) as first:
        wait_for(world.folder / "reached")
        for command in (["apply", hotfix.path], ["rollback", "HF-2026-0001"], ["recover"], ["cleanup", "--keep", "1"]):
            refused = process(*line(world, *command), expect=25)
            assert str(first.pid) in refused.err and os.uname().nodename in refused.err
        assert json.loads(process(*line(world, "inventory", "--json")).out)["unfinished"]
        (world.folder / "go").touch()
        assert first.wait(20) == 0
    assert world.inventory().level.label == "1.0+HF-2026-0001-r1"


def test_lock_of_a_dead_holder_is_no_obstacle(world):
    hotfix, before = stepped(world, stop=WAIT + 'touch "$PATCHLINE_ROOT_APP/../late"\n', start=NOTE), world.tree()
    with running(line(world, "apply", hotfix.path)) as first:
        wait_for(world.folder / "reached")
        first.kill()
        first.wait()
    process(*line(world, "recover"))
    assert world.tree() == before
    assert said(world) == ["start recover"]
    (world.folder / "go").touch()
    process(*line(world, "apply", hotfix.path))
    assert world.inventory().level.label == "1.0+HF-2026-0001-r1"


def test_step_of_a_killed_applier_does_not_run_on_beside_the_recovery(world):
    hotfix = stepped(world, stop=WAIT + NOTE)
    with running(line(world, "apply", hotfix.path)) as first:
        wait_for(world.folder / "reached")
        first.kill()
        first.wait()
    (world.folder / "go").touch()
    time.sleep(0.3)
    assert said(world) == []
