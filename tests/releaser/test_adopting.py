from datetime import timedelta

import pytest
from sqlalchemy import text

from patchline.patches.errors import PatchlineError
from patchline.releaser import backup, policies, restoring
from patchline.releaser.register import opened
from patchline.releaser.tables.catalogue import Baseline
from patchline.releaser.tables.hotfixes import Approval, Contributor, Revision
from tests import vendor
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
