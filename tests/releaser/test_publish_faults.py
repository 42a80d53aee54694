"""Publishing and recalling under SIGKILL, full disks and databases that go away: nothing half-done, the next try finishes."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hotfixes import Life, changed

HERE = Path(__file__).parents[2]


@pytest.fixture
def life(register, tmp_path):
    (tmp_path / "files").mkdir()
    return Life(register, tmp_path / "files").prepare()


@pytest.mark.parametrize(("does", "steps"), [("publish", 18), ("recall", 14)])
def test_killed_before_any_step_the_channel_is_whole_and_the_next_try_finishes(life, does, steps):
    files = {f"{number}.txt": f"{number}\n".encode() for number in range(steps)}
    life.add_baseline("many", files)
    made = []
    for path, before in files.items():
        identifier = life.approved(
            wanted={"baseline": "many"}, files=[changed(path, before, b"new\n")], fixes=[one_fix(path)]
        )
        if does == "recall":
            life.publish(identifier)
        made.append(identifier)
    command = [sys.executable, "-m", "tests.publish_killer", life.register.home, life.folder, does, *made]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 6


def one_fix(path):
    return {"id": "BUG-1", "title": f"Mend {path}", "coverage": "full", "cve": []}
