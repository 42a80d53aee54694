"""The channel's metadata: what a site refuses, each case of the corpus with an error of its own (100 to 108, 112 to 115)."""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from patchline.patches import channel, documents
from patchline.patches.errors import PatchlineError
from patchline.patches.root import Root
from patchline.patches.site.known import Known
from patchline.patches.site.metadata import Reading, read_tree
from patchline.patches.site.sources import opened_source
from patchline.patches.site.tree import Tree
from patchline.releaser import ceremony
from tests import vendor
from tests.forged_channels import NOW, OFFLINE, ONLINE, Channel, later, make_root, make_targets, public, signed
from tests.servers import serving


@dataclass
class Client:
    """A site's side: what it knows, and python-tuf's cache."""

    folder: Path
    root: Root
    known: Known = field(default_factory=Known)

    def read(self, source, now=NOW, stale_until=None) -> Tree:
        cache = self.folder / "cache"
        cache.mkdir(exist_ok=True)
        with opened_source(str(source)) as opened:
            return read_tree(opened, Reading(self.root, self.known, cache, now, stale_until))

    def take(self, source, now=NOW) -> Tree:
        tree = self.read(source, now)
        self.known = self.known.with_versions(tree.versions)
        self.root = tree.roots[-1] if tree.roots else self.root
        return tree

    def refused(self, source, now=NOW) -> str:
        with pytest.raises(PatchlineError) as caught:
            self.read(source, now)
        assert caught.value.hint
        return caught.value.code


@pytest.fixture
def vendors(tmp_path):
    made = Channel(tmp_path / "channel")
    made.put("status/checkpoint.json", b"{}")
    made.put("hotfixes/demo/HF-1/r1.zip", b"one")
    made.commit()
    return made


@pytest.fixture
def client(tmp_path, vendors):
    (tmp_path / "site").mkdir()
    return Client(tmp_path / "site", vendors.roots[0])


def test_a_channel_is_read_and_read_again(client, vendors):
    assert client.take(vendors.folder).targets.keys() == vendors.files.keys()
    vendors.put("hotfixes/demo/HF-2/r1.zip", b"two")
    vendors.commit()
    tree = client.take(vendors.folder)
    assert tree.targets["hotfixes/demo/HF-2/r1.zip"].sha256 == documents.digest(b"two")
    assert not tree.kit
    assert tree.expires == (later(days=7), "timestamp")
    client.take(vendors.folder)


def test_what_is_cached_is_not_fetched_again(client, vendors):
    with serving(vendors.folder) as server:
        client.take(server.url)
        server.asked.clear()
        client.take(server.url)
    assert server.asked == ["/metadata/2.root.json", "/metadata/3.root.json", "/metadata/timestamp.json"]


def test_a_damaged_cache_is_as_good_as_none(client, vendors):
    client.take(vendors.folder)
    for path in (client.folder / "cache").glob("*.json"):
        path.unlink()
        path.write_bytes(b"\0" * 100)
    client.take(vendors.folder)


def test_a_kit_is_read_as_a_kit(client, vendors, tmp_path):
    tree = client.take(vendors.kit(tmp_path / "kit"))
    assert tree.kit
    assert tree.expires == (later(days=180), "snapshot")
    client.take(vendors.folder)


# 100 to 104: versions and expiry


def test_100_a_timestamp_that_goes_back_is_refused(client, vendors, tmp_path):
    old = vendors.copy(tmp_path / "old")
    vendors.commit()
    client.take(vendors.folder)
    assert client.refused(old) == "channel.older"


def test_100_also_when_the_cache_is_lost(client, vendors, tmp_path):
    old = vendors.copy(tmp_path / "old")
    vendors.commit()
    client.take(vendors.folder)
    for path in (client.folder / "cache").glob("*.json"):
        path.unlink()
    assert client.refused(old) == "channel.older"


def test_101_a_snapshot_that_goes_back_is_refused(client, vendors):
    vendors.commit()
    client.take(vendors.folder)
    vendors.versions["snapshot"] = 0
    vendors.commit()
    assert client.refused(vendors.folder) == "channel.older"


def test_101_a_snapshot_that_takes_a_role_back_is_refused(client, vendors):
    vendors.commit()
    client.take(vendors.folder)
    vendors.versions["hotfixes"] = 0
    vendors.commit()
    assert client.refused(vendors.folder) == "channel.older"


def test_102_a_snapshot_that_drops_a_role_is_refused(client, vendors, monkeypatch):
    client.take(vendors.folder)
    drop_hotfixes(vendors)
    assert client.refused(vendors.folder) == "channel.dropped"


def test_102_also_when_the_site_comes_for_the_first_time(client, vendors):
    drop_hotfixes(vendors)
    assert client.refused(vendors.folder) == "channel.dropped"


def drop_hotfixes(vendors: Channel) -> None:
    vendors.commit()
    path = vendors.folder / channel.metadata_file("snapshot", vendors.versions["snapshot"])
    content = documents.decode(path.read_bytes(), what="snapshot")["signed"]
    del content["meta"]["hotfixes.json"]
    from tuf.api.metadata import Snapshot

    path.write_bytes(signed(Snapshot.from_dict(content), ONLINE))


def test_103_metadata_of_two_states_is_refused(client, vendors):
    first = (vendors.folder / "metadata/1.hotfixes.json").read_bytes()
    vendors.put("hotfixes/demo/HF-2/r1.zip", b"two")
    vendors.commit(hotfixes_bytes=first)
    assert client.refused(vendors.folder) == "channel.mixed"


def test_103_a_timestamp_for_another_snapshot_is_refused(client, vendors):
    vendors.commit()
    first = (vendors.folder / "metadata/1.snapshot.json").read_bytes()
    (vendors.folder / "metadata/2.snapshot.json").write_bytes(first)
    assert client.refused(vendors.folder) == "channel.mixed"


@pytest.mark.parametrize(
    ("days", "code"),
    [(7, "timestamp"), (31, "snapshot"), (366, "hotfixes"), (731, "root")],
)
def test_104_expired_metadata_is_told_as_such(client, vendors, days, code):
    far = later(days=900)
    fresh = {"root": {}, "hotfixes": {"timestamp_expires": far, "snapshot_expires": far, "status_expires": far}}
    fresh["snapshot"] = {"timestamp_expires": far}
    vendors.commit(**fresh.get(code, {}))
    with pytest.raises(PatchlineError) as caught:
        client.read(vendors.folder, later(days=days))
    assert caught.value.exit_code in (26, 21)
    if code != "root":
        assert caught.value.code == f"expired.{code}" or caught.value.code == "channel.life"


def test_104_the_error_says_how_long_ago_and_both_clocks(client, vendors):
    with pytest.raises(PatchlineError) as caught:
        client.read(vendors.folder, later(days=10))
    assert caught.value.code == "expired.timestamp"
    assert caught.value.exit_code == 26
    assert "3 days ago" in caught.value.message
    assert "2026-11-29" in caught.value.message
    assert "2026-12-02" in caught.value.message


def test_104_a_person_may_accept_what_has_expired_until_a_day(client, vendors, tmp_path):
    kit = vendors.kit(tmp_path / "kit")
    assert client.refused(kit, later(days=190)) == "expired.timestamp"
    tree = client.read(kit, later(days=190), stale_until=later(days=200))
    assert [text.split(" expired")[0] for text in tree.warnings] == ["timestamp", "snapshot"]
    with pytest.raises(PatchlineError):
        client.read(kit, later(days=201), stale_until=later(days=200))


def test_104_an_expired_root_of_the_channel_counts_in_a_kit_too(client, vendors, tmp_path):
    vendors.kit_root = make_root(kit=True, now=later(days=700))
    vendors.targets = make_targets(now=later(days=700))
    vendors.commit(later(days=700))
    kit = vendors.kit(tmp_path / "kit", later(days=725))
    assert client.refused(kit, later(days=735)) == "expired.root"


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "hotfixes", "status"])
def test_what_is_signed_for_too_long_is_refused(client, vendors, role):
    vendors.commit(**{f"{role}_expires": NOW + channel.life(role) + channel.CLOCKS * 2})
    assert client.refused(vendors.folder) == "channel.life"


def test_a_clock_years_off_is_told_by_both_clocks(client, vendors):
    with pytest.raises(PatchlineError) as caught:
        client.read(vendors.folder, later(days=-2000))
    assert caught.value.code == "channel.life"
    assert "2021" in caught.value.message
    assert client.refused(vendors.folder, later(days=2000)).startswith("expired.")


# 105 to 107: roots


def test_the_roots_that_follow_are_walked(client, vendors):
    vendors.rotate(names=(OFFLINE[0], OFFLINE[1], "offline-4"))
    vendors.targets = make_targets(2)
    vendors.rotate(names=(OFFLINE[1], OFFLINE[0], "offline-4"), key="online-2")
    vendors.keys |= {"snapshot": "online-2", "timestamp": "online-2"}
    vendors.commit()
    tree = client.take(vendors.folder)
    assert [root.version for root in tree.roots] == [2, 3]


def test_105_a_missing_root_between_two_others_is_told(client, vendors):
    vendors.rotate()
    vendors.rotate()
    vendors.commit()
    (vendors.folder / "metadata/2.root.json").unlink()
    assert client.refused(vendors.folder) == "channel.root-gap"


def test_106_a_root_that_the_one_before_did_not_sign_is_refused(client, vendors):
    names = ("thief-1", "thief-2", "thief-3")
    vendors.rotate(names=names, by=names)
    vendors.commit()
    assert client.refused(vendors.folder) == "trust.root-predecessor"


def test_107_more_roots_than_anybody_needs_are_refused(client, vendors, monkeypatch):
    monkeypatch.setattr("patchline.patches.site.roots.MOST_ROOTS", 3)
    for _ in range(3):
        vendors.rotate()
    vendors.commit()
    assert len(client.read(vendors.folder).roots) == 3
    vendors.rotate()
    vendors.commit()
    assert client.refused(vendors.folder) == "channel.root-many"


def test_a_root_of_kits_is_no_root_of_a_channel(client, vendors):
    vendors.commit()
    path = vendors.folder / "metadata/2.root.json"
    path.write_bytes(documents.encode(make_root(kit=True).document))
    assert client.refused(vendors.folder) == "trust.root-tree"


def test_a_root_without_a_channel_has_nothing_to_fetch(client, vendors, tmp_path):
    client.root = vendor.root()
    assert client.refused(vendors.folder) == "channel.no-roles"


def test_new_keys_count_anew_after_a_theft(client, vendors):
    vendors.versions |= {"timestamp": 10_000, "snapshot": 10_000, "hotfixes": 10_000}
    vendors.commit()
    client.take(vendors.folder)
    vendors.rotate(key="online-2")
    vendors.targets = make_targets(2, publisher="publisher-2", status="online-2")
    vendors.versions |= {"timestamp": 1, "snapshot": 1, "hotfixes": 1, "status": 1}
    vendors.keys = dict.fromkeys(vendors.keys, "online-2") | {"hotfixes": "publisher-2"}
    vendors.commit()
    client.take(vendors.folder)


# 108: sizes; signatures


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "hotfixes"])
def test_108_metadata_that_is_too_large_is_not_read(client, vendors, role):
    version = vendors.versions[role]
    path = vendors.folder / channel.metadata_file(role, version)
    path.write_bytes(b"[" * (channel.MOST_BYTES[role] + 1))
    assert client.refused(vendors.folder) in ("source.too-large", "malformed.file-too-large")


def test_108_a_length_in_the_snapshot_does_not_lift_the_limit(client, vendors):
    from tuf.api.metadata import MetaFile

    vendors.commit(meta={"hotfixes.json": MetaFile(2, length=1 << 40)})
    path = vendors.folder / "metadata/2.hotfixes.json"
    path.write_bytes(b"[" * (channel.MOST_BYTES["hotfixes"] + 1))
    assert client.refused(vendors.folder) in ("source.too-large", "malformed.file-too-large")


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "hotfixes", "status"])
def test_metadata_by_a_stranger_is_forged(client, vendors, role):
    vendors.commit(**{f"{role}_by": "stranger"})
    assert client.refused(vendors.folder) == "channel.forged"


def test_targets_by_too_few_are_forged(client, vendors):
    made = ceremony.make_targets([public("thief")], [public("thief")], NOW)
    vendors.targets = ceremony.sign_targets(made, vendor.signer(OFFLINE[0]))
    vendors.commit()
    assert client.refused(vendors.folder) == "channel.forged"


@pytest.mark.parametrize("data", [b"", b"{}", b"<html>sign in</html>", b"[" * 10_000, b'{"signed":1,"signatures":[]}'])
def test_what_is_no_metadata_is_told(client, vendors, data):
    (vendors.folder / "metadata/timestamp.json").write_bytes(data)
    assert client.refused(vendors.folder) == "channel.metadata"


def test_a_portal_that_answers_everything_is_told(client, vendors):
    with serving(vendors.folder, "portal") as server:
        assert client.refused(server.url) == "channel.metadata"


def test_a_folder_that_holds_no_channel_is_told(client, tmp_path):
    (tmp_path / "empty").mkdir()
    assert client.refused(tmp_path / "empty") == "source.no-channel"
    assert client.refused(tmp_path / "nowhere") == "source.no-channel"


def test_two_forms_of_one_version_are_refused(client, vendors, tmp_path):
    other = vendors.copy(tmp_path / "other")
    client.take(vendors.folder)
    vendors.versions = dict.fromkeys(vendors.versions, 0) | {"timestamp": 1, "snapshot": 1}
    vendors.put("hotfixes/demo/HF-9/r1.zip", b"nine")
    vendors.folder = other
    vendors.commit()
    for path in (client.folder / "cache").glob("*.json"):
        path.unlink()
    assert client.refused(other) == "channel.fork"


# 112, 113: delegations


def test_112_113_a_role_that_hands_names_on_is_refused(client, vendors):
    from tuf.api.metadata import DelegatedRole, Delegations

    from patchline.patches.tuf_keys import TufKey

    key = TufKey(public("other"))
    looped = DelegatedRole("hotfixes", [key.keyid], 1, True, paths=["hotfixes/*/*/*"])
    vendors.commit(hotfixes_delegations=Delegations({key.keyid: key}, {"hotfixes": looped}))
    assert client.refused(vendors.folder) == "channel.handed-on"


def test_113_33_delegations_are_refused(client, vendors):
    document = vendors.targets.document
    roles = document["signed"]["delegations"]["roles"]
    more = [{**roles[0], "name": f"role-{number}"} for number in range(31)]
    roles[:0] = more
    from tuf.api.metadata import Targets

    data = signed(Targets.from_dict(document["signed"]), *OFFLINE[:2])
    vendors.commit()
    (vendors.folder / "metadata/1.targets.json").write_bytes(data)
    assert client.refused(vendors.folder) == "channel.handed-on"


# 114, 115: the other tree, older sticks


def test_114_a_kit_served_as_a_channel_is_refused(client, vendors, tmp_path):
    kit = vendors.kit(tmp_path / "kit")
    with serving(kit) as server:
        assert client.refused(server.url) == "channel.wrong-tree"


def test_114_a_channel_dressed_as_a_kit_is_refused(client, vendors, tmp_path):
    kit = vendors.kit(tmp_path / "kit")
    (kit / "metadata/1.kit-root.json").write_bytes(documents.encode(vendors.roots[0].document))
    assert client.refused(kit) == "trust.root-tree"


def test_a_kit_root_by_too_few_is_refused(client, vendors, tmp_path):
    vendors.kit_root = make_root(kit=True, names=("thief-1", "thief-2", "thief-3"))
    assert client.refused(vendors.kit(tmp_path / "kit")) == "trust.root-predecessor"


def test_a_kit_signed_by_the_online_key_is_refused(client, vendors, tmp_path):
    assert client.refused(vendors.kit(tmp_path / "kit", timestamp_by=ONLINE)) == "channel.forged"


def test_115_an_older_stick_after_a_newer_one_is_refused(client, vendors, tmp_path):
    old = vendors.kit(tmp_path / "old")
    vendors.put("hotfixes/demo/HF-2/r1.zip", b"two")
    vendors.commit()
    client.take(vendors.kit(tmp_path / "new"))
    assert client.refused(old) == "channel.older"


def test_115_an_older_stick_after_the_channel_is_refused_and_the_other_way_round(client, vendors, tmp_path):
    old_kit, old_channel = vendors.kit(tmp_path / "kit"), vendors.copy(tmp_path / "channel-then")
    vendors.put("hotfixes/demo/HF-2/r1.zip", b"two")
    vendors.commit()
    client.take(vendors.folder)
    assert client.refused(old_kit) == "channel.older"
    other = Client(client.folder, vendors.roots[0])
    other.take(vendors.kit(tmp_path / "new"))
    assert other.refused(old_channel) == "channel.older"


def test_the_same_stick_again_is_fine(client, vendors, tmp_path):
    kit = vendors.kit(tmp_path / "kit")
    client.take(kit)
    client.take(kit)
    again = vendors.kit(tmp_path / "again", later(hours=3))
    client.take(again)


def test_111_a_name_that_is_a_path_is_refused(client, vendors):
    for name in ("hotfixes/demo/%2e%2e%2f/r1.zip", "hotfixes/demo/../r1.zip", "hotfixes/demo/a b/r1.zip"):
        vendors.files = {name: b"x"}
        role = vendors.role("hotfixes", NOW)
        role.version = vendors.versions["hotfixes"] + 1
        vendors.files = {}
        vendors.commit(hotfixes_bytes=signed(role, "publisher"))
        assert client.refused(vendors.folder) == "channel.target-name"


WITHOUT = """
import sys
sys.modules["cryptography"] = None
import pytest
from patchline.patches import backends
assert backends.active().name == "pure"
words = "forged or roots_that_follow or 106 or 114 or kit_is_read or new_keys or 100"
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "tests/patches/site/test_metadata.py", "-k", words]))
"""


def test_everything_is_judged_the_same_where_cryptography_cannot_be_imported():
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", WITHOUT], check=False, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
