"""What is left when the program that takes reports is killed: none lost, none twice."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select

from patchline.releaser.tables.fleet import Report
from tests.fleets import Fleet
from tests.programs import run
from tests.releaser.fleet.facts import check_caches, state

ROOT = Path(__file__).parents[3]
ONE_BY_ONE = """
import sys
from pathlib import Path
from patchline.releaser.fleet.reports import ONLINE, receive
from patchline.releaser.register import opened
from tests.registers import NOW
with opened(Path(sys.argv[1])) as register:
    for file in sorted(Path(sys.argv[2]).iterdir()):
        receive(register, file.read_bytes(), ONLINE, "rita", NOW)
        print(file.name, flush=True)
"""
COUNT = 24


def test_reports_that_were_answered_outlive_a_kill_and_the_rest_comes_again(register, tmp_path):
    fleet = Fleet(register).product("demo", "1.0")
    fleet.customer()
    fleet.site()
    fleet.enrolled()
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for number in range(COUNT):
        time_ = (fleet.now - timedelta(minutes=COUNT - number)).isoformat()
        (inbox / f"{number:02}.json").write_bytes(fleet.report("acme-main", "1.0", time=time_))
    answered = _killed_after(7, [sys.executable, "-c", ONE_BY_ONE, str(register.home), str(inbox)])
    with register.read() as session:
        kept = session.scalar(select(func.count()).select_from(Report))
    assert len(answered) <= kept <= len(answered) + 1
    check_caches(register)
    counts = run("patchline", "report", "import", inbox, "--home", register.home, "--as", "rita", "--json").document
    assert counts["counts"]["accepted"] == COUNT - kept
    with register.read() as session:
        assert session.scalar(select(func.count()).select_from(Report)) == COUNT
        assert session.scalars(select(Report.counter).order_by(Report.counter)).all() == list(range(1, COUNT + 1))
    assert state(register).report is not None
    check_caches(register)


def _killed_after(answers: int, line: list[str]) -> list[str]:
    """Run a program, end it by SIGKILL soon after so many lines; return all the lines that it wrote."""
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        lines = [program.stdout.readline() for _ in range(answers)]
        time.sleep(0.005)
        os.kill(program.pid, signal.SIGKILL)
        return lines + program.stdout.readlines()
