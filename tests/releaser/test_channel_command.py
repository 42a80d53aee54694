import shutil
from datetime import UTC, datetime, timedelta

import pytest

from patchline.patches import documents
from patchline.patches.keys import Kind
from patchline.patches.policy import Custody, Purpose, key_document
from patchline.patches.sealed import Cost, create_sealed
from patchline.patches.trust import trust_document
from patchline.releaser import ceremony, server_keys
from patchline.releaser.server_keys import server_public
from tests import vendor
from tests.channels import NAMES
from tests.programs import run
from tests.registers import make_home
from tests.vendor import signer

WORDS = "words"


def signed(document, names=NAMES[:2]):
    sign = ceremony.sign_root if hasattr(document, "kit") else ceremony.sign_targets
    for one in names:
        document = sign(document, signer(one))
    return document


class Home:
    """A home with its keys, and papers of a ceremony that name them."""

    def __init__(self, folder):
        self.folder, self.now = folder, datetime.now(UTC)
        self.home = folder / "home"
        self.papers = {}
        make_home("sqlite", self.home)
        server_keys.server_keys_folder(self.home).mkdir()
        online, kit = (self.key(name) for name in server_keys.NAMES)
        holders = [signer(name).public for name in NAMES]
        self.root = signed(ceremony.make_root(holders, 2, self.now, online=online))
        self.write("root.json", self.root)
        self.write("kit-root.json", signed(ceremony.make_root(holders, 2, self.now, kit=kit)))
        self.targets = signed(ceremony.make_targets([online], [online], self.now))
        self.write("targets.json", self.targets)
        trust = trust_document(product="demo", root=self.root, policy=vendor.policy_envelope())
        (folder / "demo.trust").write_bytes(trust)

    def key(self, name):
        """A new key of the home, sealed cheaply."""
        path = server_keys.server_keys_folder(self.home) / f"{name}.key"
        return create_sealed(path, Kind.P256, WORDS.encode(), Cost(1 << 10))

    def write(self, name, document):
        (self.folder / name).write_bytes(documents.encode(document.document))

    def run(self, *words, **more):
        line = [self.folder / word if str(word).endswith((".json", ".trust")) else word for word in words]
        return run("patchline", "channel", *line, "--home", self.home, passphrase=WORDS, **more)

    def watch(self, *more, expect=0):
        line = ("--trust", self.folder / "demo.trust", "--from", self.home / "channel", *more, "--json")
        return run("patchline", "channel", "watch", *line, expect=expect).document


@pytest.fixture
def at_home(tmp_path):
    return Home(tmp_path)


def test_papers_go_in_and_the_channel_is_seen_from_outside(at_home):
    done = at_home.run("root", "root.json", "kit-root.json", "targets.json", "--json").document
    assert done["versions"] == dict.fromkeys(done["versions"], 1)
    assert at_home.run("root", "root.json", "kit-root.json", "targets.json").out.startswith("everything was there")
    seen = at_home.watch()
    assert seen["targets"] == 0 and set(seen["expires"]) == {
        *("root", "targets", "hotfixes", "status", "snapshot", "timestamp")
    }


def test_renewing_a_fresh_channel_signs_nothing_and_tells_every_expiry(at_home):
    at_home.run("root", "root.json", "kit-root.json", "targets.json")
    # The audit chain's first checkpoint goes out.
    assert at_home.run("renew", "--json").document["renewed"] == ["status", "snapshot", "timestamp"]
    told = at_home.run("renew", "--json").document
    assert told["renewed"] == [] and set(told["expires"]) >= {"root", "kit-root", "targets", "timestamp"}
    assert "nothing was due" in at_home.run("renew").out


def test_restored_backup_goes_on_above_what_the_world_has_seen(at_home, tmp_path):
    at_home.run("root", "root.json", "kit-root.json", "targets.json")
    shutil.copytree(at_home.home / "channel", tmp_path / "backup")
    second = signed(
        ceremony.make_targets(*[[server_public(at_home.home, "online")]] * 2, at_home.now, previous=at_home.targets)
    )
    at_home.write("targets-2.json", second)
    at_home.run("root", "targets-2.json")
    state = tmp_path / "shop.watch"
    at_home.watch("--state", state)
    shutil.rmtree(at_home.home / "channel")
    shutil.copytree(tmp_path / "backup", at_home.home / "channel")
    assert at_home.watch("--state", state, expect=21)["error"] == "channel.older"
    refused = at_home.run("renew", "--above", state, "--json", expect=13).document
    assert refused["error"] == "state.channel-behind"
    at_home.run("root", "targets-2.json")
    told = at_home.run("renew", "--above", state, "--json").document
    assert told["versions"]["timestamp"] > 2
    at_home.watch("--state", state)


def test_renewing_without_a_channel_names_the_way_to_one(at_home):
    refused = at_home.run("renew", "--json", expect=13).document
    assert refused["error"] == "state.channel-empty" and "patchline channel root" in refused["hint"]


def test_file_that_is_no_paper_of_a_channel_is_refused(at_home):
    assert at_home.run("root", "demo.trust", "--json", expect=21).document["error"] == "trust.unknown-document"


def test_watch_ends_with_the_class_of_the_gravest_finding(at_home, tmp_path):
    assert at_home.watch(expect=13)["error"] == "source.no-channel"
    line = ("--trust", tmp_path / "demo.trust", "--json")
    assert run("patchline", "channel", "watch", *line, expect=2).document["error"] == "usage.options"


def test_online_key_is_rotated_with_the_former_one_signing_too(at_home):
    at_home.run("root", "root.json", "kit-root.json", "targets.json")
    keys = server_keys.server_keys_folder(at_home.home)
    (keys / "online.key").rename(keys / "former.key")
    fresh = at_home.key("online")
    holders = [signer(name).public for name in NAMES]
    later = at_home.now + timedelta(seconds=1)
    at_home.write("root-2.json", signed(ceremony.make_root(holders, 2, later, online=fresh, previous=at_home.root)))
    at_home.write("targets-2.json", signed(ceremony.make_targets([fresh], [fresh], later, previous=at_home.targets)))
    assert at_home.run("renew", "--json", expect=10).document["error"] == "settings.channel-keys"
    done = at_home.run("root", "root-2.json", "targets-2.json", "--former", "former", "--json").document
    assert done["versions"]["root"] == 2 and done["versions"]["hotfixes"] == 2
    at_home.watch()


def test_role_that_has_a_key_of_its_own_is_signed_by_it(at_home):
    publisher = at_home.key("publisher")
    online = server_public(at_home.home, "online")
    at_home.write("targets.json", signed(ceremony.make_targets([publisher], [online], at_home.now)))
    at_home.run("root", "root.json", "kit-root.json", "targets.json")
    assert at_home.watch()["targets"] == 0


def test_client_is_released_and_put_into_the_channel(at_home, tmp_path):
    (tmp_path / "keys").mkdir()
    release = create_sealed(tmp_path / "keys/release.key", Kind.P256, WORDS.encode(), Cost(1 << 10))
    key = key_document(release, Purpose.RELEASE, Custody.CLI, ())
    policy = vendor.policy_envelope(vendor.policy_document({**vendor.PERSONS, "release": [key]}))
    trust = tmp_path / "new.trust"
    trust.write_bytes(trust_document(product="demo", root=at_home.root, policy=policy))
    client = tmp_path / "patchline-site.pyz"
    client.write_bytes(b"a client")
    line = ("bundle", "release", client, "--key", "release", "--trust", trust, "--json")
    environment = {"PATCHLINE_KEYS": str(tmp_path / "keys")}
    done = run("patchline", *line, passphrase=WORDS, environment=environment).document
    assert done["sha256"] == documents.digest(b"a client")
    at_home.run("root", "root.json", "kit-root.json", "targets.json")
    at_home.run("renew", "--client", str(client))
    assert at_home.watch()["targets"] == 4  # the checkpoint, too
