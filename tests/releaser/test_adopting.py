import shutil
import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from sqlalchemy import text

from patchline.patches.errors import PatchlineError
from patchline.releaser import audit, backup, policies, restoring
from patchline.releaser.register import opened
from patchline.releaser.tables.catalogue import Baseline
from patchline.releaser.tables.hotfixes import Approval, Contributor, Revision
from tests import vendor
from tests.conftest import EXHAUSTIVE
from tests.hotfixes import Life, changed
from tests.programs import run
from tests.registers import BACKENDS, empty_database


@pytest.fixture
def life(register, tmp_path):
    (tmp_path / "files").mkdir()
    (register.home / "keys").mkdir()
    return Life(register, tmp_path / "files").prepare()


class Month:
    """A register saved, and a month of publishing, holding and recalling after that."""

    def __init__(self, life, folder):
        self.life, self.folder = life, folder
        self.kept = life.published(files=[changed("a.txt", b"old\n", b"a1\n")])
        self.reviewed = life.reviewed(files=[changed("b.txt", b"b0\n", b"b1\n")])
        backup.save(life.register, folder / "one.backup", life.now)
        life.later(days=30)
        life.follow()
        life.approve(self.reviewed, "ada")
        life.approve(self.reviewed, "ben")
        life.publish(self.reviewed)
        self.new = life.published(files=[changed("c.txt", b"c0\n", b"c1\n")])
        life.hold(self.kept)
        life.recall(self.new, life.recall_file(self.new, "ada", "ben"))
        document = vendor.policy_document(version=2, previous=self.digest())
        life.take_policy(document)
        life.follow()

    def digest(self):
        with self.life.register.read() as session:
            return policies.newest_policy(session, "demo").digest

    def restore(self, backend):
        url = empty_database(backend, self.folder) if backend == "postgresql" else "sqlite"
        home, published = self.folder / "again", self.life.register.home / "channel"
        order = restoring.Order(self.folder / "one.backup", home, "rita", url, str(published))
        return restoring.restore(order, self.life.now)


@pytest.mark.parametrize(("register", "target"), [BACKENDS, BACKENDS[::-1]], indirect=["register"])
def test_what_was_published_since_the_backup_is_known_again_and_publishing_goes_on(target, life, tmp_path):
    month = Month(life, tmp_path)
    done = month.restore(target)
    assert done.adopted.left == ()
    assert done.adopted.taken == (
        "policy 2 of demo",
        f"{month.reviewed}-r1",
        f"{month.new}-r1",
        f"{month.kept}-r1: held",
        f"{month.new}-r1: recalled",
    )
    with opened(tmp_path / "again") as register:
        again = Life(register, life.folder, life.now)
        states = {name: again.state(name) for name in (month.kept, month.reviewed, month.new)}
        assert states == {month.kept: "held", month.reviewed: "published", month.new: "recalled"}
        with register.read() as session:
            assert policies.newest_policy(session, "demo").number == 2
            voters = session.query(Approval.person).join(Revision, Revision.id == Approval.revision)
            assert {row.person for row in voters.filter(Revision.hotfix == month.new)} == {"ada", "ben"}
            parts = session.query(Contributor.person, Contributor.part).join(
                Revision, Revision.id == Contributor.revision
            )
            assert ("walt", "author") in {tuple(row) for row in parts.filter(Revision.hotfix == month.new)}
        before = again.channel.published()
        again.follow()
        assert again.channel.published().versions == before.versions
        again.later(days=1)
        again.lift(month.kept)
        assert again.channel.published().versions.status > before.versions.status
        assert again.new() == "HF-2026-0004"


@pytest.mark.parametrize("register", ["postgresql"], indirect=True)
def test_restored_register_guards_again_what_it_guarded(life, tmp_path):
    month = Month(life, tmp_path)
    month.restore("postgresql")
    change = text("UPDATE revision SET manifest_sha256 = NULL")
    with (
        opened(tmp_path / "again") as register,
        pytest.raises(PatchlineError) as refused,
        register.database.write() as session,
    ):
        session.execute(change)
    assert refused.value.code == "refused.database-rule"


@pytest.mark.parametrize("register", ["sqlite"], indirect=True)
def test_what_cannot_be_taken_in_is_told_with_the_reason_and_taken_in_later(life, tmp_path):
    backup.save(life.register, tmp_path / "one.backup", life.now)
    life.later(days=1)
    life.add_baseline("2.0")
    lost = life.published(wanted={"baseline": "2.0"})
    month = Month.__new__(Month)
    month.life, month.folder = life, tmp_path
    done = month.restore("sqlite")
    [(label, reason)] = done.adopted.left
    assert label == f"{lost}-r1" and "baseline 2.0" in reason
    with opened(tmp_path / "again") as register:
        again = Life(register, life.folder, life.now + timedelta(days=1))
        again.add_baseline("2.0")
        line = ("restore", "--adopt", "--home", register.home, "--as", "rita", "--json")
        assert run("patchline", *line).document["adopted"] == [f"{lost}-r1"]
        assert run("patchline", *line).document["adopted"] == []
        again.follow()
        assert again.offered() == [f"{lost}-r1"]
        with register.read() as session:
            assert session.get(Baseline, ("demo", "2.0"))


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from sqlalchemy import Engine, event
from patchline.releaser import restoring
step, seen = int(sys.argv[1]), 0
def count(*_):
    global seen
    seen += 1
    if seen == step:
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(lambda name, _: count() if name in ("os.mkdir", "os.link", "os.rename", "os.remove") else None)
for name in ("begin", "commit"):
    event.listen(Engine, name, count)
order = restoring.Order(Path(sys.argv[2]), Path(sys.argv[3]), "rita", "sqlite", sys.argv[4])
restoring.restore(order, datetime(2026, 12, 22, 12, tzinfo=UTC))
"""


@pytest.mark.parametrize("register", ["sqlite"], indirect=True)
def test_restore_on_top_of_a_channel_that_was_killed_at_any_step_is_finished_by_a_second_try(life, tmp_path):
    month = Month(life, tmp_path)
    published = life.register.home / "channel"
    before = life.channel.published()
    for step in range(1, 400, 1 if EXHAUSTIVE else 16):
        again = tmp_path / str(step)
        line = [sys.executable, "-c", KILLED, step, tmp_path / "one.backup", again, published]
        code = subprocess.run([str(word) for word in line], check=False).returncode
        if code == 0:
            break
        assert code == -signal.SIGKILL
        if not (again / "settings.toml").exists() or (again / "restore.unfinished").exists():
            order = restoring.Order(tmp_path / "one.backup", again, "rita", "sqlite", str(published))
            restoring.restore(order, life.now)
        with opened(again) as register:
            found = Life(register, life.folder, life.now)
            states = [found.state(name) for name in (month.kept, month.reviewed, month.new)]
            assert states == ["held", "published", "recalled"]
            found.follow()
            assert found.channel.published().versions == before.versions
            with register.read() as session:
                restores = [row for row in audit.rows(session) if b'"home.restore' in row.body]
        assert len(restores) == 2
    assert 20 < step < 390


@pytest.mark.parametrize("register", ["sqlite"], indirect=True)
def test_channel_that_lies_elsewhere_is_gone_on_from_where_it_lies(life, tmp_path):
    elsewhere = tmp_path / "served"
    shutil.copytree(life.register.home / "channel", elsewhere)
    (life.register.home / "settings.toml").write_text(f'channel = "{elsewhere}"\nbundles = "s3://bucket/bundles"\n')
    with opened(life.register.home) as register:
        saved = backup.save(register, tmp_path / "one.backup", life.now)
        assert saved.index.elsewhere == {"bundles": "s3://bucket/bundles"}
        assert {one.place for one in saved.index.files} == {"home", "channel"}
    (life.register.home / "settings.toml").write_text(f'channel = "{elsewhere}"\n')
    with opened(life.register.home) as register:
        backup.save(register, tmp_path / "two.backup", life.now)
        before = Life(register, life.folder, life.now).channel.published()
    order = restoring.Order(tmp_path / "two.backup", tmp_path / "again", "rita", "sqlite")
    restoring.restore(order, life.now)
    with opened(tmp_path / "again") as register:
        assert register.channel == str(elsewhere)
        assert Life(register, life.folder, life.now).channel.published().versions == before.versions
    shutil.rmtree(elsewhere)
    order = restoring.Order(tmp_path / "two.backup", tmp_path / "third", "rita", "sqlite")
    with pytest.raises(PatchlineError) as refused:
        restoring.restore(order, life.now)
    assert refused.value.code == "refused.no-channel"
