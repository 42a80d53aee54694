"""Drills: an approver loses a key, has it stolen, or leaves; a signer of policies has theirs stolen. Customers go on."""

import pytest

from patchline.patches import documents
from patchline.patches.envelopes import write_sidecar
from tests import vendor
from tests.channel_worlds import Shop, policy
from tests.forged_channels import OFFLINE, make_targets
from tests.vendor import PERSONS, approval, policy_key

ONE, TWO = "HF-2026-0001-r1", "HF-2026-0002-r1"


class Office(Shop):
    """A vendor whose people's keys change; `ben` and `cleo` approved the first hotfix, which is published."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.first = self.hotfix()
        self.publish(self.first)
        assert self.standings() == {ONE: "new"}

    def next_policy(self, **persons):
        self.put_policy(policy(2, persons={**PERSONS, **persons}))
        self.channel.commit()

    def second(self, *approvers):
        """Publish another hotfix, approved by these keys."""
        made = self.hotfix("HF-2026-0002", "b.txt")
        return self.approved(made, *approvers)

    def approved(self, made, *approvers):
        path = made.path.with_name(f"{made.path.name}.approvals.jsonl")
        path.write_bytes(write_sidecar([approval(made.manifest, name) for name in approvers]))
        self.publish(made)
        return self.outcomes()

    def outcomes(self):
        return {one["release"]: one["error"] or one["standing"] for one in self.fetch()["offers"]}


@pytest.fixture
def office(tmp_path):
    return Office(tmp_path)


def test_drill_approver_who_lost_a_key_gets_another_and_what_was_approved_stays_approved(office):
    old = policy_key("ben", status={"retired": [office.first.manifest.digest]})
    office.next_policy(ben=[old, policy_key("ben-2")])
    assert office.outcomes() == {ONE: "new"}
    assert office.second("ben", "ed-cleo") == {ONE: "new", TWO: "approval.retired"}
    assert office.second("ben-2", "ed-cleo") == {ONE: "new", TWO: "new"}


def test_drill_stolen_approvers_key_is_revoked_and_others_approve_again(office):
    assert office.second("ben", "tess")[TWO] == "new"
    office.next_policy(ben=[policy_key("ben", status="revoked")])
    assert office.outcomes() == {ONE: "approval.revoked", TWO: "approval.revoked"}
    assert office.second("tess", "ben", "ed-cleo")[TWO] == "new"
    assert office.approved(office.first, "ed-cleo", "tess")[ONE] == "new"


def test_drill_what_is_applied_stays_when_its_approver_is_revoked(office):
    [offer] = office.fetch()["offers"]
    office.site("apply", offer["path"])
    office.next_policy(ben=[policy_key("ben", status="revoked")])
    assert office.outcomes() == {ONE: "applied"}
    assert office.site("inventory", "--check", "--json").document["drift"] == []
    office.site("rollback", "HF-2026-0001")
    assert office.outcomes() == {ONE: "approval.revoked"}


def test_drill_approver_who_leaves_is_followed_by_a_new_one(office):
    gone = [{**key, "status": {"retired": [office.first.manifest.digest]}} for key in PERSONS["cleo"]]
    office.next_policy(cleo=gone, zoe=[policy_key("zoe")])
    assert office.second("zoe", "ben") == {ONE: "new", TWO: "new"}
    assert office.second("ed-cleo", "ben")[TWO] == "approval.retired"


def test_drill_stolen_key_of_a_policy_signer_is_dropped_by_the_two_others(office):
    thief, *others = OFFLINE
    names = (*others, "offline-4")
    office.channel.rotate(names=names, by=(*others, "offline-4"))
    office.channel.targets = make_targets(2, names=names)
    document = vendor.policy_document(version=2, previous=documents.digest(policy().payload), root_steps=True)
    office.put_policy(vendor.policy_envelope(document, others))
    office.channel.commit()
    assert office.outcomes() == {ONE: "new"}
    after = vendor.policy_document(
        version=3, previous="0" * 64, root_steps=True, persons={**PERSONS, "eve": [policy_key("eve")]}
    )
    office.put_policy(vendor.policy_envelope(after, (thief, others[0])))
    office.channel.commit()
    assert office.fetch(expect=21)["error"] == "trust.policy-signatures"
