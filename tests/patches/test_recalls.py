from dataclasses import replace
from datetime import timedelta

import pytest

from patchline.patches import documents, envelopes
from patchline.patches.errors import ExpiredError, PatchlineError
from patchline.patches.policy import Policy
from patchline.patches.recall_list import Entry, Held, RecallList
from patchline.patches.recall_statements import Recall, Reinstatement, Revision
from patchline.patches.recalls import KnownRecalls, Recalled
from patchline.patches.statements import PAYLOAD_TYPE
from patchline.patches.verify import verify
from tests import vendor
from tests.vendor import NOW, PERSONS, manifest, policy_document, policy_key, signer

BAD, GOOD = manifest(), manifest(revision=2)


def policy(**changes):
    return Policy.parse(documents.encode(policy_document(**changes)))


POLICY = policy()


def recall(of=BAD, **more):
    return Recall.make(of, **{"reason": "loses orders", "now": NOW, **more})


def signed(statement, *names):
    return tuple(envelopes.sign(statement.as_payload(), PAYLOAD_TYPE, signer(name)) for name in names)


def entry(statement, names=("ada", "ben"), reinstated=()):
    return Entry(statement.revision, signed(statement, *names), reinstated)


def listed(*entries, number=1, held=(), product="demo", issued=NOW):
    return RecallList.make(product, number, issued, held, entries)


def known(*entries, against=POLICY, **more):
    return KnownRecalls.first(listed(*entries, **more), against)


def refused(call, *arguments, **more):
    with pytest.raises(PatchlineError) as caught:
        call(*arguments, **more)
    assert caught.value.hint
    return caught.value.code


def test_two_persons_recall():
    found = known(entry(recall(replacement=GOOD))).state(BAD, POLICY)
    assert found == Recalled(Revision.of(BAD), "loses orders", Revision.of(GOOD), void=False)
    assert "HF-2026-0001-r2 replaces it" in found.as_error().message


def test_what_is_not_listed_is_free():
    assert known(entry(recall())).state(GOOD, POLICY) is None


@pytest.mark.parametrize(
    "names", [("ada",), ("ada", "ada"), ("ada", "stranger"), ("ada", "builder"), ("ada", "release")], ids=str
)
def test_fewer_than_two_approvers_only_hold(names):
    found = known(entry(recall(), names)).state(BAD, POLICY)
    assert isinstance(found, Held) and found.as_error().code == "recalled.held"


def test_two_keys_of_one_person_are_one_person():
    persons = {**PERSONS, "ada": [policy_key("ada"), policy_key("ada-2")]}
    against = policy(persons=persons)
    assert isinstance(known(entry(recall(), ("ada", "ada-2")), against=against).state(BAD, against), Held)


@pytest.mark.parametrize("status", ["revoked", {"retired": []}, {"retired": [BAD.digest]}], ids=str)
def test_only_active_keys_recall(status):
    against = policy(persons={**PERSONS, "ben": [policy_key("ben", status=status)]})
    assert isinstance(known(entry(recall()), against=against).state(BAD, against), Held)


def test_contributors_and_builders_may_recall():
    own = manifest(contributors=["ada"])
    assert isinstance(known(entry(recall(own), ("ada", "bob"))).state(own, POLICY), Recalled)


def test_two_different_statements_are_no_recall():
    one, other = recall(), recall(reason="is ugly")
    both = Entry(one.revision, (*signed(one, "ada"), *signed(other, "ben")))
    assert isinstance(known(both).state(BAD, POLICY), Held)


def test_held_comes_and_goes():
    held = known(held=[Held(Revision.of(BAD), "being looked at")])
    assert held.state(BAD, POLICY).reason == "being looked at"
    assert held.advanced(listed(number=2), POLICY).state(BAD, POLICY) is None


def test_list_never_goes_back():
    assert refused(known(number=3).advanced, listed(number=2), POLICY) == "recalls.older"


def test_two_lists_of_one_number_are_refused():
    before = known(number=3)
    assert before.advanced(listed(number=3), POLICY) == before
    assert refused(before.advanced, listed(number=3, issued=NOW + timedelta(1)), POLICY) == "recalls.fork"


def test_stolen_online_key_cannot_use_up_the_numbers():
    assert refused(known, number=(1 << 50) + 1) == "recalls.number"
    assert refused(known().advanced, listed(number=1_000_002), POLICY) == "recalls.number"
    assert known(number=1 << 50).advanced(listed(number=(1 << 50) + 1), POLICY)


def test_list_that_lacks_a_recall_is_refused():
    before = known(entry(recall()))
    assert refused(before.advanced, listed(number=2), POLICY) == "recalls.lost"
    again = entry(recall(reason="something harmless"))
    assert refused(before.advanced, listed(again, number=2), POLICY) == "recalls.lost"


def test_entry_that_was_never_proven_may_go():
    before = known(entry(recall(), ("ada",)))
    assert before.advanced(listed(number=2), POLICY).state(BAD, POLICY) is None


def test_recall_stays_when_its_keys_are_gone():
    before = known(entry(recall()))
    later = policy(version=2, previous="0" * 64, persons={**PERSONS, "ben": [policy_key("ben", status="revoked")]})
    after = before.under(later).advanced(listed(entry(recall(), ("ada",)), number=2), later)
    assert isinstance(after.state(BAD, later), Recalled)
    assert isinstance(KnownRecalls.first(after.newest, later).state(BAD, later), Held)


def test_newer_policy_proves_what_an_older_one_did_not_know():
    new = {**PERSONS, "zoe": [policy_key("zoe")]}
    before = known(entry(recall(), ("ada", "zoe")))
    later = policy(version=2, previous="0" * 64, persons=new)
    assert isinstance(before.state(BAD, POLICY), Held)
    assert isinstance(before.under(later).state(BAD, later), Recalled)


def test_recall_by_the_policy_stays_honoured():
    against = policy(recalls=[BAD.digest])
    assert known(against=against).state(BAD, against).reason == "by policy 1"


def test_newest_recall_that_is_proven_speaks():
    one, other = recall(), recall(reason="worse", replacement=GOOD, now=NOW + timedelta(1))
    both = Entry(one.revision, (*signed(one, "ada", "ben"), *signed(other, "ada", "ben")))
    assert known(both).state(BAD, POLICY).replacement == Revision.of(GOOD)


def test_replacement_that_is_recalled_itself_is_none():
    entries = [entry(recall(replacement=GOOD)), entry(recall(GOOD))]
    assert known(*entries).state(BAD, POLICY).replacement is None
    against = policy(recalls=[GOOD.digest])
    assert known(entries[0], against=against).state(BAD, against).replacement is None


def test_void_is_told():
    assert known(entry(recall(void=True))).state(BAD, POLICY).void


def reinstated(statement, names, of=BAD, by=None):
    back = Reinstatement.make(of, reason="was a mistake", recalls=frozenset([statement.digest]), now=NOW)
    return entry(statement, by or ("ada", "ben"), signed(back, *names))


def test_quorum_takes_a_recall_back():
    assert known(reinstated(recall(), ("ada", "ed-cleo"))).state(BAD, POLICY) is None


@pytest.mark.parametrize(
    "names", [(), ("ada",), ("ada", "bob"), ("ada", "stranger"), ("dora", "emil"), ("tess", "builder")], ids=str
)
def test_less_than_the_approval_quorum_takes_nothing_back(names):
    assert isinstance(known(reinstated(recall(), names)).state(BAD, POLICY), Recalled)


def test_contributor_takes_no_recall_back():
    own = manifest(contributors=["ada"])
    found = known(reinstated(recall(own), ("ada", "ben"), own)).state(own, POLICY)
    assert isinstance(found, Recalled)


def test_rules_for_the_manifest_decide_about_taking_back():
    strict = policy(rules=[*vendor.RULES, {"match": {"scope": "all"}, "threshold": 3}])
    back = reinstated(recall(), ("ada", "ben"))
    assert isinstance(known(back, against=strict).state(BAD, strict), Recalled)
    assert known(reinstated(recall(), ("ada", "ben", "ed-cleo")), against=strict).state(BAD, strict) is None


def test_newer_recall_counts_after_a_reinstatement():
    one, other = recall(), recall(now=NOW + timedelta(1))
    back = reinstated(one, ("ada", "ben"))
    again = replace(back, statements=(*back.statements, *signed(other, "ada", "ben")))
    after = known(back).advanced(listed(again, number=2), POLICY)
    assert isinstance(after.state(BAD, POLICY), Recalled)


def test_reinstatement_does_not_outweigh_the_policy():
    against = policy(recalls=[BAD.digest])
    found = known(reinstated(recall(), ("ada", "ben")), against=against).state(BAD, against)
    assert isinstance(found, Recalled) and found.reason == "loses orders"


def test_bad_signature_by_a_known_key_refuses_the_list():
    made = entry(recall())
    forged = replace(made.statements[0], payload=recall(reason="other").as_payload())
    assert refused(known, replace(made, statements=(forged,))) == "signature.mismatch"


def test_statement_about_something_else_refuses_the_list():
    moved = replace(entry(recall(GOOD)), revision=Revision.of(BAD))
    assert refused(known, moved) == "statement.subject"
    foreign = signed(replace(recall(), product="other"), "ada")
    assert refused(known, Entry(Revision.of(BAD), foreign)) == "statement.product"
    approval = vendor.approval(BAD)
    assert refused(known, Entry(Revision.of(BAD), (approval,))) == "statement.predicate-type"


def test_unknown_keys_are_not_looked_into():
    strange = envelopes.sign(b"no statement at all", PAYLOAD_TYPE, signer("stranger"))
    found = known(Entry(Revision.of(BAD), (strange,))).state(BAD, POLICY)
    assert isinstance(found, Held)


def test_list_of_another_product_is_refused():
    assert refused(known, product="other") == "recalls.product"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"format": 2}, "recalls.format"),
        ({"number": 0}, "recalls.value"),
        ({"issued": "2026-13-01T00:00:00Z"}, "recalls.value"),
        ({"held": None}, "recalls.type"),
        ({"product": ""}, "recalls.value"),
        ({"held": [{**Revision.of(BAD).as_document(), "reason": "a\nb"}]}, "recalls.value"),
        ({"recalled": [{**Revision.of(BAD).as_document(), "statements": [], "reinstated": []}]}, "recalls.unsigned"),
    ],
    ids=str,
)
def test_malformed_lists_have_codes(change, code):
    document = {**documents.decode(listed().data, what="list"), **change}
    assert refused(RecallList.parse, documents.encode(document)) == code


def test_each_manifest_stands_once():
    held = Held(Revision.of(BAD), "why")
    assert refused(listed, held=[held, held]) == "recalls.unsorted"
    assert refused(listed, entry(recall()), entry(recall())) == "recalls.unsorted"


def test_each_envelope_has_one_signature():
    both = signed(recall(), "ada")[0].signed_by(signer("ben"))
    assert refused(listed, Entry(Revision.of(BAD), (both,))) == "recalls.several-signatures"


def test_what_a_site_keeps_is_read_again():
    before = known(entry(recall()), held=[Held(Revision.of(GOOD), "why")])
    assert KnownRecalls.parse(before.as_payload()) == before


def test_age_is_limited_by_the_policy():
    found, day = known(), timedelta(days=1)
    assert found.check_fresh(POLICY, NOW + 44 * day) == ()
    with pytest.raises(ExpiredError) as caught:
        found.check_fresh(POLICY, NOW + 46 * day)
    assert caught.value.code == "expired.recalls" and "46 days old" in caught.value.message
    assert found.check_fresh(POLICY, NOW + 46 * day, NOW + 50 * day)
    assert refused(found.check_fresh, POLICY, NOW + 46 * day, NOW + 46 * day) == "expired.recalls"


def test_verify_refuses_what_the_list_recalls_or_holds():
    for found, code in [
        (known(entry(recall())), "recalled.list"),
        (known(held=[Held(Revision.of(BAD), "why")]), "recalled.held"),
    ]:
        assert refused(verify, BAD.data, vendor.sidecars(BAD), vendor.trust(), NOW, recalls=found) == code
        assert verify(GOOD.data, vendor.sidecars(GOOD), vendor.trust(), NOW, recalls=found)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"reason": ""}, "statement.value"),
        ({"reason": "x" * 1001}, "statement.value"),
        ({"reason": "two\nlines"}, "statement.value"),
        ({"replacement": BAD}, "statement.replacement"),
    ],
    ids=["empty", "long", "lines", "itself"],
)
def test_bad_recalls_cannot_be_made(more, code):
    assert refused(recall, **more) == code


def test_replacement_of_another_product_cannot_be_named():
    other = manifest(target={**documents.decode(BAD.data, what="manifest")["target"], "product": "other"})
    assert refused(recall, replacement=other) == "statement.product"
