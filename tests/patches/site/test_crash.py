"""Apply, rollback, cleanup and recovery, cut off at every step by a kill or a power loss (scenarios 1 to 4).

Everything here happens in this process, on a disk that can stop and forget; real kills are in `test_kill`. `make
exhaustive` tries every step, `make test` every few.
"""

from collections.abc import Iterator

import pytest

from tests.conftest import EXHAUSTIVE
from tests.crash_scenes import SCENES, Trial
from tests.fault_disk import (
    ALL_LOST,
    DATA_LOST,
    NAMES_LOST,
    NOTHING_LOST,
    Crash,
    FaultDisk,
    Loss,
    Platter,
    Step,
    random_loss,
    read_in,
    write_out,
)

LOSSES = {"all": ALL_LOST, "nothing": NOTHING_LOST, "data": DATA_LOST, "names": NAMES_LOST, "random": None}
every_scene = pytest.mark.parametrize("name", SCENES)


@pytest.fixture
def trial(name, shared_memory):
    return Trial(SCENES[name], shared_memory)


def some(trial: Trial, steps: list[Step], stride: int, first: int = 0) -> Iterator[int]:
    """Numbers of steps to stop at, the end always among them; `make exhaustive` tries all of them."""
    stride = 1 if EXHAUSTIVE else stride * (4 if "steps" in trial.scene.tags else 1)
    yield from range(first % stride, len(steps), stride)
    yield len(steps)


def seeds(number: int) -> list[int]:
    return [number * 1000 + seed for seed in range(8 if EXHAUSTIVE else 1)]


def losses(name: str, number: int) -> list[Loss]:
    fixed = LOSSES[name]
    return [random_loss(seed) for seed in seeds(number)] if fixed is None else [fixed]


@every_scene
def test_disk_of_these_tests_tells_what_the_real_one_holds(trial):
    real = read_in(trial.tops)
    for loss in (NOTHING_LOST, ALL_LOST):
        write_out(trial.platter(len(trial.steps)).after_power_loss(loss))
        assert (loss is ALL_LOST) or _plain(read_in(trial.tops)) == _plain(real)


def _plain(folders):
    def plain(node):
        # Who holds the lock is written beside the disk: it has to outlive nothing.
        names = {name: plain(inner) for name, inner in node.names.items() if name != "lock"}
        return node.kind, node.data, names

    return {top: plain(node) for top, node in folders.items()}


@every_scene
@pytest.mark.parametrize("lost", LOSSES)
def test_power_loss_at_any_step_leaves_the_site_wholly_before_or_wholly_after(trial, lost):
    for number in some(trial, trial.steps, 4, first=list(LOSSES).index(lost)):
        for loss in losses(lost, number):
            write_out(trial.platter(number).after_power_loss(loss))
            trial.recover(torn=loss.torn)
            end = trial.must_be_whole()
            assert end == trial.after or number < len(trial.steps), "what was reported as done was lost"
        if number % 12 == 0:
            trial.must_go_on()


@every_scene
def test_kill_at_any_step_leaves_the_site_wholly_before_or_wholly_after(trial):
    for number in some(trial, trial.steps, 4):
        trial.act_until(number, half=number % 2 == 1)
        trial.recover()
        trial.must_be_whole()


@every_scene
def test_recovery_killed_at_any_step_is_itself_recovered(trial):
    for number in some(trial, trial.steps, 17, first=5):
        trial.act_until(number)
        cut_off = read_in(trial.tops)
        counting = FaultDisk()
        trial.recover(counting)
        for again in some(trial, counting.steps, 9, first=number):
            write_out(cut_off)
            with pytest.raises(Crash):
                trial.recover(FaultDisk(stop_at=again, half=again % 2 == 0))
                raise Crash  # The last number is the end: nothing was cut off.
            trial.recover()
            trial.must_be_whole()


@every_scene
def test_power_loss_after_a_kill_takes_nothing_back_that_recovery_has_reported(trial):
    for number in some(trial, trial.steps, 13, first=3):
        write_out(trial.platter(number).after_power_loss(NOTHING_LOST))
        recovering = FaultDisk()
        trial.recover(recovering)
        reported = trial.must_be_whole()
        for again in some(trial, recovering.steps, 11, first=number):
            for loss in (ALL_LOST, DATA_LOST, NAMES_LOST, random_loss(number * 1000 + again)):
                platter = trial.platter(number).replay(recovering.steps[:again])
                write_out(platter.after_power_loss(loss))
                trial.recover(torn=loss.torn)
                end = trial.must_be_whole()
                assert end == reported or again < len(recovering.steps)


@every_scene
def test_power_loss_in_recovery_from_a_power_loss_leaves_the_site_whole(trial):
    for number in some(trial, trial.steps, 19, first=7):
        for loss in (ALL_LOST, random_loss(number)):
            write_out(trial.platter(number).after_power_loss(loss))
            found = read_in(trial.tops)
            recovering = FaultDisk()
            trial.recover(recovering, torn=loss.torn)
            for again in some(trial, recovering.steps, 13, first=number):
                write_out(Platter(found).replay(recovering.steps[:again]).after_power_loss(loss))
                trial.recover(torn=loss.torn)
                trial.must_be_whole()


@pytest.mark.parametrize("name", [name for name in SCENES if name != "cleanup"])
def test_change_run_again_after_a_crash_never_deletes_the_good_pre_images(trial):
    for number in some(trial, trial.steps, 9, first=2):
        trial.act_until(number)
        if trial.has_ended():
            continue
        # Not `recover`: the next command does it by itself. What a health step undid in recovery is tried again.
        done = trial.act(FaultDisk())
        assert done == trial.error or trial.act(FaultDisk()) == trial.error
        assert trial.must_be_whole() == trial.after
        trial.must_go_on()
