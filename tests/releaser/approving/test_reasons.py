import pytest

from patchline.patches import documents
from patchline.patches.policy import Custody, Policy, Purpose
from patchline.releaser import approvals
from patchline.releaser.approving import queue
from patchline.releaser.approving.reasons import Case, Reader, may_sign
from patchline.releaser.states import State
from tests import vendor
from tests.approving import Device, policy_with

ADA = Device("ada")


def policy(**persons):
    keys = {**vendor.PERSONS, **persons}
    return Policy.parse(documents.encode(vendor.policy_document(keys)))


def reader(person="ada", *, disabled=False, roles=("engineer",), enrolled=()):
    return Reader(person, disabled, frozenset(roles), frozenset(enrolled))


def case(state=State.IN_REVIEW, *, enough=False, parts=(), voted=(), by=None, ratifies=False):
    return Case("HF-1-r1", state, enough, parts, voted, policy() if by is None else by, ratifies)


def test_who_has_a_key_and_no_part_in_it_may_sign():
    answer = may_sign(reader(), case())
    assert answer.may and answer.words == "You may sign on your own machine"
    assert answer.has(Custody.CLI) and not answer.has(Custody.TRANSIT)
    assert may_sign(reader("tess"), case()).words == "You may sign with your login to Vault"


def test_what_went_out_as_an_emergency_is_ratified():
    assert may_sign(reader(), case(State.PUBLISHED, ratifies=True)).may
    assert not may_sign(reader(), case(State.PUBLISHED)).may


ENDED = {**vendor.policy_key("ada"), "status": "revoked"}


@pytest.mark.parametrize(
    ("who", "what", "reason"),
    [
        (reader(), case(State.REJECTED), "HF-1-r1 is rejected, not in review"),
        (reader(), case(State.APPROVED, enough=True), "it is approved by as many as it takes"),
        (reader(disabled=True), case(), "you were disabled"),
        (reader(roles=["auditor"]), case(), "you are an auditor, who looks and signs nothing"),
        (reader(), case(parts=[("ada", "author"), ("bob", "builder")]), "you are its author"),
        (reader(), case(voted=["ada"]), "you have approved it already"),
        (reader("rita"), case(), "policy 1 lists no approver's key of yours"),
        (
            reader("rita", enrolled=["ab"]),
            case(),
            "policy 1 lists no approver's key of yours; the key of your browser is made, not yet in the policy",
        ),
        (reader(), case(by=policy(ada=[ENDED])), "policy 1 has retired or revoked your keys"),
        (
            reader("dora"),
            case(),
            "your only key in the policy lies in a browser and was retired or never enrolled here",
        ),
    ],
)
def test_each_reason_against_it_is_told_without_trying(who, what, reason):
    answer = may_sign(who, what)
    assert answer.against == (reason,) and answer.words == f"You may not sign: {reason}"


def test_without_a_policy_nobodys_signature_counts():
    found = Case("HF-1-r1", State.IN_REVIEW, False, (), (), None)
    assert may_sign(reader(), found).against == ("the product has no policy yet, so nobody's signature counts",)


def test_all_reasons_are_told_at_once():
    found = may_sign(reader("bob", disabled=True), case(State.DRAFT, parts=[("bob", "builder")], voted=["bob"]))
    assert len(found.against) == 4


def test_a_key_of_a_browser_counts_where_it_was_enrolled():
    listed = policy(dora=[ADA.policy_key()])
    keyid = ADA.public.keyid
    answer = may_sign(reader("dora", enrolled=[keyid]), case(by=listed))
    assert answer.browser == (keyid,) and answer.words == "You may sign in the browser that holds your key"
    assert not may_sign(reader("dora"), case(by=listed)).may
    assert [key.purpose for key in answer.keys] == [Purpose.APPROVER]


def test_an_emergency_that_ends_stands_before_everything_and_is_ratified_in_the_browser(life):
    emergency = {"role": "security", "max_hours": 24, "threshold": 1}
    life.prepare(policy_with(ADA, emergency=emergency))
    ADA.enrolled(life)
    urgent = life.reviewed(wanted={"customers": ("acme",), "severity": "low"}, severity="low")
    life.approve(urgent, "ben", scope=frozenset({"acme"}), emergency=12)
    life.publish(urgent)
    grave = life.reviewed(wanted={"severity": "critical"}, severity="critical")
    with life.register.read() as session:
        found = queue.queue(session, "ada")
    assert [one.hotfix.id for one in found] == [urgent, grave]
    assert found[0].due is not None and found[0].answer.may and found[1].due is None
    ADA.vote(life, urgent)
    taken = life_ratified(life, urgent)
    assert taken.count.enough and taken.revision.ratified == life.now
    with life.register.read() as session:
        assert [one.hotfix.id for one in queue.queue(session, "ada")] == [grave]


def life_ratified(life, identifier):
    sidecar = life.approval(identifier, "tess", scope=frozenset({"acme"}))
    with life.change("rita") as change:
        return approvals.ratify(change, identifier, sidecar, life.root)
