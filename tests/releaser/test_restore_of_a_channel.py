from datetime import timedelta

import pytest

from patchline.patches import channel as form
from patchline.releaser import backup, restoring
from patchline.releaser.published import read_published
from patchline.releaser.register import opened
from patchline.releaser.stores import Store
from tests.channels import begun, publish, recalls
from tests.programs import run
from tests.registers import BACKENDS, NOW, empty_database, make_home

DAYS = timedelta(days=30)


class Vendor:
    """A register with a channel, saved, and thirty days of publishing after that."""

    def __init__(self, folder, backend="sqlite"):
        self.folder, self.backup = folder, folder / "one.backup"
        self.home = make_home(backend, folder / "home")
        if backend == "sqlite":
            (self.home / "settings.toml").write_text("")
        with opened(self.home) as register:
            self.channel = begun(Store.at(register.channel))
            self.publish(register, 1, NOW)
            backup.save(register, self.backup, NOW)
            for number in (2, 3):
                self.publish(register, number, NOW + DAYS)
            with self.channel.changing(NOW + DAYS) as edit:
                edit.status(form.recalls_target("demo"), recalls(number=7, held=[2], now=NOW))

    def publish(self, register, number, now):
        with register.change("rita", now) as change:
            change.record("hotfix.publish", f"HF-2026-{number:04}-r1")
        publish(self.channel, self.folder, number, now=now)
        with self.channel.changing(now) as edit:
            edit.status(form.CHECKPOINT, register.checkpoint(now).as_bytes())

    def restore(self, *more, expect=0):
        line = ("restore", self.backup, "--home", self.folder / "again", "--as", "rita", "--json")
        return run("patchline", *line, *more, expect=expect).document


@pytest.mark.parametrize("target", BACKENDS)
@pytest.mark.parametrize("source", BACKENDS)
def test_backup_of_thirty_days_ago_goes_on_from_what_was_published_since(source, target, tmp_path):
    vendor = Vendor(tmp_path, source)
    published = vendor.home / "channel"
    url = empty_database(target, tmp_path) if target == "postgresql" else "sqlite"
    done = vendor.restore("--channel", published, "--database", url)
    lost = done["lost"]
    assert [one["revision"] for one in lost["revisions"]] == [f"HF-2026-000{number}-r1" for number in (1, 2, 3)]
    assert lost["recalls"] == ["HF-2026-0002-r1"]
    assert (lost["events"]["first"], lost["events"]["last"]) == (2, 3)
    before = read_published(Store.at(str(published)))
    with opened(tmp_path / "again") as register:
        assert read_published(Store.at(register.channel)).versions == before.versions
        channel = begun(Store.at(register.channel), now=NOW + DAYS)
        publish(channel, tmp_path, 4, now=NOW + DAYS)
        with channel.changing(NOW + DAYS) as edit:
            edit.status(form.CHECKPOINT, register.checkpoint(NOW + DAYS).as_bytes())
        after = channel.published()
    assert all(after.versions.of(role) > before.versions.of(role) for role in ("hotfixes", "snapshot", "timestamp"))
    assert set(before.targets) < set(after.targets)


def test_checkpoints_from_before_the_loss_still_count_afterwards(tmp_path):
    vendor = Vendor(tmp_path)
    store = Store.at(str(vendor.home / "channel"))
    kept = tmp_path / "kept.json"
    kept.write_bytes(store.read(read_published(store).targets[form.CHECKPOINT].file, 10_000))
    vendor.restore("--channel", vendor.home / "channel")
    line = ("audit", "verify", "--home", tmp_path / "again", "--checkpoint", kept, "--json")
    found = run("patchline", *line).document
    assert found["consistent"] == "outside" and found["lost"] == [{"first": 2, "last": 3, "told_by": 4}]
    told = run("patchline", *line[:-1]).out
    assert "events 2 to 3 were lost by the restore that event 4 tells" in told


def test_number_of_a_hotfix_that_was_published_is_never_given_again(tmp_path):
    vendor = Vendor(tmp_path)
    vendor.restore("--channel", vendor.home / "channel")
    with opened(tmp_path / "again") as register, register.read() as session:
        from patchline.releaser.tables.hotfixes import Counter

        assert session.get(Counter, "hotfix-2026").last == 3


def test_restore_that_does_not_know_what_was_published_since_is_refused(tmp_path):
    vendor = Vendor(tmp_path)
    assert vendor.restore(expect=12)["error"] == "refused.no-channel"
    (tmp_path / "empty").mkdir()
    assert vendor.restore("--channel", tmp_path / "empty", expect=12)["error"] == "refused.no-channel"
    assert not (tmp_path / "again").exists()
    done = vendor.restore("--channel", restoring.LOST)
    assert done["lost"]["events"] is None
    with opened(tmp_path / "again") as register:
        assert len(read_published(Store.at(register.channel)).targets) == 2


def test_channel_older_than_the_backups_is_refused(tmp_path):
    vendor = Vendor(tmp_path)
    older = tmp_path / "older"
    publish(begun(Store.at(str(older))), tmp_path, 1)
    with opened(vendor.home) as register:
        backup.save(register, tmp_path / "two.backup", NOW)
    vendor.backup = tmp_path / "two.backup"
    assert vendor.restore("--channel", older, expect=12)["error"] == "refused.older-channel"
