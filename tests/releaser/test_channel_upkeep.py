from datetime import timedelta

import pytest

from patchline.patches import documents
from patchline.patches.audit_chain import Checkpoint
from patchline.patches.channel import CHECKPOINT, CLIENT, recalls_target
from patchline.patches.errors import NotFoundError, RefusedError, StatementError
from patchline.patches.recall_list import RecallList
from patchline.patches.release import check_client
from patchline.releaser import client_release, recalls
from patchline.releaser.channel_upkeep import keep_up
from tests import vendor
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


@pytest.fixture
def client(tmp_path):
    path = tmp_path / "patchline-site.pyz"
    path.write_bytes(b"#!/usr/bin/env python3\na client")
    return path


def test_client_signed_by_the_release_key_goes_into_the_channel(life, client):
    policy = vendor.trust().policy
    digest = client_release.sign_client(client, vendor.signer("release"), policy)
    client_release.publish_client(life.register, life.channel, client, life.now)
    assert documents.digest(status(life, CLIENT)) == digest
    line, signature = (status(life, CLIENT + ending) for ending in (".sha256", ".sha256.sig"))
    assert check_client(line, signature, digest, policy)


def test_client_that_sites_would_not_take_stays_out(life, client):
    policy = vendor.trust().policy
    for key in ("ada", "builder", "stranger"):
        with pytest.raises(StatementError):
            client_release.sign_client(client, vendor.signer(key), policy)
    with pytest.raises(NotFoundError):
        client_release.publish_client(life.register, life.channel, client, life.now)
    client_release.sign_client(client, vendor.signer("release"), policy)
    client.write_bytes(b"another client")
    with pytest.raises(RefusedError, match="sites of demo would not take it"):
        client_release.publish_client(life.register, life.channel, client, life.now)
    client.with_name("patchline-site.pyz.sha256.sig").write_bytes(b"forged")
    with pytest.raises(RefusedError):
        client_release.publish_client(life.register, life.channel, client, life.now)
    assert status(life, CLIENT) is None
