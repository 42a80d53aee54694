from datetime import timedelta

import pytest

from patchline.patches.errors import PatchlineError
from patchline.patches.recall_list import RecallList
from patchline.patches.recalls import KnownRecalls, Recalled
from patchline.patches.release_zip import open_release
from patchline.patches.statements import time_text
from patchline.patches.verify import Sidecars, verify
from patchline.releaser import approvals, doctor, hotfixes, policies, publishing, recalls
from patchline.releaser.hotfixes import Edit
from patchline.releaser.publishing import Release, obstacles
from patchline.releaser.states import Action
from patchline.releaser.tables.hotfixes import Revision
from tests import vendor
from tests.hotfixes import Life, changed
from tests.papers import ref
from tests.samples import fix


@pytest.fixture
def life(register, tmp_path):
    (tmp_path / "files").mkdir()
    return Life(register, tmp_path / "files").prepare()


def refused(code, call):
    with pytest.raises(PatchlineError) as error:
        call()
    assert error.value.code == code, error.value
    return str(error.value)


def reasons(life, identifier):
    with life.register.read() as session:
        return obstacles(session, hotfixes.find(session, identifier), life.root, life.now, None)


def test_published_hotfix_is_a_zip_in_the_channel_that_a_site_takes(life, tmp_path):
    identifier = life.published()
    assert life.state(identifier) == "published" and life.offered() == [f"{identifier}-r1"]
    [listed] = [one for one in life.channel.published().targets.values() if one.name.startswith("hotfixes/")]
    with (tmp_path / "got.zip").open("wb") as stream:
        life.channel.store.read_into(listed.file, stream, listed.size)
    with open_release(tmp_path / "got.zip") as release:
        sidecars = Sidecars(release.sidecar(".provenance.jsonl"), release.sidecar(".approvals.jsonl"))
        assert release.sidecar(".sha256") == life.release(identifier).line
    with life.register.read() as session:
        revision = hotfixes.find(session, identifier)
        trust = policies.vendor_trust(session, "demo", life.root)
        assert {one.person for one in verify(revision.manifest, sidecars, trust, life.now).approvals} == {"ada", "ben"}
    life.publish(identifier)  # Again: nothing to do.


def test_what_is_missing_is_told_in_words(life):
    identifier = life.new()
    assert reasons(life, identifier) == ["nothing was built"]
    life.build(identifier)
    assert reasons(life, identifier) == ["it was not submitted for review"]
    life.submit(identifier, embargo=life.now.replace(year=2027))
    life.approve(identifier, "ada")
    told = reasons(life, identifier)
    assert "1 of 2 persons approved" in told[0]
    assert told[1:] == ["it is under embargo until 2027-11-22T12:00:00Z", "the release key has not signed it"]
    assert "not publishable: " in refused("refused.not-publishable", lambda: life.publish(identifier))
    assert life.offered() == []


def test_release_must_be_of_this_bundle_and_by_the_release_key(life):
    identifier = life.approved()
    good = life.release(identifier)
    for release, code in (
        (Release(good.line.replace(b"HF-2026", b"HF-2025"), good.signature), "statement.release-digest"),
        (life.release(identifier, "ada"), "statement.release-signature"),
    ):
        refused(code, lambda release=release: life.publish(identifier, release=release))
    refused("refused.role", lambda: life.publish(identifier, by="cleo"))
    assert life.state(identifier) == "approved" and life.offered() == []


def test_relations_are_checked_against_everything_published(life):
    first = life.published(files=[changed("a.txt", b"old\n", b"a1\n")])
    other = life.approved(files=[changed("a.txt", b"old\n", b"a2\n", fixes=["BUG-2"])], fixes=[fix("BUG-2")])
    assert (
        f"on a site with {first}-r1" in reasons(life, other)[-1] and "both change app/a.txt" in reasons(life, other)[-1]
    )
    refused("refused.not-publishable", lambda: life.publish(other))

    relations = {"requires": [ref("HF-2026-0099", 1)], "supersedes": [ref("HF-2026-0098")], "conflicts": [],
                 "includes": [ref(first, 1, "f" * 64)], "merges": []}  # fmt: skip
    lost = life.approved(files=[changed("b.txt", b"b0\n", b"b1\n")], fixes=[fix("BUG-1")], relations=relations)
    assert reasons(life, lost)[1:4] == [
        "it requires HF-2026-0099-r1 or later, which is not published",
        f"it contains {first}-r1 in a form that is not published",
        "it names HF-2026-0098, which the register does not know",
    ]

    declared = {"requires": [], "conflicts": [ref(first)], "supersedes": [], "includes": [], "merges": []}
    free = life.approved(
        files=[changed("a.txt", b"old\n", b"a3\n", fixes=["BUG-3"])], fixes=[fix("BUG-3")], relations=declared
    )
    life.publish(free)
    onto = life.approved(
        files=[changed("c.txt", b"c0\n", b"c1\n", fixes=["BUG-4"])], fixes=[fix("BUG-4")]
    )  # fmt: skip
    life.publish(onto)
    assert life.offered() == [f"{one}-r1" for one in (first, free, onto)]


def test_cumulative_must_contain_every_published_fix_of_its_baseline(life):
    first = life.published(files=[changed("a.txt", b"old\n", b"a1\n")])
    wanted = {"kind": "cumulative"}
    lacking = life.approved(
        files=[changed("b.txt", b"b0\n", b"b1\n", fixes=["BUG-2"])],
        fixes=[fix("BUG-2")],
        kind="cumulative",
        wanted=wanted,
    )
    assert f"it lacks BUG-1 of {first}" in reasons(life, lacking)


def test_held_hotfix_stays_listed_and_the_list_says_that_nobody_may_apply_it(life):
    identifier = life.published()
    life.hold(identifier)
    assert life.state(identifier) == "held" and life.offered() == [f"{identifier}-r1"]
    known = newest(life)
    assert [one.revision.label for one in known.held] == [f"{identifier}-r1"]
    assert known.held[0].reason == "breaks the login"
    assert reasons(life, identifier) == ["it is held back"]
    life.lift(identifier)
    assert life.state(identifier) == "published" and newest(life).held == () and newest(life).number == 2


def newest(life):
    name = "status/recalls/demo.json"
    listed = life.channel.published().targets[name]
    return RecallList.parse(life.channel.store.read(listed.file, 1 << 20))


def site(life):
    """What a site that takes the channel's list knows of the last revision."""
    with life.register.read() as session:
        return KnownRecalls.first(newest(life), policies.vendor_trust(session, "demo", life.root).policy)


def manifest_of(life, identifier):
    with life.register.read() as session:
        revision = hotfixes.find(session, identifier)
        return policies.vendor_trust(session, "demo", life.root).policy, approvals.Manifest.parse(revision.manifest)


def test_recall_takes_two_persons_and_one_already_holds(life):
    identifier = life.published()
    life.recall(identifier, life.recall_file(identifier, "ada"))
    assert life.state(identifier) == "held" and life.offered() == [f"{identifier}-r1"]
    life.recall(identifier, life.recall_file(identifier, "ben"))
    assert life.state(identifier) == "recalled" and life.offered() == []
    policy, manifest = manifest_of(life, identifier)
    state = site(life).state(manifest, policy)
    assert isinstance(state, Recalled) and state.reason == "loses orders"
    life.recall(identifier, life.recall_file(identifier, "ada"))  # Known already.
    assert newest(life).number == 2
    refused("refused.not-publishable", lambda: life.publish(identifier))


def test_withdrawn_proposal_leaves_no_trace_in_the_list(life):
    identifier = life.published()
    life.recall(identifier, life.recall_file(identifier, "ada"))
    life.lift(identifier)
    assert life.state(identifier) == "published" and newest(life).recalled == ()


def test_recall_that_counts_for_nothing_is_refused(life):
    identifier, other = life.published(), life.published(files=[changed("b.txt", b"b0\n", b"b1\n")])
    for file, code in (
        (life.recall_file(identifier, "builder"), "approval.purpose"),
        (life.recall_file(identifier, "eve"), "approval.unknown-key"),
        (life.recall_file(other, "ada"), "refused.recall-statement"),
        (life.recall_file(identifier, "ada", void=True), "refused.recall-statement"),
    ):
        refused(code, lambda file=file: life.recall(identifier, file))
    _, instead = manifest_of(life, other)
    life.recall(other, life.recall_file(other, "ada", "ben"))
    refused(
        "refused.recall-statement",
        lambda: life.recall(identifier, life.recall_file(identifier, "ada", replacement=instead)),
    )
    assert life.state(identifier) == "published"


def test_approved_hotfix_leaves_only_as_void(life):
    identifier = life.approved()
    refused("refused.recall-statement", lambda: life.recall(identifier, life.recall_file(identifier, "ada", "ben")))
    life.recall(identifier, life.recall_file(identifier, "ada", void=True))
    assert life.state(identifier) == "approved" and "somebody signed a recall of it" in reasons(life, identifier)
    life.recall(identifier, life.recall_file(identifier, "ben", void=True))
    assert life.state(identifier) == "recalled"
    policy, manifest = manifest_of(life, identifier)
    assert site(life).state(manifest, policy).void


def test_recall_is_taken_back_by_the_approval_quorum_alone(life):
    identifier = life.published()
    life.recall(identifier, life.recall_file(identifier, "ada", "ben"))
    life.recall(identifier, life.reinstatement(identifier, "ada"))
    assert life.state(identifier) == "recalled" and life.offered() == []
    life.recall(identifier, life.reinstatement(identifier, "ben"))
    assert life.state(identifier) == "published" and life.offered() == [f"{identifier}-r1"]
    policy, manifest = manifest_of(life, identifier)
    assert site(life).state(manifest, policy) is None and len(newest(life).recalled) == 1


def test_next_revision_stands_beside_the_first_one(life):
    identifier = life.published(files=[changed("a.txt", b"old\n", b"a1\n")])
    with life.change("cleo") as change:
        hotfixes.revise(change, identifier)
    life.build(identifier, files=[changed("a.txt", b"old\n", b"a2\n"), changed("b.txt", b"b0\n", b"b1\n")])
    life.submit(identifier)
    for key in ("ada", "ben"):
        life.approve(identifier, key)
    life.publish(identifier)
    assert life.offered() == [f"{identifier}-r1", f"{identifier}-r2"]


EMERGENCY = {"role": "security", "max_hours": 72, "threshold": 1}


def emergencies_told(life, now):
    return [one.message for one in doctor.examine(life.register, now).findings if one.code == "emergency"]


def test_emergency_release_names_its_customers_and_is_ratified_by_the_ordinary_quorum(life):
    previous = vendor.policy_envelope().payload
    document = vendor.policy_document(emergency=EMERGENCY, version=2, previous=approvals.digest(previous))
    life.take_policy(document)
    everybody = life.reviewed()
    refused("refused.scope", lambda: life.approve(everybody, "ben", scope=frozenset({"acme"}), emergency=48))
    identifier = life.reviewed(files=[changed("b.txt", b"b0\n", b"b1\n")], wanted={"customers": ("acme",)})
    taken = life.approve(identifier, "ben", scope=frozenset({"acme"}), emergency=48)
    assert taken.count.emergency == 48 and life.state(identifier) == "approved"
    life.publish(identifier)
    before = zip_of(life, identifier)
    ends = life.now + timedelta(hours=48)
    assert emergencies_told(life, life.now) == [
        f"the emergency release {identifier}-r1 is not ratified and ends on {time_text(ends)}"
    ]
    (overdue,) = emergencies_told(life, ends)
    assert "ended on" in overdue
    for key, enough in (("ada", False), ("ben", True)):
        sidecar = life.approval(identifier, key, scope=frozenset({"acme"}))
        with life.change() as change:
            assert approvals.ratify(change, identifier, sidecar, life.root).count.emergency == (None if enough else 48)
    publishing.put_again(life.register, life.channel, "rita", life.now, identifier)
    with life.register.read() as session:
        found = hotfixes.find(session, identifier)
        assert (found.emergency_hours, found.ratified, found.state) == (48, life.now, "published")
    assert emergencies_told(life, ends) == []
    assert zip_of(life, identifier) != before and life.offered() == [f"{identifier}-r1"]
    third = life.approval(identifier, "ed-cleo", scope=frozenset({"acme"}))
    with life.change() as change:
        refused("refused.enough", lambda: approvals.ratify(change, identifier, third, life.root))


def zip_of(life, identifier):
    with life.register.read() as session:
        return session.query(Revision).filter_by(hotfix=identifier).one().zip_sha256


def test_edited_after_publication_is_too_late(life):
    identifier = life.published()
    with life.change("cleo") as change:
        refused("state.hotfix-state", lambda: hotfixes.edit(change, identifier, Edit(title="x")))
        refused("state.hotfix-state", lambda: hotfixes.stop(change, identifier, Action.ABANDON, "no"))
    with life.register.read() as session:
        assert recalls.newest_list(session, "demo") is None
