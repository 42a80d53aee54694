"""What a vendor does when a key is lost or stolen, nobody renewed, or a backup was restored; seen by python-tuf's client."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tuf.api.exceptions import BadVersionNumberError, ExpiredMetadataError, UnsignedMetadataError

from patchline.patches.errors import PatchlineError
from patchline.releaser.channel import Channel
from patchline.releaser.channel_roots import Offline, take_in
from patchline.releaser.channel_writing import Wanted, Writing
from patchline.releaser.published import Versions
from patchline.releaser.stores import Store
from tests import channels
from tests.channels import NAMES, NOW, begun, copy_of, keys, name, publish, seen_by_tuf

DAY = timedelta(days=1)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def customer(tmp_path, folder):
    """Looks at the channel, remembering what it saw."""

    def looks(*numbers, at=NOW, store=None):
        return seen_by_tuf(store or Store.of_folder(folder), tmp_path / "client", *map(name, numbers), at=at)

    return looks


def test_drill_lost_offline_key_is_replaced_by_the_two_others(folder, tmp_path, customer):
    channel = begun(Store.of_folder(folder))
    publish(channel, tmp_path)
    customer(1)
    left = NAMES[:2]
    root = channels.root(2, names=(*left, "offline-4"), previous=channels.root(), signers=left)
    kits = channels.kit_root(names=(*left, "offline-4"), previous=channels.kit_root(), signers=left)
    take_in(channel, Offline.of([root, kits]), NOW)
    assert customer(1)[name(1)]
    # The new holder signs from now on, the lost key is good for nothing.
    lost = channels.targets(previous=channels.targets(), signers=(NAMES[0], NAMES[2]))
    with pytest.raises(PatchlineError, match="signed by 1 of 2"):
        take_in(channel, Offline.of([lost]), NOW)
    take_in(channel, Offline.of([channels.targets(previous=channels.targets(), signers=(NAMES[0], "offline-4"))]), NOW)
    publish(channel, tmp_path, 2)
    assert customer(2)[name(2)]


def thief_publishes(folder, tmp_path, online, publisher, version):
    """Whoever has stolen keys lists what they like, with versions far ahead."""
    stolen = Channel(Store.of_folder(folder), keys(online, publisher))
    published = stolen.published()
    fake = stolen.upload(name(666), channels.zip_of(tmp_path, 666))
    above = Versions(hotfixes=version, status=version, snapshot=version, timestamp=version)
    wanted = Wanted(published.delegations, {fake.name: fake}, above=above)
    return Writing(stolen.store, stolen.keys, published, wanted, NOW).write()


def test_drill_stolen_online_key_is_rotated_and_the_thief_is_shut_out(folder, tmp_path, customer):
    channel = begun(Store.of_folder(folder))
    listed = publish(channel, tmp_path)
    copy_of(folder, tmp_path / "own copy")
    thief_publishes(folder, tmp_path, "online", None, 1 << 40)
    assert customer(1, 666)[name(1)] is None  # an online key can withhold, and list what nobody approved
    # The vendor goes on from their own copy, with new papers.
    root = channels.root(2, online="new", previous=channels.root())
    targets = channels.targets("new", "new", previous=channels.targets())
    own = Store.of_folder(tmp_path / "own copy")
    take_in(Channel(own, keys("new")), Offline.of([root, targets]), NOW)
    found = customer(1, 666, store=own)
    assert found[name(666)] is None and found[name(1)] is not None
    assert Channel(own, keys("new")).published().targets[name(1)] == listed
    with pytest.raises(PatchlineError):
        thief_publishes(tmp_path / "own copy", tmp_path, "online", None, 1 << 41)
    with pytest.raises((BadVersionNumberError, UnsignedMetadataError)):
        customer(1)


def test_drill_stolen_publishers_key_is_rotated_by_new_targets_alone(folder, tmp_path, customer):
    channel = begun(Store.of_folder(folder), publisher="publisher")
    publish(channel, tmp_path)
    assert customer(1)[name(1)]
    targets = channels.targets("publisher-2", "online", previous=channels.targets("publisher", "online"))
    after = Channel(channel.store, keys("online", "publisher-2"))
    take_in(after, Offline.of([targets]), NOW)
    publish(after, tmp_path, 2)
    assert all(customer(1, 2).values())
    with pytest.raises(PatchlineError, match="not the one that signs hotfixes"):
        publish(channel, tmp_path, 3)


def test_drill_publishers_key_alone_reaches_nobody(folder, tmp_path, customer):
    channel = begun(Store.of_folder(folder), publisher="publisher")
    publish(channel, tmp_path)
    with pytest.raises(PatchlineError, match="not the one that signs snapshot"):
        thief_publishes(folder, tmp_path, "thief", "publisher", 9)
    assert customer(1, 666) == {name(1): customer(1)[name(1)], name(666): None}


def test_drill_timestamp_that_nobody_renewed_is_renewed(folder, tmp_path, customer):
    channel = begun(Store.of_folder(folder))
    publish(channel, tmp_path)
    customer(1)
    holidays = NOW + 40 * DAY
    with pytest.raises(ExpiredMetadataError):
        customer(1, at=holidays)
    assert set(channel.renew(holidays).renewed) == {"snapshot", "timestamp"}
    assert customer(1, at=holidays)[name(1)]


def test_drill_expired_root_is_replaced_by_a_ceremony(folder, tmp_path, customer):
    channel = begun(Store.of_folder(folder))
    publish(channel, tmp_path)
    later = NOW + 3 * channels.YEAR
    root = channels.root(2, previous=channels.root(), now=later)
    targets = channels.targets(previous=channels.targets(), now=later)
    with pytest.raises(PatchlineError, match="expired"):
        take_in(channel, Offline.of([root]), later)
    kits = channels.kit_root(previous=channels.kit_root(), now=later)
    take_in(channel, Offline.of([root, kits, targets]), later)
    assert customer(1, at=later)[name(1)]


def test_drill_restored_backup_goes_on_above_what_customers_have_seen(folder, tmp_path, customer):
    channel = begun(Store.of_folder(folder))
    publish(channel, tmp_path, 1)
    copy_of(folder, tmp_path / "backup")
    publish(channel, tmp_path, 2)
    publish(channel, tmp_path, 3)
    customer(1, 2, 3)
    seen = channel.published().versions
    restored = Channel(Store.of_folder(tmp_path / "backup"), keys())
    with pytest.raises(BadVersionNumberError):
        customer(1, store=restored.store)
    with pytest.raises(PatchlineError, match="was published; the store has"):
        publish(replace(restored, seen=seen), tmp_path, 4)
    versions = restored.above(seen, NOW)
    assert all(versions.of(role) > seen.of(role) for role in ("hotfixes", "status", "snapshot", "timestamp"))
    publish(replace(restored, seen=versions), tmp_path, 2)
    assert customer(1, 2, 3, store=restored.store)[name(3)] is None
    assert customer(2, store=restored.store)[name(2)]


def test_drill_rotation_goes_on_when_its_second_half_is_done_by_another_try(folder, tmp_path, customer):
    """Root 2 is there, what it names has not signed: customers see nothing that counts until the second try."""
    channel = begun(Store.of_folder(folder))
    publish(channel, tmp_path)
    root = channels.root(2, online="new", previous=channels.root())
    targets = channels.targets("new", "new", previous=channels.targets())
    rotated = Channel(channel.store, keys("new"))
    swap, channel.store.swap = channel.store.swap, lambda *given: False
    with pytest.raises(PatchlineError):
        take_in(rotated, Offline.of([root, targets]), NOW)
    channel.store.swap = swap
    assert rotated.published().rotating
    for refused in (lambda: publish(rotated, tmp_path, 2), lambda: rotated.renew(NOW)):
        with pytest.raises(PatchlineError, match="taken in only half"):
            refused()
    take_in(rotated, Offline.of([root, targets]), NOW)
    assert customer(1)[name(1)]
