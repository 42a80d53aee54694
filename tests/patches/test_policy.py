import pytest

from patchline.patches import documents
from patchline.patches.errors import PatchlineError
from patchline.patches.policy import Custody, Policy, Purpose, independent_custodies
from tests.vendor import PERSONS, RULES, policy_document, policy_key, signer


def parsed(**changes):
    return Policy.parse(documents.encode(policy_document(**changes)))


def refused(**changes):
    with pytest.raises(PatchlineError) as caught:
        parsed(**changes)
    assert caught.value.hint
    return caught.value.code


def with_key(**changes):
    return {"persons": {**PERSONS, "ada": [{**policy_key("ada"), **changes}]}}


def with_rule(**changes):
    return {"rules": [{**RULES[0], **changes}]}


def test_policy_knows_persons_and_keys():
    policy = parsed()
    assert policy.version == 1 and policy.product == "demo" and policy.recall_max_age_days == 45
    key = policy.keys[signer("ben").public.keyid]
    assert (key.person, key.purpose, key.custody, key.roles) == ("ben", "approver", "cli", {"security"})
    assert policy.digest == documents.digest(policy.data)


def test_unknown_keys_are_ignored_unless_critical():
    assert parsed(quantum={"role": "duty"}).data
    assert parsed(**with_rule(deadline=3)).rules
    assert refused(quantum={"role": "duty"}, critical=["quantum"]) == "trust.critical"
    assert parsed(critical=["rules", "threshold"])


def test_rule_with_an_unknown_condition_applies_more_widely_not_less():
    policy = parsed(rules=[*RULES, {"match": {"moon": "full"}, "threshold": 3, "reproduced": 0}])
    assert policy.rules[1].matches_all


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"format": 2}, "format"),
        ({"version": 0}, "value"),
        ({"version": True}, "type"),
        ({"version": 2}, "policy-chain"),
        ({"previous": "0" * 64}, "policy-chain"),
        ({"version": 2, "previous": "0" * 63}, "value"),
        ({"product": "a/b"}, "value"),
        ({"persons": {}}, "unreachable"),
        ({"persons": {"Ada": [policy_key("ada")]}}, "value"),
        ({"persons": {"unknown:ada": [policy_key("ada")]}}, "value"),
        ({"rules": []}, "no-rule"),
        ({"rules": [{"match": {"severity": ["low"]}, "threshold": 2}]}, "no-rule"),
        ({"root_steps": "no"}, "type"),
        ({"recalls": ["0" * 63]}, "value"),
        ({"recalls": ["1" * 64, "0" * 64]}, "value"),
        ({"recalls": ["1" * 64, "1" * 64]}, "value"),
        ({"recall_max_age_days": 0}, "value"),
        (with_rule(threshold=0), "threshold"),
        (with_rule(threshold=-1), "threshold"),
        (with_rule(threshold=1_000_000), "threshold"),
        (with_rule(threshold=9), "unreachable"),
        (with_rule(threshold="2"), "type"),
        (with_rule(threshold=True), "type"),
        (with_rule(independent=-1), "threshold"),
        (with_rule(independent=6), "unreachable"),
        (with_rule(reproduced=9), "unreachable"),
        (with_rule(reproduced=-1), "threshold"),
        (with_rule(roles=["king"]), "unreachable"),
        (with_rule(match={"severity": []}), "value"),
        (with_rule(match={"severity": ["grave"]}), "value"),
        (with_rule(match={"scope": "some"}), "value"),
        (with_rule(match={"source": "svn"}), "value"),
        (with_rule(match={"root": 1}), "type"),
        (with_key(keyid="0" * 64), "keyid"),
        (with_key(keyid=signer("ben").public.keyid), "keyid"),
        (with_key(purpose="king"), "value"),
        (with_key(custody="cloud"), "value"),
        (with_key(status="sleeping"), "value"),
        (with_key(status={"retired": ["x"]}), "value"),
        (with_key(status={}), "missing"),
        (with_key(roles=["Security"]), "value"),
        (with_key(public=None), "type"),
    ],
)
def test_policy_that_breaks_a_rule_is_refused(changes, code):
    assert refused(**changes) == f"trust.{code}"


def test_emergency_rule_is_there_or_not():
    assert parsed().emergency is None
    rule = parsed(emergency={"role": "security", "max_hours": 24, "threshold": 1}).emergency
    assert (rule.role, rule.max_hours, rule.threshold) == ("security", 24, 1)
    assert parsed(critical=["emergency", "max_hours", "role"])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"role": "king"}, "unreachable"),
        ({"role": "NO"}, "value"),
        ({"max_hours": 0}, "value"),
        ({"max_hours": 721}, "value"),
        ({"threshold": 0}, "threshold"),
        ({"threshold": 99}, "unreachable"),
        ({"threshold": None}, "type"),
    ],
    ids=str,
)
def test_emergency_rule_that_could_not_be_meant_is_refused(change, code):
    rule = {"role": "security", "max_hours": 24, "threshold": 1, **change}
    assert refused(emergency=rule) == f"trust.{code}"


def test_key_that_must_not_be_used_is_refused():
    assert refused(**with_key(public="none")) == "signature.key-pem"


def test_key_stands_once_for_one_person_and_one_purpose():
    ada = policy_key("ada")
    for again in (ada, policy_key("ada", Purpose.RELEASE), policy_key("ada", custody=Custody.BROWSER)):
        assert refused(persons={**PERSONS, "ada": [ada, again]}) == "trust.key-twice"
        assert refused(persons={**PERSONS, "zoe": [again]}) == "trust.key-twice"


def test_same_key_cannot_go_by_two_ids():
    other = {**policy_key("ada"), "keyid": "0" * 64}
    assert refused(persons={**PERSONS, "ada": [policy_key("ada"), other]}) == "trust.keyid"


def test_retired_and_revoked_keys_do_not_make_a_threshold_reachable():
    some = {person: PERSONS[person] for person in ("ada", "bob")}
    for status in ("revoked", {"retired": []}):
        persons = {**some, "bob": [{**key, "status": status} for key in PERSONS["bob"]]}
        assert refused(persons=persons) == "trust.unreachable"
    assert parsed(persons=some)


def test_independent_custodies_are_counted_by_who_controls_them():
    cli, browser, transit = Custody
    assert (cli, browser, transit) == ("cli", "browser", "transit")
    count = independent_custodies
    assert count([("ada", browser), ("ben", browser)]) == 0
    assert count([("ada", cli), ("ada", cli), ("ben", browser)]) == 1
    assert count([("ada", transit), ("ben", transit)]) == 1
    assert count([("ada", transit), ("ben", cli)]) == 2
    assert count([("ada", transit), ("ada", cli)]) == 1
    assert count([("ada", transit), ("ada", cli), ("ben", transit)]) == 2
