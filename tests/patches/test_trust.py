import copy
import json

import pytest

from patchline.patches import backends, documents
from patchline.patches.baselines import BaselineList, baseline_list
from patchline.patches.errors import PatchlineError
from patchline.patches.manifest import ABSENT, File
from patchline.patches.policy import Policy
from patchline.patches.root import Root
from patchline.patches.trust import Trust
from patchline.releaser import ceremony, policy_making
from patchline.releaser.policy_making import Changes
from tests import signature_corpus, vendor
from tests.vendor import NOW, OFFLINE, policy_document, policy_envelope, policy_key, root, signer, trust


@pytest.fixture(autouse=True, params=[backends.Compiled(), backends.Pure()], ids=lambda backend: backend.name)
def backend(request, monkeypatch):
    monkeypatch.setattr(backends, "active", lambda: request.param)


def refused(function, *arguments, **options):
    with pytest.raises(PatchlineError) as caught:
        function(*arguments, **options)
    assert caught.value.hint
    return caught.value.code


def changed(given, **changes):
    return documents.encode({**json.loads(given.data), **changes})


def next_policy(known, signers=OFFLINE[:2], **changes):
    document = policy_document(version=known.policy.version + 1, previous=known.policy.digest, **changes)
    return policy_envelope(document, signers)


def policy_bytes(envelope):
    return documents.encode(envelope.as_document())


def root_bytes(made):
    return documents.encode(made.document)


def test_trust_file_is_read_back_and_has_a_fingerprint():
    made = trust(customer="c-1", baselines={"1.0": "0" * 64}, channel="https://updates.example/demo")
    read = Trust.parse(made.data)
    assert read.customer == "c-1" and not read.trial and dict(read.baselines) == {"1.0": "0" * 64}
    assert len(read.fingerprint) == 29 and read.fingerprint == made.fingerprint


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"format": 2}, "trust.format"),
        ({"product": "other"}, "trust.policy-product"),
        ({"customer": "all"}, "trust.value"),
        ({"customer": ""}, "trust.value"),
        ({"trial": None}, "trust.type"),
        ({"baselines": {"1.0": "xyz"}}, "trust.value"),
        ({"baselines": []}, "trust.type"),
        ({"channel": "ftp://x"}, "trust.value"),
        ({"root": {}}, "trust.root-malformed"),
        ({"root": None}, "trust.type"),
        ({"policy": {}}, "statement.missing"),
        ({"policy": None}, "trust.type"),
    ],
)
def test_trust_file_that_breaks_a_rule_is_refused(changes, code):
    assert refused(Trust.parse, changed(trust(), **changes)) == code


def test_trust_file_that_is_not_canonical_is_refused():
    assert refused(Trust.parse, trust().data + b"\n") == "document.not-canonical"
    assert refused(Trust.parse, b"") == "document.syntax"


# Root


def root_document(change, signers=OFFLINE[:2]):
    """Return a root with something changed, signed anew without our own reading in between."""
    document = copy.deepcopy(root(signers=[]).document)
    change(document["signed"])
    from securesystemslib.formats import encode_canonical

    data = encode_canonical(document["signed"]).encode()
    document["signatures"] = [
        {"keyid": signer(name).public.keyid, "sig": signer(name).sign(data).hex()} for name in signers
    ]
    return document


def set_threshold(role, number):
    return lambda signed: signed["roles"][role].update(threshold=number)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (set_threshold("root", 0), "root-threshold"),
        (set_threshold("root", -1), "root-threshold"),
        (set_threshold("root", 4), "root-threshold"),
        (set_threshold("targets", 0), "root-threshold"),
        (set_threshold("targets", 4), "root-threshold"),
        (set_threshold("timestamp", 0), "root-threshold"),
        (set_threshold("root", True), "type"),
        (set_threshold("root", "2"), "type"),
        (lambda signed: signed["roles"]["root"].update(keyids=[]), "root-threshold"),
        (lambda signed: signed["roles"]["root"]["keyids"].append(signed["roles"]["root"]["keyids"][0]), "root-key"),
        (lambda signed: signed["roles"]["root"]["keyids"].append("0" * 64), "root-key"),
        (lambda signed: signed["roles"].pop("targets"), "missing"),
        (lambda signed: signed.update(_type="targets"), "root-malformed"),
        (lambda signed: signed.update(version=0), "root-malformed"),
        (lambda signed: signed.update(version="1"), "root-malformed"),
        (lambda signed: signed.update(expires="tomorrow"), "root-malformed"),
        (lambda signed: signed.pop("expires"), "root-malformed"),
        (lambda signed: signed.update(spec_version="2.0"), "root-malformed"),
        (lambda signed: signed.update(keys={}), "root-key"),
        (lambda signed: signed.update(keys=[]), "type"),
    ],
)
def test_root_that_breaks_a_rule_is_refused(change, code):
    assert refused(Root.read, root_document(change)) == f"trust.{code}"


def key_changes():
    rsa = "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAK==\n-----END PUBLIC KEY-----\n"
    low = signature_corpus.small_order_encodings()
    return [
        {"keytype": "rsa", "scheme": "rsassa-pss-sha256", "keyval": {"public": rsa}},
        {"keytype": "ed25519", "scheme": "ecdsa-sha2-nistp256"},
        {"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp384"},
        {"keytype": "ecdsa", "scheme": "none"},
        {"keytype": "gpg"},
        {"keyval": {}},
        {"keyval": {"public": rsa}},
        {"keyval": {"public": signer("ben").public.to_pem()}},
        {"extra": 1},
        *({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": point.hex()}} for point in low[:3]),
        {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": "zz"}},
        {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": 5}},
    ]


@pytest.mark.parametrize("number", range(len(key_changes())))
def test_root_with_a_key_that_must_not_be_used_is_refused(number):
    keyid = signer("offline-1").public.keyid
    change = key_changes()[number]
    assert refused(Root.read, root_document(lambda signed: signed["keys"][keyid].update(change))) == "trust.root-key"


def test_key_cannot_be_offline_and_online_at_once():
    keys = [signer(name).public for name in OFFLINE]
    assert refused(ceremony.make_root, keys, 2, NOW, online=keys[0]) == "trust.key-purpose"
    assert ceremony.make_root(keys, 2, NOW, online=signer("online").public).roles["timestamp"].keys


def test_same_key_under_two_ids_is_refused():
    def twice(signed):
        signed["keys"]["0" * 64] = signed["keys"][signer("offline-1").public.keyid]
        signed["roles"]["root"]["keyids"].append("0" * 64)

    assert refused(Root.read, root_document(twice)) == "trust.root-key"


@pytest.mark.parametrize("signers", [[], ["offline-1"], ["offline-1", "offline-1"], ["mallory", "offline-1"]])
def test_root_signed_by_too_few_does_not_count(signers):
    assert refused(trust, root_of=root(signers=signers)) == "trust.root-signatures"


def test_root_with_a_wrong_signature_does_not_count():
    made = root()
    made.document["signatures"][0]["sig"] = "00" * 64
    assert refused(Root.read(made.document).check_self) == "trust.root-signatures"


@pytest.mark.parametrize(
    ("signature", "code"),
    [
        ({"sig": "not hexadecimal"}, "value"),
        ({"sig": "0A"}, "value"),
        ({"sig": "0"}, "value"),
        ({"sig": ""}, "value"),
        ({"sig": None}, "type"),
        ({"keyid": 5}, "type"),
        ({"alg": "none"}, "root-malformed"),
    ],
)
def test_root_with_a_signature_of_another_shape_is_refused(signature, code):
    made = root()
    made.document["signatures"][0].update(signature)
    assert refused(Root.read, made.document) == f"trust.{code}"


def test_root_with_two_signatures_of_one_key_is_refused():
    made = root()
    made.document["signatures"] *= 2
    assert refused(Root.read, made.document) == "trust.root-malformed"


def test_every_changed_field_of_a_root_breaks_its_signatures():
    for change in (
        lambda signed: signed.update(expires="2099-01-01T00:00:00Z"),
        lambda signed: signed.update(note="more"),
        lambda signed: signed.update(version=2),
    ):
        document = copy.deepcopy(root().document)
        change(document["signed"])
        assert refused(Root.read(document).check_self) == "trust.root-signatures"


def test_root_expires_at_its_time():
    made = trust()
    made.check_fresh(NOW)
    with pytest.raises(PatchlineError) as caught:
        made.check_fresh(made.root.expires.replace(year=2029))
    assert caught.value.code == "expired.root" and caught.value.exit_code == 26
    assert "365 days ago" in caught.value.message


# Policy in the trust file


@pytest.mark.parametrize("signers", [["offline-1"], ["mallory"], ["ada", "ben"], ["offline-1", "mallory"]])
def test_policy_signed_by_too_few_targets_keys_does_not_count(signers):
    assert refused(trust, policy_envelope(signers=signers)) == "trust.policy-signatures"


def test_policy_without_signatures_is_refused():
    assert refused(trust, policy_envelope(signers=[])) == "statement.unsigned"


def test_policy_with_a_wrong_signature_by_a_targets_key_is_refused():
    envelope = policy_envelope(signers=OFFLINE)
    [first, *rest] = envelope.signatures
    bad = type(envelope)(envelope.payload_type, envelope.payload, ((first[0], rest[0][1]), *rest))
    assert refused(trust, bad).startswith("signature.")


def test_policy_of_another_payload_type_is_refused():
    assert refused(trust, policy_envelope(payload_type="application/json")) == "statement.payload-type"


def test_key_of_the_root_cannot_stand_in_the_policy():
    persons = {**vendor.PERSONS, "ada": [policy_key("offline-1")]}
    assert refused(trust, policy_document(persons)) == "trust.key-purpose"


# Newer roots, policies and trust files


def test_newer_policy_is_taken():
    known = trust(customer="c-1")
    newer = known.advanced(policy_bytes(next_policy(known, root_steps=True)))
    assert newer.policy.version == 2 and newer.policy.root_steps and newer.customer == "c-1"
    assert Trust.parse(newer.data).policy == newer.policy


def test_same_policy_again_changes_nothing():
    known = trust()
    assert known.advanced(policy_bytes(known.policy_envelope)).data == known.data


def test_older_policy_is_refused_from_anywhere():
    first = trust()
    newer = first.advanced(policy_bytes(next_policy(first)))
    assert refused(newer.advanced, policy_bytes(first.policy_envelope)) == "trust.policy-older"
    assert refused(newer.advanced, first.data) == "trust.policy-older"


def test_two_policies_of_one_version_are_refused():
    known = trust()
    assert refused(known.advanced, policy_bytes(policy_envelope(policy_document(root_steps=True)))) == (
        "trust.policy-fork"
    )


def test_policy_that_follows_another_one_is_refused():
    known = trust()
    other = policy_envelope(policy_document(version=2, previous="0" * 64))
    assert refused(known.advanced, policy_bytes(other)) == "trust.policy-chain"


def test_policy_may_skip_versions_that_the_site_never_saw():
    known = trust()
    assert known.advanced(policy_bytes(policy_envelope(policy_document(version=5, previous="0" * 64)))).policy.version


def test_policy_never_loses_a_recall():
    known = trust(policy_document(recalls=["0" * 64]))
    assert refused(known.advanced, policy_bytes(next_policy(known))) == "trust.policy-recalls"
    assert known.advanced(policy_bytes(next_policy(known, recalls=["0" * 64, "1" * 64])))


def test_policy_of_another_product_is_refused():
    known = trust()
    assert refused(known.advanced, policy_bytes(next_policy(known, product="other"))) == "trust.policy-product"


def test_policy_signed_by_too_few_is_not_taken():
    known = trust()
    assert refused(known.advanced, policy_bytes(next_policy(known, ["offline-1"]))) == "trust.policy-signatures"


NEW_NAMES = ("ed-offline-2", "offline-3", "offline-4")
BOTH = ("offline-1", "ed-offline-2", "offline-3", "offline-4")


def rotated(known, signers=BOTH, names=NEW_NAMES, version=2):
    return root(version, names, signers=signers, previous=known.root)


def test_root_rotates_when_old_and_new_holders_sign():
    known = trust(policy_envelope(signers=["ed-offline-2", "offline-3"]))
    newer = known.advanced(root_bytes(rotated(known)))
    assert newer.root.version == 2 and signer("offline-1").public.keyid not in newer.root.keys
    third = root(3, NEW_NAMES, previous=newer.root)
    assert newer.advanced(root_bytes(third)).root.version == 3


def test_root_that_too_few_old_holders_signed_is_refused():
    known = trust(policy_envelope(signers=["ed-offline-2", "offline-3"]))
    assert refused(known.advanced, root_bytes(rotated(known, ["offline-3", "offline-4"]))) == "trust.root-predecessor"
    stranger = root(2, ("m-1", "m-2", "m-3"), previous=known.root)
    assert refused(known.advanced, root_bytes(stranger)) == "trust.root-predecessor"


def test_root_that_too_few_new_holders_signed_is_refused():
    known = trust(policy_envelope(signers=["ed-offline-2", "offline-3"]))
    signed = rotated(known, ["offline-1", "ed-offline-2"], names=("ed-offline-2", "offline-4", "offline-5"))
    assert refused(known.advanced, root_bytes(signed)) == "trust.root-signatures"


def test_root_that_is_older_missing_one_or_forked_is_refused():
    known = trust(policy_envelope(signers=["ed-offline-2", "offline-3"]))
    assert refused(known.advanced, root_bytes(rotated(known, version=3))) == "trust.root-gap"
    newer = known.advanced(root_bytes(rotated(known)))
    assert refused(newer.advanced, root_bytes(known.root)) == "trust.root-older"
    fork = root(2, NEW_NAMES, signers=BOTH, previous=known.root, now=NOW.replace(year=2027))
    assert refused(newer.advanced, root_bytes(fork)) == "trust.root-fork"
    assert newer.advanced(root_bytes(newer.root)).data == newer.data


def test_policy_of_stolen_targets_keys_ends_with_the_root_that_drops_them():
    known = trust(policy_envelope(signers=["offline-1", "ed-offline-2"]))
    assert refused(known.advanced, root_bytes(rotated(known))) == "trust.policy-signatures"


def test_trust_file_brings_root_and_policy_at_once_and_nothing_else():
    known = trust(customer="c-1", baselines={"1.0": "0" * 64})
    made = rotated(known)
    policy = next_policy(known, NEW_NAMES[:2])
    handed = trust(policy, root_of=made, customer="c-666", baselines={"1.0": "6" * 64}, trial=True)
    newer = known.advanced(handed.data)
    assert (newer.root.version, newer.policy.version) == (2, 2)
    assert newer.customer == "c-1" and dict(newer.baselines) == {"1.0": "0" * 64} and not newer.trial


def test_trust_file_of_another_product_is_not_taken():
    policy = policy_envelope(policy_document(product="other"))
    other = Trust.parse(vendor.trust_document(product="other", root=root(), policy=policy))
    assert refused(trust().advanced, other.data) == "trust.product"


@pytest.mark.parametrize("data", [b"{}", b'{"format":1}', b"[]", b'"x"', b"1"])
def test_other_documents_are_refused(data):
    assert refused(trust().advanced, data) in ("trust.unknown-document", "trust.type")


# Baseline lists

LIST = baseline_list("demo", "1.0", {"app": {"b": ABSENT, "a": File("0" * 64, 3, False)}})


def test_baseline_list_is_believed_when_the_trust_file_knows_it():
    read = BaselineList.parse(LIST)
    assert list(read.roots["app"]) == ["a", "b"]
    read.check_known_to(trust(baselines={"1.0": read.digest}))
    assert refused(read.check_known_to, trust(baselines={"1.0": "0" * 64})) == "trust.baseline-list"
    assert refused(read.check_known_to, trust()) == "trust.baseline-unknown"
    other = BaselineList.parse(baseline_list("other", "1.0", {}))
    assert refused(other.check_known_to, trust()) == "trust.product"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda document: document.update(format=2), "trust.format"),
        (lambda document: document["roots"]["app"].reverse(), "trust.value"),
        (lambda document: document["roots"]["app"].append(document["roots"]["app"][1]), "trust.value"),
        (lambda document: document["roots"].update(APP=[]), "trust.value"),
        (lambda document: document["roots"]["app"][0].pop("state"), "trust.missing"),
        (lambda document: document["roots"]["app"][0]["state"].update(type="socket"), "trust.client"),
    ],
)
def test_baseline_list_that_breaks_a_rule_is_refused(change, code):
    document = json.loads(LIST)
    change(document)
    assert refused(BaselineList.parse, documents.encode(document)) == code


# Making


def test_first_policy_needs_a_threshold_and_a_p256_release_key():
    assert refused(policy_making.policy_payload, "demo", Changes()) == "usage.options"
    release = policy_making.NewKey("release", signer("ed-release").public, vendor.Purpose.RELEASE)
    assert refused(policy_making.policy_payload, "demo", Changes((release,), threshold=1)) == "usage.options"


def test_next_policy_adds_to_the_previous_one():
    previous = Policy.parse(documents.encode(policy_document(quantum={"kept": True})))
    added = policy_making.NewKey("zoe", signer("zoe").public, vendor.Purpose.APPROVER)
    payload = policy_making.policy_payload("demo", Changes((added,), threshold=3), previous=previous)
    made = Policy.parse(payload)
    assert (made.version, made.previous, made.rules[0].threshold) == (2, previous.digest, 3)
    assert signer("zoe").public.keyid in made.keys and len(made.keys) == len(previous.keys) + 1
    assert json.loads(payload)["quantum"] == {"kept": True}


RECIPE = """
root_steps = true
[[rules]]
threshold = 1
[[rules]]
threshold = 2
match = {{ severity = ["critical"] }}
[persons.ada]
keys = [{{ public = '''{ada}''', purpose = "approver" }}]
[persons.ben]
keys = [{{ public = '''{ben}''', purpose = "approver", status = {{ retired = ["{digest}"] }} }},
        {{ public = '''{new}''', purpose = "approver", roles = ["security"], custody = "transit" }}]
"""


def recipe(**changes):
    pems = {"ada": "ada", "ben": "ben", "new": "ben-2"}
    return RECIPE.format(digest="0" * 64, **{name: signer(key).public.to_pem() for name, key in pems.items()}).encode()


def test_recipe_is_the_whole_policy_as_toml():
    previous = Policy.parse(documents.encode(policy_document()))
    made = Policy.parse(policy_making.policy_payload("demo", Changes(), previous=previous, recipe=recipe()))
    assert (made.version, made.previous, made.root_steps) == (2, previous.digest, True)
    assert made.keys[signer("ben").public.keyid].retired == {"0" * 64}
    assert made.keys[signer("ben-2").public.keyid].custody == "transit"
    assert len(made.keys) == 3


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"\xff", "usage.policy-recipe"),
        (b"a = ", "usage.policy-recipe"),
        (b"version = 3", "usage.policy-recipe"),
        (b"persons = 3", "trust.type"),
        (b"rules = [1]", "trust.type"),
        (b"persons = {ada = {}}", "trust.missing"),
        (b"persons = {ada = {keys = [{public = 'x'}]}}", "signature.key-pem"),
        (b"rules = [{threshold = 1.5}]", "document.number"),
        (b"other = 2026-01-01", "document.not-canonical"),
        (b"product = 'other'\nrules = [{threshold = 1, independent = 0}]", "trust.unreachable"),
    ],
)
def test_recipe_that_breaks_a_rule_is_refused(text, code):
    assert refused(policy_making.policy_payload, "demo", Changes(), recipe=text) == code


def test_recipe_for_another_product_is_refused():
    text = b"product = 'other'\n" + recipe()
    assert refused(policy_making.policy_payload, "demo", Changes(), recipe=text) == "trust.policy-product"


def test_policy_that_drops_a_recall_cannot_be_made():
    previous = Policy.parse(documents.encode(policy_document(recalls=["0" * 64])))
    assert (
        refused(policy_making.policy_payload, "demo", Changes(), previous=previous, recipe=recipe())
        == "trust.policy-recalls"
    )


@pytest.mark.parametrize("threshold", [0, -1, 4])
def test_root_with_a_useless_threshold_cannot_be_made(threshold):
    keys = [signer(name).public for name in OFFLINE]
    assert refused(ceremony.make_root, keys, threshold, NOW) == "trust.root-threshold"


def test_root_with_one_key_twice_cannot_be_made():
    keys = [signer("ada").public, signer("ada").public]
    assert refused(ceremony.make_root, keys, 1, NOW) == "trust.root-key"
