from dataclasses import replace

import pytest

from patchline.patches import documents
from patchline.patches.enrolments import ENROLMENT_TYPE, Enrolment
from patchline.patches.envelopes import Envelope, sign
from patchline.patches.errors import PatchlineError
from patchline.patches.policy import Custody
from patchline.patches.recall_list import Entry, RecallList
from patchline.patches.recall_statements import Recall, Reinstatement
from patchline.patches.sealed import open_sealed
from patchline.patches.statements import PAYLOAD_TYPE
from patchline.releaser.trust_files import read_policy
from tests import vendor
from tests.programs import run
from tests.releaser.test_trust_command import PASSPHRASE, made_policy, people
from tests.vendor import NOW, manifest, signer

__all__ = ["people"]


def refused(call, *arguments):
    with pytest.raises(PatchlineError) as caught:
        call(*arguments)
    assert caught.value.hint
    return caught.value.code


def enrol(people, name, folder, *more, expect=0):
    out = folder / f"{name}.enrolment"
    line = ("key", "enrol", name, "--person", name, "--out", out, "--json", *more)
    environment = {"PATCHLINE_KEYS": str(people[name].keys)}
    return out, run("patchline", *line, expect=expect, passphrase=PASSPHRASE, environment=environment).document


def policy(folder, *options, name="policy.json", expect=0):
    line = ("trust", "policy", "--product", "demo", "--out", folder / name, "--json", *options)
    return run("patchline", *line, expect=expect).document


@pytest.fixture
def first(people, tmp_path):
    return made_policy(people, tmp_path, "--approver", f"walt={people['holder-1'].pem}")


def next_policy(first, tmp_path, *options, expect=0):
    found = policy(tmp_path, "--previous", first, *options, name="next.json", expect=expect)
    return found if expect else read_policy(tmp_path / "next.json").policy


# Enrolment


def test_enrolment_stands_in_the_place_of_person_and_key(people, tmp_path):
    ada, told = enrol(people, "ada", tmp_path)
    ben, _ = enrol(people, "ben", tmp_path, "--custody", "transit")
    bob, _ = enrol(people, "bob", tmp_path)
    assert told["fingerprint"] == people["ada"].public.fingerprint and told["custody"] == "cli"
    signers = ("--approver", ada, "--approver", f"{ben}:security", "--builder", bob, "--threshold", 2)
    policy(tmp_path, *signers)
    made = read_policy(tmp_path / "policy.json").policy
    found = made.keys[people["ben"].public.keyid]
    assert (found.person, found.custody, found.roles) == ("ben", Custody.TRANSIT, {"security"})
    assert made.keys[people["bob"].public.keyid].purpose == "builder"


def test_fingerprint_of_an_enrolled_key_is_asked_for_all_the_same(people, tmp_path):
    ada, _ = enrol(people, "ada", tmp_path)
    policy(tmp_path, "--approver", ada, "--threshold", 1)
    assert people["holder-1"].sign(tmp_path / "policy.json", expect=12)["error"] == "refused.fingerprint"


def test_enrolment_counts_only_by_its_own_key():
    document = Enrolment("ada", signer("ada").public, Custody.CLI).signed(signer("ada")).as_document()
    assert Enrolment.read(document).person == "ada"
    payload = Envelope.from_document(document, "x").payload
    assert refused(Enrolment.read, sign(payload, ENROLMENT_TYPE, signer("ben")).as_document()) == (
        "statement.enrolment-key"
    )
    both = Envelope.from_document(document, "x").signed_by(signer("ben"))
    assert refused(Enrolment.read, both.as_document()) == "statement.enrolment-key"
    assert refused(Enrolment("ada", signer("ada").public, Custody.CLI).signed, signer("ben")) == (
        "statement.enrolment-key"
    )
    changed = payload.replace(b'"person":"ada"', b'"person":"eve"')
    forged = Envelope(ENROLMENT_TYPE, changed, Envelope.from_document(document, "x").signatures)
    assert refused(Enrolment.read, forged.as_document()) == "signature.mismatch"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"person": "Ada"}, "statement.value"),
        ({"custody": "pocket"}, "statement.value"),
        ({"mood": "fine"}, "statement.enrolment-fields"),
        ({"format": 2}, "statement.enrolment-fields"),
        ({"key": "none"}, "signature.key-pem"),
    ],
    ids=str,
)
def test_malformed_enrolments_have_codes(change, code):
    good = {"format": 1, "person": "ada", "key": signer("ada").public.to_pem(), "custody": "cli"}
    envelope = sign(documents.encode({**good, **change}), ENROLMENT_TYPE, signer("ada"))
    assert refused(Enrolment.read, envelope.as_document()) == code


def test_other_files_are_no_enrolment(people, tmp_path):
    approvals = tmp_path / "approval.json"
    approvals.write_bytes(documents.encode(vendor.approval(manifest()).as_document()))
    assert policy(tmp_path, "--approver", approvals, expect=21)["error"] == "statement.payload-type"
    assert policy(tmp_path, "--approver", people["ada"].pem, expect=2)["error"] == "usage.key-person"
    assert enrol(people, "ada", tmp_path, "--person", "No One", expect=2)[1]["error"] == "usage.person-id"


# Keys that go, recalls, emergencies


def test_key_is_retired_with_what_it_still_counts_for(people, first, tmp_path):
    (tmp_path / "m.json").write_bytes(manifest().data)
    (tmp_path / "list.txt").write_text(f"{'2' * 64}\n{'1' * 64}\n")
    ada = people["ada"].public
    spoken = ada.fingerprint.lower().replace("-", " ")
    options = [word for file in ("m.json", "list.txt") for word in ("--retire", f"{spoken}={tmp_path / file}")]
    key = next_policy(first, tmp_path, *options).keys[ada.keyid]
    assert not key.active and key.retired == {manifest().digest, "1" * 64, "2" * 64}


def test_key_is_revoked_even_when_it_was_retired(people, first, tmp_path):
    ada = people["ada"].public
    retired = tmp_path / "next.json"
    next_policy(first, tmp_path, "--retire", ada.fingerprint)
    again = policy(tmp_path, "--previous", retired, "--revoke", ada.fingerprint, name="third.json")
    assert read_policy(tmp_path / "third.json").policy.keys[ada.keyid].revoked and again["kind"] == "policy"
    over = ("--previous", tmp_path / "third.json", "--retire", ada.fingerprint)
    assert policy(tmp_path, *over, name="fourth.json", expect=21)["error"] == "trust.key-ended"


def test_policy_that_could_no_longer_be_met_is_not_made(people, first, tmp_path):
    both = [word for name in ("ada", "ben") for word in ("--revoke", people[name].public.fingerprint)]
    assert next_policy(first, tmp_path, *both, expect=21)["error"] == "trust.unreachable"


def test_key_that_is_not_there_is_told(people, first, tmp_path):
    other = people["holder-2"].public.fingerprint
    assert next_policy(first, tmp_path, "--revoke", other, expect=11)["error"] == "not-found.policy-key"


def test_recalls_are_added_and_none_is_lost(first, tmp_path):
    (tmp_path / "m.json").write_bytes(manifest().data)
    made = next_policy(first, tmp_path, "--recall", tmp_path / "m.json")
    assert made.recalls == {manifest().digest}
    (tmp_path / "list.txt").write_text("1" * 64)
    more = ("--previous", tmp_path / "next.json", "--recall", tmp_path / "list.txt")
    policy(tmp_path, *more, name="third.json")
    assert read_policy(tmp_path / "third.json").policy.recalls == {manifest().digest, "1" * 64}


def test_policy_takes_over_what_a_recall_list_recalls(people, first, tmp_path):
    ada, ben = (open_sealed(people[name].keys / f"{name}.key", lambda: PASSPHRASE.encode()) for name in ("ada", "ben"))
    entries = []
    for number, signers in enumerate([(ada, ben), (ada,), (ada, ben)], 1):
        made = Recall.make(manifest(revision=number), reason="why", now=NOW)
        signed = tuple(sign(made.as_payload(), PAYLOAD_TYPE, one) for one in signers)
        entries.append(Entry(made.revision, signed))
    back = Reinstatement.make(
        manifest(revision=3), reason="why", recalls=frozenset(entries[2].digests), now=NOW
    ).as_payload()
    entries[2] = replace(entries[2], reinstated=(sign(back, PAYLOAD_TYPE, ada),))
    (tmp_path / "list.json").write_bytes(RecallList.make("demo", 1, NOW, [], entries).data)
    made = next_policy(first, tmp_path, "--recall", tmp_path / "list.json")
    assert made.recalls == {manifest(revision=1).digest}
    alone = ("--threshold", 1, "--approver", f"ada={people['ada'].pem}", "--recall", tmp_path / "list.json")
    assert policy(tmp_path, *alone, name="alone.json", expect=2)["error"] == "usage.options"


def test_retired_key_counts_for_nothing_that_is_recalled(people, first, tmp_path):
    (tmp_path / "list.txt").write_text(f"{'1' * 64}\n{'2' * 64}\n")
    (tmp_path / "bad.txt").write_text("2" * 64)
    ada = people["ada"].public
    line = ("--retire", f"{ada.fingerprint}={tmp_path / 'list.txt'}", "--recall", tmp_path / "bad.txt")
    assert next_policy(first, tmp_path, *line).keys[ada.keyid].retired == {"1" * 64}


def test_lists_of_digests_are_checked(first, tmp_path):
    (tmp_path / "list.txt").write_text(f"{'1' * 64}\nHF-2026-0001\n")
    assert next_policy(first, tmp_path, "--recall", tmp_path / "list.txt", expect=2)["error"] == "usage.digests"
    (tmp_path / "list.txt").write_text("HF-2026-0001\n")
    assert next_policy(first, tmp_path, "--recall", tmp_path / "list.txt", expect=20)["error"] == "bundle.not-a-bundle"


def test_emergency_rule_is_named_in_one_word(first, tmp_path):
    rule = next_policy(first, tmp_path, "--emergency", "security:24:1").emergency
    assert (rule.role, rule.max_hours, rule.threshold) == ("security", 24, 1)
    words = run("patchline", "trust", "diff", first, tmp_path / "next.json").out
    assert "1 person, one as security, to named customers, for at most 24 hours" in words
    for text in ("security", "security:24", "security:x:1", "Security:1:1", "security:721:1", "security:0:1"):
        assert next_policy(first, tmp_path, "--emergency", text, expect=2)["error"] == "usage.emergency"


def test_emergency_rule_stands_in_a_recipe(people, first, tmp_path):
    recipe = tmp_path / "policy.toml"
    recipe.write_text(
        'product = "demo"\n[emergency]\nrole = "duty"\nmax_hours = 8\nthreshold = 1\n'
        "[[rules]]\nthreshold = 1\n[[persons.ada.keys]]\npurpose = 'approver'\nroles = ['duty']\n"
        f"public = '''{people['ada'].pem.read_text()}'''\n"
    )
    policy(tmp_path, "--recipe", recipe, name="recipe.json")
    assert read_policy(tmp_path / "recipe.json").policy.emergency.role == "duty"
