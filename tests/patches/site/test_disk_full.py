"""A disk that fills up or fails at every write (scenario 5): it stops, undoes itself, says how many bytes are missing."""

import errno
import os
import random
import re
import subprocess
from contextlib import contextmanager

import pytest

from patchline.patches.errors import PatchlineError
from patchline.patches.site import space
from patchline.patches.site.disk import Disk
from tests.conftest import EXHAUSTIVE
from tests.crash_scenes import SCENES, End, Trial
from tests.fault_disk import SPACE_TAKING, FaultDisk, write_out
from tests.worlds import World

FAILURES = ("ENOSPC", "EDQUOT", "EIO", "EROFS")
CHANGING = [name for name in SCENES if name not in ("apply-with-steps", "rollback-of-edited", "config-kept-aside")]


def takes_space(name, failure):
    return name in SPACE_TAKING or failure not in ("ENOSPC", "EDQUOT")


def decided(trial):
    """The step that decided how it ends: the ledger's row, or that it goes backward."""
    appended = [number for number, step in enumerate(trial.steps) if step.name == "append"]
    return next(
        number for number in appended if trial.steps[number].path == "ledger" or b"backward" in trial.steps[number].data
    )


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("name", CHANGING)
def test_disk_that_fails_once_at_any_write_stops_it_and_it_undoes_itself(name, failure, shared_memory):
    trial = Trial(SCENES[name], shared_memory)
    steps = [number for number, step in enumerate(trial.steps) if takes_space(step.name, failure)]
    for number in steps if EXHAUSTIVE else steps[FAILURES.index(failure) :: 9]:
        write_out(trial.start)
        failing = FaultDisk(fail=lambda count, _, at=number: getattr(errno, failure) if count == at else None)
        code = trial.act(failing)
        end = End.of(trial.world)
        if code == "installation.unfinished":  # While it tidied up, or on the way back: there is no other way then.
            assert number >= decided(trial)
            end = None
        elif name != "cleanup":
            assert end == (trial.before if code else trial.after), (number, trial.steps[number], code)
        trial.recover()
        assert trial.must_be_whole() == end or end is None or name == "cleanup"


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("name", CHANGING)
def test_disk_that_fails_from_some_write_on_is_recovered_once_it_works_again(name, failure, shared_memory):
    trial = Trial(SCENES[name], shared_memory)
    for number in range(0, len(trial.steps), 1 if EXHAUSTIVE else 23):
        write_out(trial.start)

        def fail(count, name, at=number):
            return getattr(errno, failure) if count >= at and takes_space(name, failure) else None

        trial.act(FaultDisk(fail=fail))
        trial.recover()
        trial.must_be_whole()


def test_missing_bytes_are_told_and_nothing_is_changed(shared_memory):
    trial = Trial(SCENES["apply"], shared_memory)
    write_out(trial.start)
    trial.world.disk = FaultDisk(fail=lambda count, name: errno.ENOSPC if count > 20 and name == "write" else None)
    with pytest.raises(PatchlineError, match=r"\d+ bytes, \d+ are free: \d+ are missing") as refused:
        trial.scene.act(trial.world, trial.hotfixes)
    assert refused.value.code == "installation.disk-full"
    assert End.of(trial.world) == trial.before


# Real file systems

MOUNTABLE = os.geteuid() == 0 and not subprocess.run(["unshare", "--mount", "true"], check=False).returncode
SIZE = 64 << 20
FILES, EACH = 40, 300_000


@contextmanager
def mounted(folder, kind):
    folder.mkdir()
    if kind == "tmpfs":
        line = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", folder]
    else:
        image = folder.with_name("image")
        with image.open("wb") as file:
            file.truncate(SIZE)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", image], check=True)
        line = ["mount", "-o", "loop", image, folder]
    subprocess.run(line, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture(params=["tmpfs", "ext4"])
def small(tmp_path, request):
    if not MOUNTABLE:
        pytest.skip("only root can mount a small file system")
    with mounted(tmp_path / "small", request.param) as folder:
        yield folder


def content(seed):
    return random.Random(seed).randbytes(EACH)


@pytest.fixture
def world(small):
    """A site on the small disk, with a hotfix that lies elsewhere."""
    base = {f"lib/{number}.bin": content(number) for number in range(FILES)}
    made = World(small / "site", base)
    changes = {f"lib/{number}.bin": content(1000 + number) for number in range(FILES)}
    changes |= {f"lib/fresh{number}.bin": content(2000 + number) for number in range(FILES // 2)}
    made.site_hotfix = made.hotfix(changes, entry={path: {"class": "config"} for path in list(changes)[:8]})
    elsewhere = small.with_name("elsewhere.hotfix")
    elsewhere.write_bytes(made.site_hotfix.path.read_bytes())
    made.site_hotfix.path.unlink()
    made.site_hotfix = type(made.site_hotfix)(made.site_hotfix.verified, elsewhere)
    return made


def free(folder):
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def fill(world, leave):
    """Fill the disk until so many bytes are free."""
    filler = world.folder.parent / "filler"
    with filler.open("ab") as file:
        while (surplus := free(world.folder) - leave) > 0:
            before = free(world.folder)
            try:
                file.write(bytes(max(1, min(surplus, 1 << 20))))
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                break
            if free(world.folder) == before:
                break
    return filler


class FillingDisk(Disk):
    """At one step something else fills the disk to its last byte."""

    parallel = 1

    def __init__(self, world, at):
        super().__init__()
        self._world, self._left = world, at
        self.filler = None

    def step(self, name, area, path, other=None, data=b""):
        if self._left == 0:
            self.filler = fill(self._world, 0)
        self._left -= 1


class MeasuringDisk(Disk):
    """Remembers how little was free at any step, and how many steps there were."""

    parallel = 1

    def __init__(self, folder):
        super().__init__()
        self._folder, self.lowest, self.steps = folder, free(folder), 0

    def step(self, name, area, path, other=None, data=b""):
        self.lowest, self.steps = min(self.lowest, free(self._folder)), self.steps + 1


def missing(error):
    return int(re.search(r"(\d+) are missing", str(error))[1])


def test_plan_predicts_the_bytes_that_are_needed_within_five_per_cent(world):
    start = free(world.folder)
    measuring = world.disk = MeasuringDisk(world.folder)
    world.apply(world.site_hotfix)
    used = start - measuring.lowest
    world.rollback()
    world.disk = None
    filler = fill(world, 1 << 20)
    [problem] = world.plan(world.site_hotfix).problems
    predicted = missing(problem) + free(world.folder)
    assert used <= predicted <= used * 1.05
    with pytest.raises(PatchlineError, match="are missing") as refused:
        world.apply(world.site_hotfix)
    assert abs(missing(refused.value) - missing(problem)) <= 0.05 * missing(problem)
    os.truncate(filler, filler.stat().st_size - missing(problem) - 4096)
    os.sync()
    world.apply(world.site_hotfix)
    assert world.inventory().drift == []


def test_disk_that_is_full_at_any_write_is_told_and_all_is_undone(world):
    """Once the ledger has it there is nothing to undo: it says that it is applied and only tidying is left."""
    world.disk = MeasuringDisk(world.folder)
    before = world.tree()
    world.apply(world.site_hotfix)
    steps, after = world.disk.steps, world.tree()
    world.disk = None
    world.rollback()
    codes = []
    for number in range(steps - 1, 0, -1 if EXHAUSTIVE else -37):
        world.disk = FillingDisk(world, number)
        code = None
        try:
            world.apply(world.site_hotfix)
        except PatchlineError as error:
            code = error.code
            assert code == "installation.unfinished" or missing(error) > 0, (number, error)
        filler, world.disk = world.disk.filler, None
        if filler is None:
            assert code is None
            world.rollback()
            continue
        undone = code == "installation.disk-full"
        assert world.tree() == (before if undone else after), number
        if code != "installation.unfinished":
            with world.opened() as site:
                assert space.missing([]) == [] and not site.state.names("staging")
        filler.unlink()
        assert world.recover().outcome == ("applied" if code == "installation.unfinished" else "nothing"), number
        assert world.tree() == (before if undone else after), number
        if not undone:
            world.rollback()
        codes.append(code)
    undone = codes[codes.index("installation.disk-full") :]
    assert set(undone) == {"installation.disk-full"}, "what was undone once is undone at every write before"
