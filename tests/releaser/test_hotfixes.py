import json

import pytest

from patchline.patches import documents
from patchline.patches.errors import PatchlineError
from patchline.releaser import approvals, hotfixes, persons, policies
from patchline.releaser.bundle_files import BundleFile
from patchline.releaser.hotfixes import Edit
from patchline.releaser.states import Action
from patchline.releaser.tables.audit import AuditEvent
from patchline.releaser.tables.hotfixes import Contributor, Hotfix, Step
from patchline.releaser.tables.people import Person, Role
from tests import vendor
from tests.hotfixes import Life
from tests.samples import manifest_document


@pytest.fixture
def life(register, tmp_path):
    (tmp_path / "files").mkdir()
    return Life(register, tmp_path / "files").prepare()


def refused(code, call):
    with pytest.raises(PatchlineError) as error:
        call()
    assert error.value.code == code, error.value
    return error.value


def test_hotfix_goes_from_draft_to_approved_once_two_have_signed(life):
    identifier = life.new()
    assert identifier == "HF-2026-0001" and life.state(identifier) == "draft"
    life.build(identifier)
    assert life.state(identifier) == "built"
    life.submit(identifier)
    assert life.state(identifier) == "in-review"
    first = life.approve(identifier, "ada")
    assert (first.persons, first.count.enough) == (("ada",), False) and "1 of 2" in first.count.lacking
    second = life.approve(identifier, "ben")
    assert second.count.enough and life.state(identifier) == "approved"
    with life.register.read() as session:
        parts = {(one.person, one.part) for one in session.query(Contributor)}
    assert parts == {("walt", "author"), ("bob", "builder"), ("cleo", "submitter"), ("cleo", "editor")}


def test_number_is_never_given_twice_and_skips_an_id_that_is_taken(life):
    with life.change() as change:
        hotfixes.new(change, hotfixes.Wanted("demo", "1.0", "by name"), "HF-2026-0002")
    assert [life.new(), life.new()] == ["HF-2026-0001", "HF-2026-0003"]
    refused("refused.hotfix-exists", lambda: add(life, "HF-2026-0003"))
    refused("usage.hotfix-field", lambda: add(life, "hf 1"))


def add(life, identifier, **wanted):
    with life.change() as change:
        hotfixes.new(
            change, hotfixes.Wanted(**{"product": "demo", "baseline": "1.0", "title": "t", **wanted}), identifier
        )


@pytest.mark.parametrize(
    "wanted",
    [
        {"title": ""},
        {"title": "a\nb"},
        {"kind": "patch"},
        {"severity": "urgent"},
        {"fixes": ("a b",)},
        {"customers": ("all",)},
    ],
)
def test_hotfix_that_no_manifest_could_describe_is_refused(life, wanted):
    refused("usage.hotfix-field", lambda: life.new(**wanted))


def test_unknown_baseline_hotfix_and_revision_are_told_apart(life):
    refused("not-found.baseline", lambda: life.new(baseline="9.9"))
    identifier = life.new()
    with life.register.read() as session:
        assert hotfixes.find(session, f"{identifier}-r1").number == 1
        refused("not-found.revision", lambda: hotfixes.find(session, f"{identifier}-r2"))
        refused("not-found.registered-hotfix", lambda: hotfixes.find(session, "HF-1999-0001"))
        refused("not-found.registered-hotfix", lambda: hotfixes.find(session, "'; DROP TABLE hotfix"))


def test_bundle_of_something_else_is_not_taken(life):
    mine, other = life.new(), life.new()
    for changes, told in (
        ({"hotfix": other}, "its hotfix is"),
        ({"revision": 2}, "its revision is 2, not 1"),
        ({"target": {"product": "shop"}}, "its product is shop"),
        ({"target": {"baselines": ["1.0", "1.1"]}}, "its baseline is 1.0 and 1.1"),
    ):
        assert told in str(refused("refused.other-bundle", lambda changes=changes: life.build(mine, **changes)))
    elsewhere = {**manifest_document()["provenance"], "base_commit": "b" * 40}
    refused("build.base-moved", lambda: life.build(mine, provenance=elsewhere))
    assert life.state(mine) == "draft"


def test_provenance_must_be_by_a_builder_and_name_the_bundle(life):
    identifier = life.new()
    found = life.build(identifier, signed=False)
    refused("statement.provenance-missing", lambda: life.submit(identifier))
    refused(
        "statement.provenance-purpose", lambda: life.submit(identifier, provenance=life.provenance(found, ("ada",)))
    )
    refused(
        "statement.provenance-unknown-key", lambda: life.submit(identifier, provenance=life.provenance(found, ("eve",)))
    )
    other = BundleFile(found.path, found.manifest, "d" * 64)
    refused("statement.container", lambda: life.submit(identifier, provenance=life.provenance(other)))
    life.submit(identifier, provenance=life.provenance(found))
    assert life.state(identifier) == "in-review"


def test_nobody_who_had_a_part_in_it_approves(life):
    identifier = life.reviewed(by="ben", contributors=["ada", "walt"])
    refused("approval.contributor", lambda: life.approve(identifier, "ada"))
    refused("refused.part-taken", lambda: life.approve(identifier, "ben"))
    refused("approval.builder", lambda: life.approve(identifier, "bob"))
    refused("approval.purpose", lambda: life.approve(identifier, "release"))
    refused("approval.unknown-key", lambda: life.approve(identifier, "eve"))
    life.approve(identifier, "ed-cleo")
    refused("refused.voted", lambda: life.approve(identifier, "ed-cleo"))
    with life.change() as change:
        change.session.get(Person, "cleo").disabled = life.now
    other = life.reviewed(by="ada")
    refused("refused.disabled-voter", lambda: life.approve(other, "ed-cleo"))


def test_approval_of_other_bytes_is_refused(life):
    identifier = life.reviewed()
    before = life.approval(identifier)
    other = life.reviewed()
    with life.change() as change:
        refused("statement.hotfix", lambda: approvals.take(change, other, before, life.root))
    with life.change() as change:
        hotfixes.stop(change, identifier, Action.ABANDON, "built anew")
    with life.change("cleo") as change:
        hotfixes.revise(change, identifier)
    life.build(identifier, contributors=["wanda"])
    life.submit(identifier)
    with life.change() as change:
        refused("statement.revision", lambda: approvals.take(change, identifier, before, life.root))
    with life.change() as change:
        refused("document.syntax", lambda: approvals.take(change, identifier, b"x\n", life.root))


def test_approvals_must_cover_every_customer_that_it_is_for(life):
    everybody = life.reviewed()
    refused("refused.scope", lambda: life.approve(everybody, "ada", scope=frozenset({"acme"})))
    two = life.reviewed(wanted={"customers": ("acme", "bolt")})
    refused("refused.scope", lambda: life.approve(two, "ada", scope=frozenset({"acme"})))
    life.approve(two, "ada", scope=frozenset({"acme", "bolt"}))
    life.approve(two, "ben", scope=frozenset({"acme", "bolt", "more"}))
    assert life.state(two) == "approved"


def test_quorum_is_exact_and_a_newer_policy_asks_for_more(life):
    identifier = life.approved(keys=("ada", "ben"), by="bob")
    refused("refused.enough", lambda: life.approve(identifier, "ed-cleo"))
    three = vendor.policy_document(rules=[{"threshold": 3, "independent": 1, "reproduced": 0}])
    previous = vendor.policy_envelope().payload
    life.take_policy({**three, "version": 2, "previous": documents.digest(previous)})
    assert not life.approve(identifier, "dora").count.lacking
    refused("refused.enough", lambda: life.approve(identifier, "ed-cleo"))


def test_second_word_that_says_it_was_rebuilt_counts_for_the_same_person(life):
    life.take_policy({**vendor.policy_document(rules=[{"threshold": 2, "reproduced": 1}]), "version": 2,
                      "previous": documents.digest(vendor.policy_envelope().payload)})  # fmt: skip
    identifier = life.approved()
    assert life.state(identifier) == "in-review"
    assert not life.approve(identifier, "ada", reproduced=True).count.lacking
    assert life.state(identifier) == "approved"


def test_policies_only_get_newer_and_follow_each_other(life):
    first = vendor.policy_envelope().payload
    life.take_policy(vendor.policy_document())
    second = {**vendor.policy_document(), "version": 2, "previous": documents.digest(first)}
    refused("trust.policy-signatures", lambda: life.take_policy(second, signers=("offline-1",)))
    refused("trust.policy-chain", lambda: life.take_policy({**second, "previous": "0" * 64}))
    refused("trust.policy-product", lambda: life.take_policy({**second, "product": "shop"}))
    life.take_policy(second)
    refused("trust.policy-fork", lambda: life.take_policy({**second, "root_steps": True}))
    refused("refused.policy-older", lambda: life.take_policy(vendor.policy_document()))
    with pytest.raises(PatchlineError) as error, life.change("cleo") as change:
        policies.take(change, "demo", b"{}", life.root)
    assert error.value.code == "refused.role"


def test_what_was_approved_does_not_just_disappear(life):
    identifier = life.approved()
    for action in (Action.REJECT, Action.ABANDON):
        with life.change() as change:
            refused(
                "refused.void", lambda action=action, change=change: hotfixes.stop(change, identifier, action, "no")
            )
    other = life.reviewed()
    with life.change() as change:
        hotfixes.stop(change, other, Action.REJECT, "breaks the login")
    refused("state.hotfix-state", lambda: life.approve(other, "ada"))
    with life.change() as change:
        assert hotfixes.revise(change, other).number == 2
    with life.change() as change:
        refused("state.open-revision", lambda: hotfixes.revise(change, other))


def test_two_who_edit_the_same_hotfix_do_not_overwrite_each_other(life):
    identifier = life.new()
    with life.register.read() as session:
        seen = session.get_one(Hotfix, identifier).version
    with life.change("ada") as change:
        hotfixes.edit(change, identifier, Edit(title="by Ada"), seen)
    with life.change("ben") as change:
        refused("state.edited", lambda: hotfixes.edit(change, identifier, Edit(title="by Ben"), seen))
    with life.change("ben") as change:
        hotfixes.edit(change, identifier, Edit(severity="critical", customers=("acme",)), seen + 1)
    with life.register.read() as session:
        found = session.get_one(Hotfix, identifier)
        assert (found.title, found.severity, found.customers) == ("by Ada", "critical", ["acme"])
    life.build(identifier)
    life.submit(identifier)
    refused("refused.part-taken", lambda: life.approve(identifier, "ada", scope=frozenset({"acme"})))
    with life.change("ben") as change:
        refused("state.hotfix-state", lambda: hotfixes.edit(change, identifier, Edit(title="late")))


def test_roles_say_who_may_do_what(life):
    with life.change() as change:
        persons.add(change, "sue", "Sue", [Role.SUPPORT])
    refused("refused.role", lambda: life.new("sue"))
    identifier = life.reviewed()
    assert life.approve(identifier, "ada", by="sue").persons == ("ada",)
    with life.change("sue") as change:
        refused("refused.role", lambda: hotfixes.stop(change, identifier, Action.REJECT, "no"))


def test_every_step_is_recorded_with_who_and_when_and_is_in_the_audit_chain(life):
    identifier = life.approved()
    with life.register.read() as session:
        steps = [(one.number, one.action, one.state, one.person) for one in session.query(Step).order_by(Step.number)]
        told = [json.loads(event.body) for event in session.query(AuditEvent).order_by(AuditEvent.sequence)]
    assert steps == [
        (1, "new", "draft", "cleo"),
        (2, "build", "built", "cleo"),
        (3, "submit", "in-review", "cleo"),
        (4, "approve", "in-review", "rita"),
        (5, "approve", "approved", "rita"),
    ]
    about = [event["action"] for event in told if event["subject"] == f"{identifier}-r1"]
    assert about == [f"hotfix.{action}" for _, action, _, _ in steps]
