"""Counting against a second, slower account of the rules: never too few, never one twice, never an author."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from patchline.patches import documents
from patchline.patches.counting import Signed, decide, judge
from patchline.patches.errors import ApprovalError
from patchline.patches.policy import Policy
from patchline.patches.statements import Approval
from tests import vendor
from tests.conftest import NOTHING_MAY_BE_SKIPPED
from tests.vendor import NOW, manifest, policy_document, policy_key, signer

PERSONS = {**vendor.PERSONS, "ada": [policy_key("ada"), policy_key("ada-2")]}
KEYS = ("ada", "ada-2", "ben", "ed-cleo", "dora", "emil", "tess", "toni", "bob", "builder", "release")
IDS = {key: signer(key).public.keyid for key in KEYS}
OWNERS = {
    key: person
    for key, keyid in IDS.items()
    for person, keys in PERSONS.items()
    if keyid in [one["keyid"] for one in keys]
}
CUSTOMER = "c-1"
SCOPES = st.sampled_from([None, frozenset([CUSTOMER]), frozenset(["c-2"])])


@st.composite
def votes(draw):
    key, scope = draw(st.sampled_from(KEYS)), draw(SCOPES)
    hours = draw(st.sampled_from([None, None, 4, 40])) if scope is not None else None
    return key, scope, draw(st.booleans()), hours


@st.composite
def policies(draw):
    rules = [{"threshold": draw(st.integers(1, 3)), "independent": draw(st.integers(0, 2)), "reproduced": 0}]
    if draw(st.booleans()):
        rules.append({"match": {"scope": "all"}, "threshold": draw(st.integers(1, 4)), "reproduced": 1})
    rule = {"role": "security", "max_hours": 24, "threshold": draw(st.integers(1, 2))}
    more = {"emergency": rule} if draw(st.booleans()) else {}
    return policy_document(PERSONS, rules, **more)


def outcome(policy, of, given_votes, builders):
    """What the product says: persons and hours, or the refusal's code."""
    made = Approval.make(of, scope=None, reproduced=False, now=NOW)
    signed = [
        Signed(policy.keys[IDS[key]], replace(made, scope=scope, reproduced=rebuilt, emergency=hours))
        for key, scope, rebuilt, hours in given_votes
    ]
    refusals = [judge(one, of, CUSTOMER, builders) for one in signed]
    counted = [one for one, refusal in zip(signed, refusals, strict=True) if refusal is None]
    try:
        approved = decide(policy, of, counted, [refusal for refusal in refusals if refusal is not None])
    except ApprovalError as error:
        return error.code, None
    return {place.person for place in approved.places}, approved.emergency


def account(document, given_votes, contributors, builders):
    """The same by sets and sums alone: who may count, and whether they are enough; None when they are not."""
    browser, vault = {"dora", "emil"}, {"tess", "toni"}
    votes = [
        (OWNERS[key], key, scope, rebuilt, hours)
        for key, scope, rebuilt, hours in given_votes
        if key not in ("builder", "release")
        and OWNERS[key] not in contributors | builders
        and (scope is None or CUSTOMER in scope)
    ]

    def enough(chosen, rules):
        persons = {person for person, *_ in chosen}
        own = len(persons - browser - vault) + bool(persons & vault)
        rebuilt = {person for person, _, _, done, _ in chosen if done}
        return all(
            len(persons) >= rule["threshold"]
            and own >= rule.get("independent", 1)
            and len(rebuilt) >= rule.get("reproduced", 0)
            for rule in rules
        )

    ordinary = [vote for vote in votes if vote[4] is None]
    general = [rule for rule in document["rules"] if not rule.get("match")]
    named = [vote for vote in ordinary if vote[2] is not None]
    unlimited = [vote for vote in ordinary if vote[2] is None]
    if (
        (named and enough(named, general))
        or (unlimited and enough(unlimited, document["rules"]))
        or (enough(ordinary, document["rules"]))
    ):
        return "ordinary"
    urgent, rule = [vote for vote in votes if vote[4] is not None], document.get("emergency")
    if rule and "ben" in {person for person, *_ in urgent} and enough(urgent, [rule]):
        return min([rule["max_hours"], *(hours for *_, hours in urgent)])
    return None


@settings(max_examples=2000 if NOTHING_MAY_BE_SKIPPED else 200)
@given(
    policies(),
    st.lists(votes(), max_size=9),
    st.sets(st.sampled_from(["ada", "ben", "cleo", "walt"]), min_size=1),
    st.sets(st.sampled_from(["bob", "ben"])),
)
def test_quorum_is_what_a_second_account_of_the_rules_says(document, given_votes, contributors, builders):
    policy = Policy.parse(documents.encode(document))
    of = manifest(contributors=sorted(contributors))
    expected = account(document, given_votes, contributors, builders)
    persons, hours = outcome(policy, of, given_votes, frozenset(builders))
    if expected is None:
        assert isinstance(persons, str)
        return
    assert isinstance(persons, set) and hours == (None if expected == "ordinary" else expected)
    assert not persons & (contributors | builders | {"release"})
    # Whoever votes again, or whom nobody may count, changes nothing.
    again = [*given_votes, *given_votes, ("release", None, True, None), ("builder", None, True, None)]
    assert outcome(policy, of, again, frozenset(builders)) == (persons, hours)
