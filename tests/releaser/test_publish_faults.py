"""Publishing and recalling under SIGKILL, full disks and databases that go away: nothing half-done, the next try finishes."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from patchline.patches.errors import PatchlineError, StoreError
from patchline.releaser import approvals, publishing
from patchline.releaser.channel import Channel
from patchline.releaser.stores import Store
from patchline.releaser.tables.hotfixes import Approval
from tests import channels
from tests.conftest import EXHAUSTIVE
from tests.hotfixes import Life, changed

HERE = Path(__file__).parents[2]


@pytest.fixture
def life(register, tmp_path):
    (tmp_path / "files").mkdir()
    return Life(register, tmp_path / "files").prepare()


@pytest.mark.parametrize("does", ["publish", "recall"])
def test_killed_before_any_step_the_channel_is_whole_and_the_next_try_finishes(life, does):
    stride, first = (1, 0) if EXHAUSTIVE else (5, 2 if does == "publish" else 0)
    files = {f"{number}.txt": f"{number}\n".encode() for number in range(20 // stride)}
    life.add_baseline("many", files)
    made = []
    for path, before in files.items():
        identifier = life.approved(
            wanted={"baseline": "many"}, files=[changed(path, before, b"new\n")], fixes=[one_fix(path)]
        )
        if does == "recall":
            life.publish(identifier)
        made.append(identifier)
    where = [life.register.home, life.folder, does, str(stride), str(first)]
    command = [sys.executable, "-m", "tests.publish_killer", *where, *made]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 6 // stride


def gone(session):
    """Let the server end the connection of a session."""
    me = session.scalar(text("SELECT pg_backend_pid()"))
    with session.connection().engine.connect() as other:
        other.execute(text("SELECT pg_terminate_backend(:me)"), {"me": me})


def full(session):
    """Let the database's file grow no more."""
    pages = session.scalar(text("PRAGMA page_count"))
    session.execute(text(f"PRAGMA max_page_count = {pages}"))


def test_vote_into_a_database_that_goes_away_or_is_full_is_no_vote(life):
    identifier = life.reviewed()
    sidecar = life.approval(identifier)
    sqlite = life.register.database.is_sqlite
    with pytest.raises(PatchlineError) as refused, life.change() as change:
        approvals.take(change, identifier, sidecar, life.root)
        (full if sqlite else gone)(change.session)
        large = [Approval(**row) for row in copies(change.session, 400)]
        change.session.add_all(large)
        change.session.flush()
    assert refused.value.code == ("database.full" if sqlite else "database.gone")
    life.register.database.engine.dispose()
    with life.register.read() as session:
        assert session.query(Approval).count() == 0
    assert life.state(identifier) == "in-review"
    life.approve(identifier, "ada")
    life.approve(identifier, "ben")
    assert life.state(identifier) == "approved"


def copies(session, number):
    """Approvals of many persons, to fill a disk with."""
    [one] = session.query(Approval).all()
    names = ("revision", "manifest_sha256", "kind", "keyid", "reproduced", "envelope", "taken", "taken_by")
    same = {name: getattr(one, name) for name in names}
    return [{**same, "person": f"p{n}", "envelope_sha256": f"{n:064}"} for n in range(number)]


def test_channel_that_takes_nothing_leaves_a_published_hotfix_for_the_next_try(life):
    identifier = life.approved()
    release = life.release(identifier)
    broken = Channel(Failing.at(life.register.channel), channels.keys())
    with pytest.raises(StoreError):
        publishing.publish(life.register, broken, "rita", life.now, identifier, release)
    assert life.state(identifier) == "published" and life.offered() == []
    life.publish(identifier)
    assert life.offered() == [f"{identifier}-r1"]


class Failing(Store):
    """A store that takes files but no metadata."""

    def create(self, name, data):
        raise StoreError("unreachable", f"{name}: no answer")


def one_fix(path):
    return {"id": "BUG-1", "title": f"Mend {path}", "coverage": "full", "cve": []}
