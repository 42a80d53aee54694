from datetime import timedelta

import pytest

from patchline.patches.audit_chain import Checkpoint
from patchline.patches.channel import CHECKPOINT, recalls_target
from patchline.patches.recall_list import RecallList
from patchline.releaser import recalls
from patchline.releaser.channel_upkeep import keep_up
from tests.hotfixes import Life

DAY = timedelta(days=1)


@pytest.fixture
def life(register, tmp_path):
    (tmp_path / "files").mkdir()
    return Life(register, tmp_path / "files").prepare()


def status(life, name):
    listed = life.channel.published().targets.get(name)
    return None if listed is None else life.channel.store.read(listed.file, 1 << 20)


def keep(life, now, person="rita"):
    return keep_up(life.register, life.channel, lambda: person, now)


def nobody():
    raise AssertionError("nobody need act")


def test_upkeep_of_a_fresh_channel_tells_the_checkpoint_and_signs_nothing_that_is_not_due(life):
    first = keep_up(life.register, life.channel, nobody, life.now)
    told = Checkpoint.parse(status(life, CHECKPOINT))
    assert told == life.register.checkpoint(life.now) and told.count > 0
    again = keep_up(life.register, life.channel, nobody, life.now + DAY / 2)
    assert again.renewed == () and again.versions == first.versions


def test_checkpoint_is_told_again_after_a_day_in_which_something_happened(life):
    keep(life, life.now)
    told = Checkpoint.parse(status(life, CHECKPOINT))
    with life.register.change("rita", life.now) as change:
        change.record("something", "happened")
    keep(life, life.now + DAY / 2)
    assert Checkpoint.parse(status(life, CHECKPOINT)) == told
    keep(life, life.now + DAY)
    assert Checkpoint.parse(status(life, CHECKPOINT)).count == told.count + 1


def test_recall_list_is_issued_anew_before_sites_find_it_old(life):
    with life.register.change("rita", life.now) as change:
        recalls.issue(change, "demo")
    keep(life, life.now + 14 * DAY)
    assert RecallList.parse(status(life, recalls_target("demo"))).number == 1
    later = life.now + 16 * DAY
    keep(life, later)
    newest = RecallList.parse(status(life, recalls_target("demo")))
    assert (newest.number, newest.issued) == (2, later.replace(microsecond=0))


def test_what_a_crash_left_undone_is_done(life):
    keep(life, life.now)
    with life.register.change("rita", life.now) as change:
        recalls.issue(change, "demo")
    assert status(life, recalls_target("demo")) is None
    keep_up(life.register, life.channel, nobody, life.now)
    assert RecallList.parse(status(life, recalls_target("demo"))).number == 1
