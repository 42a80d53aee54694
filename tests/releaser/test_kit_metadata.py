from datetime import timedelta

import pytest
from tuf.api.exceptions import UnsignedMetadataError

from patchline.patches import channel as form
from patchline.patches import documents
from patchline.patches.errors import PatchlineError
from patchline.patches.site.known import Known
from patchline.patches.site.metadata import Reading, read_tree
from patchline.patches.site.sources import Folder
from patchline.releaser import ceremony
from patchline.releaser.channel import Channel
from patchline.releaser.channel_roots import Offline, take_in
from patchline.releaser.kit_metadata import kit_metadata
from patchline.releaser.stores import Store
from tests import channels
from tests.channels import NOW, begun, keys, name, publish, seen_by_tuf
from tests.vendor import signer

DAY = timedelta(days=1)
KIT = signer("kit")


@pytest.fixture
def channel(tmp_path):
    found = begun(Store.of_folder(tmp_path / "store"))
    publish(found, tmp_path)
    return found


def laid(metadata, folder):
    """The kit's metadata in a folder."""
    for path, data in metadata.files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def tree(folder, tmp_path, now=NOW, root=None, known=None):
    (tmp_path / "cache").mkdir(exist_ok=True)
    return read_tree(Folder(folder), Reading(root or channels.root(), known or Known(), tmp_path / "cache", now))


def code_of(call):
    with pytest.raises(PatchlineError) as refused:
        call()
    return refused.value.code


def test_site_reads_a_kit_as_long_as_it_lives(channel, tmp_path):
    made = kit_metadata(channel.store, KIT, NOW)
    assert made.expires == NOW + form.KIT_LIFE and set(made.targets) == {name()}
    folder = laid(made, tmp_path / "kit")
    for now in (NOW, NOW + 179 * DAY):
        found = tree(folder, tmp_path, now)
        assert found.kit and set(found.targets) == {name()}
    assert code_of(lambda: tree(folder, tmp_path, NOW + 181 * DAY)) in ("expired.timestamp", "expired.snapshot")


def test_kit_made_late_in_the_life_of_the_lists_still_lives_180_days(channel, tmp_path):
    """Nobody but the timer renews for half a year less a day."""
    later = NOW + 182 * DAY
    channel.renew(later)
    made = kit_metadata(channel.store, KIT, later)
    assert made.expires == later + form.KIT_LIFE
    tree(laid(made, tmp_path / "kit"), tmp_path, later + 179 * DAY)


def test_kit_expires_no_later_than_what_was_signed_offline(channel):
    later = NOW + 300 * DAY
    channel.renew(later)
    assert kit_metadata(channel.store, KIT, later).expires == NOW + channels.YEAR
    much_later = NOW + 400 * DAY
    channel.renew(much_later)
    assert code_of(lambda: kit_metadata(channel.store, KIT, much_later)) == "expired.offline"


def test_same_state_and_time_make_the_same_kit(channel):
    files = kit_metadata(channel.store, KIT, NOW).files
    assert files == kit_metadata(channel.store, KIT, NOW).files != kit_metadata(channel.store, KIT, NOW + DAY).files


def test_kit_holds_the_channels_own_lists_byte_for_byte(channel):
    files = kit_metadata(channel.store, KIT, NOW).files
    for path, data in files.items():
        if not path.endswith((".snapshot.json", "timestamp.json", "kit-root.json")):
            assert channel.store.read(path, 1 << 20) == data
    assert {path.partition("/")[0] for path in files} == {"metadata"}


def test_online_client_refuses_a_kits_metadata(channel, tmp_path):
    folder = laid(kit_metadata(channel.store, KIT, NOW), tmp_path / "served")
    for path in folder.glob("metadata/*.kit-root.json"):
        path.unlink()
    with pytest.raises(UnsignedMetadataError):
        seen_by_tuf(Store.of_folder(folder), tmp_path / "client", name())


def test_older_kit_is_refused_after_a_newer_one(channel, tmp_path):
    older = laid(kit_metadata(channel.store, KIT, NOW), tmp_path / "older")
    publish(channel, tmp_path, 2)
    newer = laid(kit_metadata(channel.store, KIT, NOW), tmp_path / "newer")
    known = Known().with_versions(tree(newer, tmp_path).versions)
    assert code_of(lambda: tree(older, tmp_path, known=known)) == "channel.older"


def test_kit_after_a_rotation_carries_the_chain_of_roots(channel, tmp_path):
    names = (*channels.NAMES[:2], "offline-4")
    both = (*channels.NAMES[:2],)
    second = channels.root(2, names=names, previous=channels.root(), signers=both)
    kits = channels.kit_root(names=names, previous=channels.kit_root(), signers=both)
    targets = channels.targets(previous=channels.targets())
    take_in(channel, Offline.of([second, kits, targets]), NOW)
    made = kit_metadata(channel.store, KIT, NOW)
    assert {"metadata/1.root.json", "metadata/2.root.json", "metadata/2.kit-root.json"} <= made.files.keys()
    found = tree(laid(made, tmp_path / "kit"), tmp_path)
    assert [root.version for root in found.roots] == [2]


def test_kit_needs_its_own_root_and_its_own_key(channel, tmp_path):
    assert code_of(lambda: kit_metadata(channel.store, signer("online"), NOW)) == "settings.channel-keys"
    bare = Store.of_folder(tmp_path / "bare")
    assert code_of(lambda: kit_metadata(bare, KIT, NOW)) == "state.channel-empty"
    take_in(Channel(bare, keys()), Offline.of([channels.root(), channels.targets()]), NOW)
    assert code_of(lambda: kit_metadata(bare, KIT, NOW)) == "state.channel-empty"


def test_stolen_kit_key_is_rotated_by_a_new_root_of_kits(channel, tmp_path):
    stolen = laid(kit_metadata(channel.store, KIT, NOW), tmp_path / "stolen")
    take_in(channel, Offline.of([channels.kit_root(kit="kit-2", previous=channels.kit_root())]), NOW)
    assert code_of(lambda: kit_metadata(channel.store, KIT, NOW)) == "settings.channel-keys"
    fresh = laid(kit_metadata(channel.store, signer("kit-2"), NOW), tmp_path / "fresh")
    known = Known().with_versions(tree(fresh, tmp_path).versions)
    assert known.versions["kit-root"].number == 2
    (tmp_path / "cache").rename(tmp_path / "cache of the fresh one")
    assert code_of(lambda: tree(stolen, tmp_path, known=known)) == "channel.older"


def test_root_of_kits_signed_by_others_is_not_a_kits(channel, tmp_path):
    folder = laid(kit_metadata(channel.store, KIT, NOW), tmp_path / "kit")
    forged = ceremony.make_root([signer(one).public for one in channels.NAMES], 2, NOW, kit=signer("thief").public)
    (folder / "metadata/1.kit-root.json").write_bytes(documents.encode(forged.document))
    assert code_of(lambda: tree(folder, tmp_path)).startswith("trust.")
