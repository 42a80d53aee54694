import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from patchline.patches import backends, documents, envelopes
from patchline.patches.errors import PatchlineError
from patchline.patches.policy import Custody, Purpose
from patchline.patches.verify import Sidecars, VerifiedManifest, verify
from tests import vendor
from tests.vendor import NOW, approval, manifest, policy_document, policy_key, provenance, sidecars, signer, trust


@pytest.fixture(autouse=True, params=[backends.Compiled(), backends.Pure()], ids=lambda backend: backend.name)
def backend(request, monkeypatch):
    monkeypatch.setattr(backends, "active", lambda: request.param)


def refused(of, given=None, against=None, now=NOW, **options):
    with pytest.raises(PatchlineError) as caught:
        verify(of.data, given or sidecars(of), against or trust(), now, **options)
    assert caught.value.hint
    return caught.value.code


def persons(verified):
    return [place.person for place in verified.approvals]


def test_two_approvals_of_an_attested_manifest_are_enough():
    hotfix = manifest()
    verified = verify(hotfix.data, sidecars(hotfix), trust(), NOW)
    assert verified.manifest == hotfix
    assert persons(verified) == ["ada", "ben"]
    assert verified.containers == {vendor.CONTAINER}
    assert verified.builders == {"bob"}
    assert verified.uncounted == () and verified.warnings == ()
    assert verified.trust == trust().digest and verified.policy == 1


def test_only_verify_makes_a_verified_manifest():
    verified = verify(manifest().data, sidecars(manifest()), trust(), NOW)
    with pytest.raises(TypeError):
        VerifiedManifest(**{**vars(verified), "maker": None})


# The manifest and its product


def test_manifest_of_another_product_is_refused():
    other = manifest(target={"product": "other", "baselines": ["1"], "platforms": ["linux"], "requires_products": []})
    assert refused(other) == "trust.other-product"


def test_trust_file_of_another_product_is_refused():
    policy = vendor.policy_envelope(policy_document(product="other"))
    against = vendor.Trust.parse(vendor.trust_document(product="other", root=vendor.root(), policy=policy))
    assert refused(manifest(), against=against) == "trust.other-product"


def test_changed_manifest_is_refused():
    hotfix = manifest()
    assert refused(manifest(title="Something else"), sidecars(hotfix)) == "statement.subject"


def test_manifest_that_breaks_a_rule_is_refused_before_signatures_are_looked_at():
    with pytest.raises(PatchlineError) as caught:
        verify(b"{}", Sidecars(b"rubbish", b"rubbish"), trust(), NOW)
    assert caught.value.code == "manifest.missing"


def test_emergency_approval_ships_to_its_customer_alone_and_says_so():
    hotfix, policy = manifest(), policy_document(emergency={"role": "security", "max_hours": 24, "threshold": 1})
    hurried = sidecars(hotfix, [approval(hotfix, "ben", frozenset(["c-1"]), emergency=48)])
    found = verify(hotfix.data, hurried, trust(policy, customer="c-1"), NOW)
    assert (found.emergency, persons(found)) == (24, ["ben"])
    assert "emergency" in found.warnings[0]
    assert refused(hotfix, hurried, trust(policy, customer="c-2")) == "approval.scope"
    assert refused(hotfix, hurried, trust(policy)) == "approval.scope"
    assert refused(hotfix, hurried, trust(customer="c-1")) == "approval.emergency-none"


def test_ordinary_approvals_ratify_an_emergency():
    hotfix, policy = manifest(), policy_document(emergency={"role": "security", "max_hours": 24, "threshold": 1})
    against, customers = trust(policy, customer="c-1"), frozenset(["c-1"])
    hurried = approval(hotfix, "ben", customers, emergency=8)
    later = [hurried, approval(hotfix, "ada"), approval(hotfix, "ben")]
    assert verify(hotfix.data, sidecars(hotfix, later[:2]), against, NOW).emergency == 8
    assert verify(hotfix.data, sidecars(hotfix, later), against, NOW).emergency is None


def test_person_who_rebuilds_later_says_so_in_another_approval():
    hotfix, against = manifest(), trust(policy_document(rules=[{"threshold": 2}]))
    first = [approval(hotfix, "ada"), approval(hotfix, "ben")]
    assert refused(hotfix, sidecars(hotfix, first), against) == "approval.reproduced"
    later = [*first, approval(hotfix, "ben", reproduced=True)]
    assert persons(verify(hotfix.data, sidecars(hotfix, later), against, NOW)) == ["ada", "ben"]


def test_recalled_manifest_is_refused_whoever_approved_it():
    hotfix = manifest()
    assert refused(hotfix, against=trust(policy_document(recalls=[hotfix.digest]))) == "recalled.policy"


# Time


def test_expired_root_takes_nothing_new():
    later = trust().root.expires
    with pytest.raises(PatchlineError) as caught:
        verify(manifest().data, sidecars(manifest()), trust(), later)
    assert caught.value.code == "expired.root" and caught.value.exit_code == 26


def test_expired_root_may_be_accepted_until_a_date_and_warns():
    hotfix, later = manifest(), trust().root.expires
    verified = verify(hotfix.data, sidecars(hotfix), trust(), later, stale_until=later.replace(year=later.year + 1))
    assert "expired" in verified.warnings[0]
    assert refused(hotfix, now=later, stale_until=later) == "expired.root"


def test_trust_file_made_for_trying_out_warns():
    hotfix = manifest()
    assert "trying out" in verify(hotfix.data, sidecars(hotfix), trust(trial=True), NOW).warnings[0]


# Provenance


def test_provenance_is_needed():
    hotfix = manifest()
    assert refused(hotfix, sidecars(hotfix, built=[])) == "statement.provenance-missing"


def test_provenance_by_an_unknown_builder_counts_for_nothing():
    hotfix = manifest()
    assert refused(hotfix, sidecars(hotfix, built=[provenance(hotfix, ["mallory"])])) == (
        "statement.provenance-unknown-key"
    )


def test_provenance_by_an_approver_counts_for_nothing():
    hotfix = manifest()
    assert refused(hotfix, sidecars(hotfix, built=[provenance(hotfix, ["cleo-is-unknown", "ada"])])) == (
        "statement.provenance-missing"
    )
    assert refused(hotfix, sidecars(hotfix, built=[provenance(hotfix, ["ada"])])) == "statement.provenance-purpose"


def with_key(person, name, purpose, **changes):
    return {**vendor.PERSONS, person: [policy_key(name, purpose, **changes)]}


def test_revoked_builder_counts_for_nothing():
    persons = with_key("bob", "builder", Purpose.BUILDER, status="revoked")
    assert refused(manifest(), against=trust(policy_document(persons))) == "statement.provenance-revoked"


def test_retired_builder_counts_only_for_what_is_listed():
    hotfix = manifest()
    persons = with_key("bob", "builder", Purpose.BUILDER, status={"retired": [hotfix.digest]})
    assert verify(hotfix.data, sidecars(hotfix), trust(policy_document(persons)), NOW).builders == {"bob"}
    persons = with_key("bob", "builder", Purpose.BUILDER, status={"retired": ["0" * 64]})
    assert refused(hotfix, against=trust(policy_document(persons))) == "statement.provenance-retired"


def test_every_container_that_builders_named_may_carry_the_manifest():
    hotfix = manifest()
    built = [provenance(hotfix), provenance(hotfix, containers=["a" * 64, "b" * 64]), provenance(hotfix, ["mallory"])]
    verified = verify(hotfix.data, sidecars(hotfix, built=built), trust(), NOW)
    assert verified.containers == {vendor.CONTAINER, "a" * 64, "b" * 64}
    assert [one.code for one in verified.uncounted] == ["unknown-key"]


def test_container_named_by_an_unknown_key_is_not_allowed():
    hotfix = manifest()
    built = [provenance(hotfix), provenance(hotfix, ["mallory"], containers=["b" * 64])]
    assert verify(hotfix.data, sidecars(hotfix, built=built), trust(), NOW).containers == {vendor.CONTAINER}


def reworded(envelope, change, by):
    """Return a statement with something changed in it, signed anew."""
    document = json.loads(envelope.payload)
    change(document)
    return envelopes.sign(documents.encode(document), envelope.payload_type, signer(by))


def parameters(document):
    return document["predicate"]["buildDefinition"]["externalParameters"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda document: parameters(document).update(product="other"), "statement.product"),
        (lambda document: parameters(document).update(hotfix="HF-2026-0002"), "statement.hotfix"),
        (lambda document: parameters(document).update(revision=2), "statement.revision"),
        (lambda document: parameters(document)["source"].update(base_commit="9" * 40), "statement.source"),
        (lambda document: parameters(document)["source"].update(kind="folders"), "statement.source"),
        (lambda document: parameters(document).pop("source"), "statement.missing"),
        (lambda document: document["subject"].pop(1), "statement.subject-count"),
        (lambda document: document["subject"].pop(0), "statement.subject-count"),
        (lambda document: document["subject"].append(dict(document["subject"][0])), "statement.subject-count"),
        (lambda document: document["subject"][0]["digest"].update(sha256="0" * 64), "statement.subject"),
        (lambda document: document["subject"][0].update(digest={"sha1": "0" * 40}), "statement.subject-digest"),
        (lambda document: document["subject"][1]["digest"].update(md5="0" * 32), "statement.subject-digest"),
        (lambda document: document["subject"][1]["digest"].update(sha256="C" * 64), "statement.value"),
        (lambda document: document["subject"][1]["digest"].update(sha256="c" * 63), "statement.value"),
        (lambda document: document.update(predicateType="urn:patchline:approval:v1"), "statement.predicate-type"),
        (lambda document: document.update(_type="https://in-toto.io/Statement/v0.1"), "statement.statement-type"),
        (
            lambda document: document["predicate"]["buildDefinition"].update(buildType="urn:other"),
            "statement.build-type",
        ),
    ],
)
def test_provenance_about_something_else_refuses_the_set(change, code):
    hotfix = manifest()
    built = [provenance(hotfix), reworded(provenance(hotfix), change, "builder")]
    assert refused(hotfix, sidecars(hotfix, built=built)) == code


def test_provenance_replayed_from_another_revision_refuses_the_set():
    assert refused(manifest(), sidecars(manifest(), built=[provenance(manifest(revision=2))])) == "statement.revision"


# Approvals that do not count


def test_one_approval_is_not_enough_for_two():
    hotfix = manifest()
    assert refused(hotfix, sidecars(hotfix, ["ada"])) == "approval.quorum"
    assert refused(hotfix, sidecars(hotfix, [])) == "approval.quorum"


@pytest.mark.parametrize(
    ("by", "code"),
    [
        ("mallory", "approval.unknown-key"),
        ("release", "approval.purpose"),
        ("builder", "approval.purpose"),
        ("bob", "approval.builder"),
    ],
)
def test_approval_by_the_wrong_key_counts_for_nothing(by, code):
    hotfix = manifest()
    assert refused(hotfix, sidecars(hotfix, ["ada", by])) == code
    verified = verify(hotfix.data, sidecars(hotfix, ["ada", by, "ben"]), trust(), NOW)
    assert persons(verified) == ["ada", "ben"]
    assert [f"approval.{one.code}" for one in verified.uncounted] == [code]


def test_person_who_signed_the_provenance_with_any_key_cannot_approve():
    hotfix = manifest()
    built = [provenance(hotfix, ["builder", "ada"])]
    assert refused(hotfix, sidecars(hotfix, built=built)) == "approval.builder"


def test_contributor_cannot_approve_own_hotfix():
    hotfix = manifest(contributors=["ada", "walt"])
    assert refused(hotfix) == "approval.contributor"
    assert persons(verify(hotfix.data, sidecars(hotfix, ["ada", "ben", "ed-cleo"]), trust(), NOW)) == ["ben", "cleo"]


def test_key_that_the_newest_policy_no_longer_holds_counts_for_nothing():
    without = {person: keys for person, keys in vendor.PERSONS.items() if person != "ben"}
    assert refused(manifest(), against=trust(policy_document(without))) == "approval.unknown-key"


def test_revoked_key_counts_for_nothing():
    persons = with_key("ben", "ben", Purpose.APPROVER, status="revoked")
    assert refused(manifest(), against=trust(policy_document(persons))) == "approval.revoked"


def test_retired_key_counts_only_for_what_is_listed():
    hotfix = manifest()
    persons = with_key("ben", "ben", Purpose.APPROVER, status={"retired": ["0" * 64]})
    assert refused(hotfix, against=trust(policy_document(persons))) == "approval.retired"
    persons = with_key("ben", "ben", Purpose.APPROVER, status={"retired": [hotfix.digest]})
    assert verify(hotfix.data, sidecars(hotfix), trust(policy_document(persons)), NOW).approvals[1].person == "ben"


def test_one_person_fills_one_place_however_many_keys_they_have():
    hotfix = manifest()
    two_keys = {**vendor.PERSONS, "ada": [policy_key("ada"), policy_key("ada-2")]}
    against = trust(policy_document(two_keys))
    assert refused(hotfix, sidecars(hotfix, ["ada", "ada-2"]), against) == "approval.quorum"
    assert refused(hotfix, sidecars(hotfix, ["ada", "ada"])) == "approval.quorum"
    twice = [approval(hotfix, "ada"), approval(hotfix, "ada", reproduced=True)]
    assert refused(hotfix, sidecars(hotfix, twice)) == "approval.quorum"


def test_second_valid_form_of_a_signature_fills_no_second_place():
    from patchline.patches.signature import encode_p256_signature
    from tests.signature_corpus import N

    hotfix = manifest()
    first = approval(hotfix, "ada")
    [(keyid, signature)] = first.signatures
    size = signature[3]
    r, s = int.from_bytes(signature[4 : 4 + size]), int.from_bytes(signature[6 + size :])
    second = envelopes.Envelope(first.payload_type, first.payload, ((keyid, encode_p256_signature(r, N - s)),))
    assert second != first
    assert refused(hotfix, sidecars(hotfix, [first, second])) == "approval.quorum"


def test_reasons_are_all_told_when_there_are_several():
    hotfix = manifest()
    with pytest.raises(PatchlineError) as caught:
        verify(hotfix.data, sidecars(hotfix, ["ada", "bob", "mallory"]), trust(), NOW)
    assert caught.value.code == "approval.quorum"
    assert "1 of 2 persons" in caught.value.message
    assert "built" in caught.value.message and "not in the policy" in caught.value.message


# Approvals that refuse the set


@pytest.mark.parametrize(
    ("other", "code"),
    [
        (
            manifest(target={"product": "other", "baselines": ["1"], "platforms": ["linux"], "requires_products": []}),
            "statement.product",
        ),
        (manifest(hotfix="HF-2026-0002"), "statement.hotfix"),
        (manifest(revision=2), "statement.revision"),
        (manifest(title="Other"), "statement.subject"),
    ],
)
def test_approval_replayed_from_elsewhere_refuses_the_set(other, code):
    hotfix = manifest()
    assert refused(hotfix, sidecars(hotfix, ["ada", "ben", approval(other, "ed-cleo")])) == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda document: document["subject"].append({"name": "b", "digest": {"sha256": "0" * 64}}), "subject-count"),
        (lambda document: document["subject"].clear(), "subject-count"),
        (lambda document: document["subject"][0].update(digest={"sha1": "0" * 40}), "subject-digest"),
        (lambda document: document["subject"][0]["digest"].update(sha1="0" * 40), "subject-digest"),
        (lambda document: document["subject"][0].update(digest={}), "subject-digest"),
        (lambda document: document["predicate"].update(decision="reject"), "decision"),
        (lambda document: document["predicate"].update(person="ben"), "approval-fields"),
        (lambda document: document["predicate"].pop("time"), "approval-fields"),
        (lambda document: document["predicate"].update(scope="some"), "scope"),
        (lambda document: document["predicate"].update(scope=[]), "scope"),
        (lambda document: document["predicate"].update(scope=["b", "a"]), "scope"),
        (lambda document: document["predicate"].update(scope=["a", "a"]), "scope"),
        (lambda document: document["predicate"].update(scope=["all"]), "value"),
        (lambda document: document["predicate"].update(scope=None), "scope"),
        (lambda document: document["predicate"].update(reproduced=1), "type"),
        (lambda document: document["predicate"].update(revision=True), "type"),
        (lambda document: document["predicate"].update(time="yesterday"), "value"),
        (lambda document: document.update(predicateType="https://slsa.dev/provenance/v1"), "predicate-type"),
        (lambda document: document.update(_type="other"), "statement-type"),
        (lambda document: document.pop("predicate"), "missing"),
    ],
)
def test_approval_by_a_known_key_that_breaks_a_rule_refuses_the_set(change, code):
    hotfix = manifest()
    odd = reworded(approval(hotfix), change, "ed-cleo")
    assert refused(hotfix, sidecars(hotfix, ["ada", "ben", odd])) == f"statement.{code}"
    # The same by an unknown key is not looked into.
    unknown = reworded(approval(hotfix), change, "mallory")
    assert verify(hotfix.data, sidecars(hotfix, ["ada", "ben", unknown]), trust(), NOW)


def test_bad_signature_by_a_known_key_refuses_the_set():
    hotfix = manifest()
    good = approval(hotfix, "ed-cleo")
    forged = envelopes.Envelope(good.payload_type, good.payload, ((good.signatures[0][0], bytes(64)),))
    assert refused(hotfix, sidecars(hotfix, ["ada", "ben", forged])) == "signature.point-small-order"
    swapped = envelopes.Envelope(
        good.payload_type, good.payload, ((signer("ada").public.keyid, approval(hotfix, "ben").signatures[0][1]),)
    )
    assert refused(hotfix, sidecars(hotfix, ["ada", "ben", swapped])) == "signature.mismatch"


def test_bad_signature_by_a_revoked_key_refuses_the_set_too():
    hotfix = manifest()
    good = approval(hotfix, "ed-cleo")
    forged = envelopes.Envelope(good.payload_type, good.payload, ((good.signatures[0][0], b"short"),))
    against = trust(policy_document(with_key("cleo", "ed-cleo", Purpose.APPROVER, status="revoked")))
    assert refused(hotfix, sidecars(hotfix, ["ada", "ben", forged]), against) == "signature.length"


def test_bad_signature_by_an_unknown_key_counts_for_nothing():
    hotfix = manifest()
    rubbish = envelopes.Envelope(approval(hotfix).payload_type, b"rubbish", (("0" * 64, b"rubbish"),))
    verified = verify(hotfix.data, sidecars(hotfix, ["ada", "ben", rubbish]), trust(), NOW)
    assert [one.keyid for one in verified.uncounted] == ["0" * 64]


def test_approval_with_two_signatures_refuses_the_set():
    hotfix = manifest()
    both = approval(hotfix).signed_by(signer("ben"))
    assert refused(hotfix, sidecars(hotfix, [both])) == "statement.several-signatures"


def test_swapped_payload_type_refuses_the_set():
    hotfix = manifest()
    good = approval(hotfix, "ed-cleo")
    swapped = envelopes.Envelope("application/json", good.payload, good.signatures)
    assert refused(hotfix, sidecars(hotfix, ["ada", "ben", swapped])) == "statement.payload-type"


def test_provenance_and_approvals_cannot_stand_for_each_other():
    hotfix = manifest()
    given = sidecars(hotfix)
    assert refused(hotfix, Sidecars(given.approvals, given.approvals)) == "statement.provenance-purpose"
    assert refused(hotfix, Sidecars(given.provenance, given.provenance)) == "statement.predicate-type"


# Scope


def test_approval_for_named_customers_counts_at_their_sites_only():
    hotfix = manifest()
    named = [approval(hotfix, by, frozenset(["c-1", "c-2"])) for by in ("ada", "ben")]
    given = sidecars(hotfix, named)
    assert persons(verify(hotfix.data, given, trust(customer="c-1"), NOW)) == ["ada", "ben"]
    assert refused(hotfix, given, trust(customer="c-3")) == "approval.scope"
    assert refused(hotfix, given, trust()) == "approval.scope"


def test_approval_for_all_counts_at_every_site():
    hotfix = manifest()
    assert verify(hotfix.data, sidecars(hotfix), trust(customer="c-1"), NOW)


STRICTER_FOR_ALL = [
    {"threshold": 2, "independent": 1, "reproduced": 0},
    {"match": {"scope": "all"}, "threshold": 3, "independent": 1, "reproduced": 0},
]


def test_release_to_all_cannot_come_in_by_the_weaker_rules_for_some():
    hotfix, some = manifest(), frozenset(["c-1"])
    against = trust(policy_document(rules=STRICTER_FOR_ALL), customer="c-1")
    named = [approval(hotfix, by, some) for by in ("ada", "ben")]
    assert persons(verify(hotfix.data, sidecars(hotfix, named), against, NOW)) == ["ada", "ben"]
    assert refused(hotfix, sidecars(hotfix, ["ada", "ben"]), against) == "approval.quorum"
    mixed = [approval(hotfix, "ada", some), "ben"]
    assert refused(hotfix, sidecars(hotfix, mixed), against) == "approval.quorum"
    assert len(persons(verify(hotfix.data, sidecars(hotfix, [*mixed, "ed-cleo"]), against, NOW))) == 3


def test_further_approval_never_makes_a_good_set_bad():
    hotfix, some = manifest(), frozenset(["c-1"])
    against = trust(policy_document(rules=STRICTER_FOR_ALL), customer="c-1")
    given = [approval(hotfix, "ada", some), approval(hotfix, "ben", some), "ed-cleo"]
    assert persons(verify(hotfix.data, sidecars(hotfix, given), against, NOW)) == ["ada", "ben"]


# What rules demand


def test_browser_signatures_alone_are_not_enough():
    hotfix = manifest()
    assert refused(hotfix, sidecars(hotfix, ["dora", "emil"])) == "approval.independent"
    assert verify(hotfix.data, sidecars(hotfix, ["dora", "ada"]), trust(), NOW)


def test_all_keys_of_vault_are_one_custody():
    hotfix = manifest()
    assert verify(hotfix.data, sidecars(hotfix, ["tess", "toni"]), trust(), NOW)
    strict = trust(policy_document(rules=[{"threshold": 2, "independent": 2, "reproduced": 0}]))
    assert refused(hotfix, sidecars(hotfix, ["tess", "toni"]), strict) == "approval.independent"
    assert verify(hotfix.data, sidecars(hotfix, ["tess", "ada"]), strict, NOW)


def test_release_to_all_from_git_must_be_rebuilt_by_default():
    hotfix = manifest()
    by_default = trust(policy_document(rules=[{"threshold": 2}]), customer="c-1")
    assert refused(hotfix, sidecars(hotfix), by_default) == "approval.reproduced"
    rebuilt = ["ada", approval(hotfix, "ben", reproduced=True)]
    assert verify(hotfix.data, sidecars(hotfix, rebuilt), by_default, NOW)
    some = [approval(hotfix, by, frozenset(["c-1"])) for by in ("ada", "ben")]
    assert verify(hotfix.data, sidecars(hotfix, some), by_default, NOW)


def test_release_from_folders_need_not_be_rebuilt_by_default():
    source = {"kind": "folders", "source": "build 7", "base_files": "1" * 64, "head_files": "2" * 64}
    hotfix = manifest(provenance=source)
    assert verify(hotfix.data, sidecars(hotfix), trust(policy_document(rules=[{"threshold": 2}])), NOW)


def test_strictest_of_all_matching_rules_wins():
    rules = [
        *vendor.RULES,
        {"match": {"severity": ["important", "critical"]}, "threshold": 3, "reproduced": 0},
        {"match": {"source": "git"}, "threshold": 1, "independent": 2, "reproduced": 0},
    ]
    against = trust(policy_document(rules=rules))
    low, high = manifest(severity="low"), manifest(severity="critical")
    assert verify(low.data, sidecars(low), against, NOW)
    assert refused(low, sidecars(low, ["ada", "dora"]), against) == "approval.independent"
    assert refused(high, sidecars(high), against) == "approval.quorum"
    assert verify(high.data, sidecars(high, ["ada", "ben", "dora"]), against, NOW)


def test_unknown_severity_takes_the_strictest_rule():
    rules = [*vendor.RULES, {"match": {"severity": ["critical"]}, "threshold": 3, "reproduced": 0}]
    hotfix = manifest(severity="catastrophic")
    assert refused(hotfix, sidecars(hotfix), trust(policy_document(rules=rules))) == "approval.quorum"


def test_steps_as_root_and_irreversible_ones_can_have_rules_of_their_own():
    def with_step(**changes):
        script = "5" * 64
        step = {
            "id": "stop",
            "kind": "script",
            "phase": "stop",
            "script": script,
            "interpreter": "/bin/sh",
            "args": [],
            "timeout_s": 5,
            "root": False,
            "idempotent": True,
            "irreversible": False,
            "on": "both",
        }
        return manifest(steps=[{**step, **changes}], scripts=[{"sha256": script, "size": 3}])

    for name in ("root", "irreversible"):
        rules = [*vendor.RULES, {"match": {name: True}, "threshold": 3, "reproduced": 0}]
        against = trust(policy_document(rules=rules))
        harmless, grave = with_step(), with_step(**{name: True})
        assert verify(harmless.data, sidecars(harmless), against, NOW)
        assert refused(grave, sidecars(grave), against) == "approval.quorum"


def test_role_must_be_held_by_one_who_approved():
    against = trust(policy_document(rules=[{**vendor.RULES[0], "roles": ["security"]}]))
    hotfix = manifest()
    assert verify(hotfix.data, sidecars(hotfix, ["ada", "ben"]), against, NOW)
    assert refused(hotfix, sidecars(hotfix, ["ada", "ed-cleo"]), against) == "approval.roles"


# Nothing can be changed unnoticed


def flips(data, step):
    for place in range(0, len(data), step):
        yield data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def test_every_flipped_byte_of_the_sidecars_is_noticed(backend):
    hotfix, against = manifest(), trust()
    given = sidecars(hotfix)
    for changed in flips(given.approvals, 11):
        refused(hotfix, Sidecars(given.provenance, changed), against)
    for changed in flips(given.provenance, 37):
        refused(hotfix, Sidecars(changed, given.approvals), against)


def test_every_flipped_byte_of_the_manifest_is_noticed():
    hotfix, against = manifest(), trust()
    given = sidecars(hotfix)
    for changed in flips(hotfix.data, 3):
        with pytest.raises(PatchlineError):
            verify(changed, given, against, NOW)


def test_truncated_sidecars_are_noticed():
    hotfix, against = manifest(), trust()
    given = sidecars(hotfix)
    for size in range(0, len(given.approvals), 23):
        refused(hotfix, Sidecars(given.provenance, given.approvals[:size]), against)


def test_custody_comes_from_the_policy_and_not_from_the_statement():
    hotfix = manifest()
    browsers = {**vendor.PERSONS, "ada": [policy_key("ada", custody=Custody.BROWSER)]}
    against = trust(policy_document(browsers))
    assert refused(hotfix, sidecars(hotfix, ["ada", "dora"]), against) == "approval.independent"


WITHOUT = """
import sys
sys.modules["cryptography"] = None
from patchline.patches import backends
from tests.patches import test_verify as tests
assert backends.active().name == "pure"
tests.test_two_approvals_of_an_attested_manifest_are_enough()
tests.test_bad_signature_by_a_known_key_refuses_the_set()
tests.test_revoked_key_counts_for_nothing()
tests.test_strictest_of_all_matching_rules_wins()
from tests.patches import test_trust
test_trust.test_root_rotates_when_old_and_new_holders_sign()
test_trust.test_root_signed_by_too_few_does_not_count([])
test_trust.test_root_with_a_wrong_signature_does_not_count()
print("all well")
"""


def test_everything_is_verified_where_cryptography_cannot_be_imported():
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT],
        check=False,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "all well\n", done.stderr
