import json

import pytest

from patchline.patches import documents
from patchline.patches.channel import HotfixName, recalls_target
from patchline.patches.envelopes import sign, write_sidecar
from patchline.patches.policy import Purpose, key_document
from patchline.patches.recall_list import Entry, RecallList
from patchline.patches.recall_statements import Recall
from patchline.patches.release_zip import write_release
from patchline.patches.sealed import open_sealed
from patchline.patches.statements import PAYLOAD_TYPE, Approval
from patchline.patches.verify import verify
from patchline.releaser import signing
from patchline.releaser.signing import sign_provenance
from tests import vendor
from tests.forged_channels import Channel
from tests.programs import run
from tests.releaser.test_signing import built
from tests.releaser.test_trust_command import PASSPHRASE, Person
from tests.servers import serving
from tests.vendor import NOW, manifest, signer


class Desk:
    """An approver with a key of her own, a bundle to approve, and a thief who has a copy of the key."""

    def __init__(self, folder):
        self.folder = folder
        self.ada = Person(folder, "ada")
        self.stolen = open_sealed(self.ada.keys / "ada.key", lambda: PASSPHRASE.encode())
        self.bundle = built(folder)
        sign_provenance(self.bundle, signer("builder"))
        persons = {**vendor.PERSONS, "ada": [key_document(self.ada.public, Purpose.APPROVER)]}
        self.trust = folder / "demo.trust"
        self.trust.write_bytes(vendor.trust(vendor.policy_document(persons)).data)

    def run(self, *line, expect=0):
        environment = {"PATCHLINE_KEYS": str(self.ada.keys)}
        return run("patchline", *line, expect=expect, passphrase=PASSPHRASE, environment=environment)

    def approve(self):
        self.run("bundle", "approve", self.bundle, "--key", "ada", "--trust", self.trust, "--yes")

    def watch(self, *what, expect=0, keys=("ada",)):
        given = [word for key in keys for word in ("--key", key)]
        return self.run("approvals", "watch", *given, *what, "--json", expect=expect).document["signatures"]

    def misuse(self, name="other.hotfix.approvals.jsonl", of=None, **more):
        """Let the thief approve something."""
        statement = Approval.make(of or manifest(revision=7), scope=None, reproduced=False, now=NOW, **more)
        path = self.folder / name
        path.write_bytes(write_sidecar([sign(statement.as_payload(), PAYLOAD_TYPE, self.stolen)]))
        return path


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def test_own_signature_is_known_and_told_once(desk):
    desk.approve()
    [first] = desk.watch(desk.bundle)
    assert first["known"] and first["new"] and first["genuine"]
    assert first["what"].startswith("approved HF-2026-0001-r1 of demo for all; manifest ")
    assert first["key"] == desk.ada.public.fingerprint
    [again] = desk.watch(desk.bundle)
    assert not again["new"]
    assert "nothing new" in desk.run("approvals", "watch", "--key", "ada", desk.bundle).out
    assert "yours" in desk.run("approvals", "watch", "--key", "ada", "--all", desk.bundle).out


def test_misuse_of_a_key_is_noticed_until_it_is_accepted(desk):
    path = desk.misuse()
    [found] = desk.watch(path, expect=10)
    assert not found["known"] and "HF-2026-0001-r7" in found["what"]
    told = desk.run("approvals", "watch", "--key", "ada", path, expect=10)
    assert "UNKNOWN" in told.out and "say so at once" in told.err
    [accepted] = desk.watch(path, "--accept")
    assert not accepted["known"]
    assert [one["known"] for one in desk.watch(path)] == [True]


def test_signature_that_only_claims_to_be_mine_is_never_accepted(desk):
    path = desk.misuse()
    line = json.loads(path.read_bytes())
    line["signatures"][0]["sig"] = vendor.approval(manifest(), "ben").as_document()["signatures"][0]["sig"]
    path.write_bytes(documents.encode(line) + b"\n")
    for options in ((), ("--accept",), ()):
        [found] = desk.watch(path, *options, expect=10)
        assert not found["genuine"] and not found["known"]


def test_signatures_of_others_are_none_of_mine(desk):
    path = desk.folder / "others.jsonl"
    path.write_bytes(vendor.sidecars(manifest()).approvals)
    assert desk.watch(path) == []


def test_keys_may_be_public_files_and_several(desk):
    ben = desk.folder / "ben-browser.pem"
    ben.write_text(signer("ben").public.to_pem())
    path = desk.folder / "others.jsonl"
    path.write_bytes(vendor.sidecars(manifest()).approvals)
    [found] = desk.watch(path, keys=("ada", ben), expect=10)
    assert found["key"] == signer("ben").public.fingerprint


def recall_list(by, number=1):
    recall = Recall.make(manifest(), reason="loses orders", now=NOW)
    signed = sign(recall.as_payload(), PAYLOAD_TYPE, by)
    return RecallList.make("demo", number, NOW, [], [Entry(recall.revision, (signed,))]).data


def test_folders_zips_and_recall_lists_are_looked_through(desk):
    desk.approve()
    below = desk.folder / "dump" / "deep"
    below.mkdir(parents=True)
    write_release(below / "HF-2026-0001-r1.zip", "read me", desk.bundle)
    (below / "recalls.json").write_bytes(recall_list(desk.stolen))
    (below / "odd.json").write_bytes(b"{")
    (below / "damaged.zip").write_bytes(b"PK\x03\x04")
    outcome = desk.run("approvals", "watch", "--key", "ada", desk.folder / "dump", "--json", expect=10)
    words = {one["what"].split()[0]: one["known"] for one in outcome.document["signatures"]}
    assert words == {"approved": True, "recalled": False}
    assert len(outcome.document["problems"]) == 1 and "damaged.zip" in outcome.document["problems"][0]


@pytest.fixture
def channel(desk):
    desk.approve()
    made = Channel(desk.folder / "channel")
    zipped = desk.folder / "HF-2026-0001-r1.zip"
    write_release(zipped, "read me", desk.bundle)
    made.put(HotfixName("demo", "HF-2026-0001", 1).target, zipped.read_bytes())
    made.put(recalls_target("demo"), recall_list(signer("ben")))
    made.commit()
    return made


def test_whole_channel_is_watched_from_a_folder_or_a_server(desk, channel):
    [found] = desk.watch("--channel", channel.folder)
    assert found["known"] and found["where"] == "hotfixes/demo/HF-2026-0001/r1.zip"
    assert desk.watch("--channel", channel.folder) == []
    channel.put(recalls_target("demo"), recall_list(desk.stolen, 2))
    channel.commit()
    with serving(channel.folder) as server:
        [misused] = desk.watch("--channel", server.url, expect=10)
        assert misused["what"].startswith("recalled") and not misused["known"]
        assert [one["new"] for one in desk.watch("--channel", server.url, expect=10)] == [False]
        desk.watch("--channel", server.url, "--accept")
        assert desk.watch("--channel", server.url) == []
        assert len(desk.watch("--channel", server.url, "--all")) == 2


def test_channel_of_another_vendor_is_told_by_the_trust_file(desk, channel):
    other = desk.folder / "other.trust"
    names = ("other-1", "other-2", "other-3")
    policy = vendor.policy_envelope(signers=names[:2])
    other.write_bytes(vendor.trust(policy, root_of=vendor.root(names=names)).data)
    line = ("approvals", "watch", "--key", "ada", "--channel", channel.folder, "--trust", other, "--json")
    assert desk.run(*line, expect=21).document["error"].split(".")[0] in ("channel", "trust")


def test_something_to_look_into_must_be_named(desk):
    line = ("approvals", "watch", "--key", "ada", "--json")
    assert desk.run(*line, expect=2).document["error"] == "usage.options"
    assert desk.run(*line, desk.folder / "gone.zip", expect=11).document["error"] == "not-found.file"
    assert desk.watch(desk.bundle) == []


def test_emergency_is_approved_on_the_approvers_own_machine(desk):
    persons = {**vendor.PERSONS, "ada": [key_document(desk.ada.public, Purpose.APPROVER, roles=["duty"])]}
    rule = {"role": "duty", "max_hours": 24, "threshold": 1}
    against = vendor.trust(vendor.policy_document(persons, emergency=rule), customer="c-1")
    desk.trust.write_bytes(against.data)
    line = ("bundle", "approve", desk.bundle, "--key", "ada", "--trust", desk.trust, "--yes", "--json")
    assert desk.run(*line, "--emergency", 12, expect=2).document["error"] == "usage.options"
    late = desk.run(*line, "--emergency", 48, "--scope", "c-1", expect=21)
    assert late.document["error"] == "approval.emergency-hours"
    assert desk.run(*line, "--emergency", 12, "--scope", "c-1").document["emergency"] == 12
    [found] = desk.watch(desk.bundle)
    assert "for c-1, as an emergency for 12 hours" in found["what"]
    read = signing.read_bundle(desk.bundle)
    assert verify(read.manifest.data, signing.read_sidecars(desk.bundle), against, NOW).emergency == 12
