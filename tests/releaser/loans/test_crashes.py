"""Whoever looks after a loan is killed at any step; nothing is lent twice, and nothing is left alive."""

import subprocess
import sys

import pytest

from tests.conftest import EXHAUSTIVE


@pytest.mark.parametrize(("phase", "stride", "least"), [("lend", 5, 3), ("return", 4, 3)])
def test_broker_killed_at_any_step_leaves_nothing_alive_and_lends_nothing_twice(lab, phase, stride, least):
    lab.lend_users()
    bao, space = lab.space.bao, lab.space
    line = [sys.executable, "-m", "tests.loan_killer", str(lab.register.home), bao.address, space.name, phase]
    line.append("1" if EXHAUSTIVE else str(stride))
    done = subprocess.run(line, check=False, input=bao.root, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) >= (3 * least if EXHAUSTIVE else least)
