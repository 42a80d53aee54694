"""Stop, start, health and symptom steps: what runs when, and what a crash, a failure or too long a time leads to.

Scripts kill the real program they were started by where a crash is wanted.
"""

import os
import time

import pytest

from patchline.patches.errors import HealthError, InstallationError
from tests.crash_scenes import step
from tests.programs import BIN, KILLED, process
from tests.worlds import World

BASE = {"lib/a.txt": b"old\n", "lib/gone.txt": b"gone\n"}
CHANGES = {"lib/a.txt": b"new\n", "lib/gone.txt": None, "lib/more/b.txt": b"b\n"}
NOTE = 'echo "$PATCHLINE_PHASE $PATCHLINE_OPERATION $(cat "$PATCHLINE_ROOT_APP/lib/a.txt")" >> "$PATCHLINE_ROOT_APP/../said"\n'
KILL_ONCE = (
    'if ! [ -e "$PATCHLINE_ROOT_APP/../killed" ]; then touch "$PATCHLINE_ROOT_APP/../killed"; kill -9 $PPID; fi\n'
)
FAIL = "echo what is wrong; exit 3\n"
LEVEL = "1.0+HF-2026-0001-r1"


@pytest.fixture
def world(tmp_path):
    return World(tmp_path, BASE)


def stepped(world, options=None, **scripts):
    made = {phase: text.encode() for phase, text in scripts.items()}
    options = options or {}
    steps = [step(f"{phase}-it", phase, data, **options.get(phase, {})) for phase, data in made.items()]
    checks = [item["id"] for item in steps if item["phase"] in ("health", "symptom")]
    return world.hotfix(CHANGES, steps=steps, checks=checks, script_contents=sorted(set(made.values())))


def said(world):
    path = world.folder / "said"
    return path.read_text().splitlines() if path.exists() else []


def program(world, command, *arguments, expect=0):
    line = [BIN / "patchline-site", command, *arguments, "--root", world.root, "--state", world.state]
    return process(*line, expect=expect, timeout=30)


def rows(world):
    with world.opened() as site:
        return [(row["row"], row.get("reason")) for row in site.ledger().chain.rows]


def test_steps_run_in_their_order_around_the_change(world):
    hotfix = stepped(world, symptom=NOTE, health=NOTE, start=NOTE, stop=NOTE)
    world.apply(hotfix, root_steps=True)
    assert said(world) == ["symptom apply old", "stop apply old", "start apply new", "health apply new"]
    world.rollback(root_steps=True)
    assert said(world)[4:] == ["stop rollback new", "start rollback old", "health rollback old"]


def test_step_for_one_direction_runs_in_that_one_only(world):
    hotfix = stepped(world, {"stop": {"on": "rollback"}, "start": {"on": "apply"}}, stop=NOTE, start=NOTE)
    world.apply(hotfix, root_steps=True)
    world.rollback(root_steps=True)
    assert said(world) == ["start apply new", "stop rollback new"]


def test_stop_step_that_fails_leaves_everything_as_it_was_and_starts_again(world):
    hotfix, before = stepped(world, stop=NOTE + FAIL, start=NOTE), world.tree()
    with pytest.raises(InstallationError, match="ended with 3: what is wrong") as failed:
        world.apply(hotfix, root_steps=True)
    assert failed.value.code == "installation.step"
    assert world.tree() == before and rows(world) == []
    assert said(world) == ["stop apply old", "start recover old"]


def test_health_probe_that_fails_rolls_everything_back_with_an_exit_code_of_its_own(world):
    hotfix, before = stepped(world, stop=NOTE, start=NOTE, health=NOTE + FAIL), world.tree()
    failed = program(world, "apply", hotfix.path, expect=24)
    assert "what is wrong" in failed.err
    assert world.tree() == before and world.inventory().level.label == "1.0"
    assert rows(world) == [("undone", "health.failed")]
    assert said(world) == [
        "stop apply old",
        "start apply new",
        "health apply new",
        "stop recover new",
        "start recover old",
    ]
    assert world.recover().outcome == "nothing"


def test_health_probe_that_takes_too_long_rolls_everything_back(world):
    hotfix, before = stepped(world, {"health": {"timeout_s": 1}}, health="sleep 30\n"), world.tree()
    with pytest.raises(HealthError, match="ran out of time"):
        world.apply(hotfix, root_steps=True)
    assert world.tree() == before and rows(world) == [("undone", "health.failed")]


def test_health_probe_that_fails_after_a_rollback_brings_the_hotfix_back(world):
    health = '[ "$PATCHLINE_OPERATION" = apply ]\n'
    world.apply(stepped(world, start=NOTE, health=health), root_steps=True)
    after = world.tree()
    with pytest.raises(HealthError):
        world.rollback(root_steps=True)
    assert world.tree() == after and world.inventory().level.label == LEVEL
    assert said(world) == ["start apply new", "start rollback old", "start recover new"]


def test_start_step_that_fails_undoes_everything(world):
    hotfix, before = stepped(world, start='[ "$PATCHLINE_OPERATION" = recover ] || exit 1\n', health=NOTE), world.tree()
    with pytest.raises(InstallationError) as failed:
        world.apply(hotfix, root_steps=True)
    assert failed.value.code == "installation.step"
    assert world.tree() == before and rows(world) == [("undone", "installation.step")] and said(world) == []


def test_symptom_that_does_not_show_is_noted_and_no_obstacle(world):
    _, result = world.apply(stepped(world, symptom="exit 1\n"), root_steps=True)
    assert any("the bug does not show here" in note for note in result.notes)
    assert world.inventory().level.label == LEVEL


# Crashes


@pytest.mark.parametrize("phase", ["start", "health"])
def test_step_cut_off_by_a_crash_runs_again_where_it_may(world, phase):
    hotfix = stepped(world, **{phase: NOTE + KILL_ONCE})
    program(world, "apply", hotfix.path, expect=KILLED)
    program(world, "recover")
    assert world.inventory().level.label == LEVEL and world.inventory().drift == []
    assert said(world) == [f"{phase} apply new"] * 2


@pytest.mark.parametrize("phase", ["start", "health"])
def test_step_cut_off_by_a_crash_that_must_not_run_twice_undoes_everything(world, phase):
    before = world.tree()
    hotfix = stepped(world, {phase: {"idempotent": False}}, **{phase: NOTE + KILL_ONCE})
    program(world, "apply", hotfix.path, expect=KILLED)
    told = program(world, "recover", expect=23)
    assert "must not run twice" in told.err
    assert world.tree() == before and rows(world) == [("undone", "installation.step")]
    assert said(world) == [f"{phase} apply new"], "not even on the way back"
    assert world.recover().outcome == "nothing"


def test_step_that_ended_before_the_crash_does_not_run_again(world):
    hotfix = stepped(world, {"start": {"idempotent": False}}, start=NOTE, health=NOTE + KILL_ONCE)
    program(world, "apply", hotfix.path, expect=KILLED)
    program(world, "recover")
    assert said(world) == ["start apply new", "health apply new", "health apply new"]
    assert world.inventory().level.label == LEVEL


@pytest.mark.parametrize("idempotent", [True, False])
def test_stop_step_that_began_without_forward_makes_recovery_start_again(world, idempotent):
    before = world.tree()
    hotfix = stepped(world, {"stop": {"idempotent": idempotent}}, stop=NOTE + KILL_ONCE, start=NOTE)
    program(world, "apply", hotfix.path, expect=KILLED)
    program(world, "recover")
    assert world.tree() == before and rows(world) == []
    assert said(world) == ["stop apply old", "start recover old"]


def test_symptom_cut_off_by_a_crash_leaves_nothing_to_start(world):
    hotfix = stepped(world, symptom=KILL_ONCE, start=NOTE)
    program(world, "apply", hotfix.path, expect=KILLED)
    program(world, "recover")
    assert said(world) == []


def test_crash_while_it_is_undone_is_finished_by_the_next_command(world):
    before = world.tree()
    kill_on_the_way_back = NOTE + '[ "$PATCHLINE_OPERATION" = apply ] || {\n' + KILL_ONCE + "}\n"
    hotfix = stepped(world, stop=kill_on_the_way_back, start=NOTE, health=FAIL)
    program(world, "apply", hotfix.path, expect=KILLED)
    program(world, "recover")
    assert world.tree() == before and rows(world) == [("undone", "health.failed")]
    assert said(world)[-2:] == ["stop recover new", "start recover old"]


# Processes


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid):
    for _ in range(200):
        if not alive(pid):
            return True
        time.sleep(0.02)
    return False


def test_step_that_takes_too_long_is_killed_with_all_it_started(world):
    script = 'sleep 60 & echo $! > "$PATCHLINE_ROOT_APP/../pid"; wait\n'
    hotfix = stepped(world, {"stop": {"timeout_s": 1}}, stop=script)
    with pytest.raises(InstallationError, match="ran out of time"):
        world.apply(hotfix, root_steps=True)
    assert gone(int((world.folder / "pid").read_text()))


def test_what_a_start_step_leaves_running_lives_on_and_keeps_nobody_waiting(world):
    script = 'sleep 60 & echo $! > "$PATCHLINE_ROOT_APP/../pid"; echo up\n'
    started = time.monotonic()
    world.apply(stepped(world, start=script), root_steps=True)
    pid = int((world.folder / "pid").read_text())
    try:
        assert time.monotonic() - started < 20 and alive(pid)
    finally:
        os.kill(pid, 9)


def test_only_the_end_of_much_output_is_kept(world):
    script = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; echo the end; exit 1\n"
    with pytest.raises(HealthError) as failed:
        world.apply(stepped(world, health=script), root_steps=True)
    assert str(failed.value).endswith("the end") and len(str(failed.value)) < 9000


def test_steps_get_a_clean_environment_and_no_input(world, monkeypatch):
    monkeypatch.setenv("PATCHLINE_PASSPHRASE", "secret words")
    script = '{ env; pwd; cat; } > "$PATCHLINE_ROOT_APP/../seen"\n'
    world.apply(stepped(world, stop=script), root_steps=True)
    seen = (world.folder / "seen").read_text()
    assert "secret words" not in seen and "PATCHLINE_BASELINE=1.0" in seen and seen.splitlines()[-1] == "/"
    names = {line.partition("=")[0] for line in seen.splitlines() if "=" in line} - {"PWD", "SHLVL", "_", "OLDPWD"}
    assert all(name.startswith("PATCHLINE_") or name in ("PATH", "LC_ALL", "HOME") for name in names)
