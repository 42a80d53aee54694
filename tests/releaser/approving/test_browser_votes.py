import json

import pytest
from sqlalchemy import select, text

from patchline.patches.enrolments import ENROLMENT_TYPE, Enrolment
from patchline.patches.errors import PatchlineError
from patchline.patches.policy import Custody
from patchline.patches.statements import PAYLOAD_TYPE, Approval
from patchline.patches.verify import Sidecars, verify
from patchline.releaser import bundles, hotfixes, policies
from patchline.releaser.approving import browser_keys, browser_votes
from patchline.releaser.states import Action
from patchline.releaser.tables.audit import AuditEvent
from patchline.releaser.tables.browser_keys import BrowserKey
from patchline.releaser.tables.people import Person, PersonRole, Role
from patchline.releaser.trust_files import read_enrolment
from tests import vendor
from tests.approving import Device, policy_with

ADA, BEN = Device("ada"), Device("ben")


def refused(code, call, *arguments, **more):
    with pytest.raises(PatchlineError) as caught:
        call(*arguments, **more)
    assert caught.value.code == code, caught.value
    return caught.value.message


@pytest.fixture
def ready(life):
    """A register whose policy lists the browsers of Ada and Ben."""
    life.prepare(policy_with(ADA, BEN))
    for device in (ADA, BEN):
        device.enrolled(life)
    return life


def keys_of(life, person=None):
    with life.register.read() as session:
        return browser_keys.listed(session, person)


def test_a_key_made_in_a_browser_counts_only_when_the_policy_lists_it(life):
    life.prepare()
    ADA.enrolled(life)
    [key] = keys_of(life, "ada")
    assert key.stands == "made, not yet in the policy" and key.fingerprint == ADA.public.fingerprint
    identifier = life.reviewed()
    assert "not in the policy" in refused("approval.unknown-key", ADA.vote, life, identifier)
    document = policy_with(ADA, version=2)
    with life.register.read() as session:
        document["previous"] = policies.newest_policy(session, "demo").digest
    life.take_policy(document)
    assert keys_of(life, "ada")[0].stands == "in the policy of demo"
    ADA.vote(life, identifier)


def test_the_enrolment_is_what_makers_of_a_policy_take(life, tmp_path):
    life.prepare()
    ADA.enrolled(life)
    with life.register.read() as session:
        name, data = browser_keys.enrolment_of(session, ADA.public.keyid)
    (tmp_path / name).write_bytes(data)
    assert read_enrolment(tmp_path / name) == Enrolment("ada", ADA.public, Custody.BROWSER)


def test_only_the_key_itself_enrols_itself_and_once(life):
    life.prepare()
    stranger = BEN.sign(ENROLMENT_TYPE, Enrolment("ada", ADA.public, Custody.BROWSER).as_payload())

    def enrol(by, device, public, raw):
        with life.change(by) as change:
            browser_keys.enrol(change, device, public, raw)

    pem = ADA.public.to_pem()
    refused("signature.mismatch", enrol, "ada", "laptop", pem, stranger)
    refused("signature.mismatch", enrol, "ben", "laptop", pem, ADA.enrolment())
    refused("signature.key-pem", enrol, "ada", "laptop", "-----BEGIN", ADA.enrolment())
    refused("usage.browser-key", enrol, "ada", "lap\x1btop", pem, ADA.enrolment())
    refused("usage.browser-key", enrol, "ada", " ", pem, ADA.enrolment())
    enrol("ada", "laptop", pem, ADA.enrolment())
    refused("refused.key-enrolled", enrol, "ada", "phone", pem, ADA.enrolment())
    assert [key.device for key in keys_of(life)] == ["laptop"]


def test_somebody_has_several_browsers_but_no_end_of_them(life):
    life.prepare()
    for number in range(20):
        Device("ada", f"browser {number}").enrolled(life)
    assert len(keys_of(life, "ada")) == 20
    refused("usage.browser-key", Device("ada", "one more").enrolled, life)
    with life.change("ada") as change:
        browser_keys.retire(change, Device("ada", "browser 3").public.keyid)
    Device("ada", "one more").enrolled(life)


def test_an_approval_of_a_browser_is_the_one_that_sites_count(ready):
    identifier = ready.reviewed()
    taken = ADA.vote(ready, identifier)
    assert taken.persons == ("ada",) and taken.count.lacking is not None
    assert not ready.approve(identifier, "ben").count.lacking
    with ready.register.read() as session:
        kept = bundles.release_set(session, hotfixes.find(session, identifier))
        trust = policies.vendor_trust(session, "demo", ready.root)
    verified = verify(kept.manifest.data, Sidecars(kept.sidecars.provenance, kept.sidecars.approvals), trust, ready.now)
    custody = {one.key.custody for place in verified.approvals for one in place.signed}
    assert custody == {Custody.BROWSER, Custody.CLI}
    assert keys_of(ready, "ada")[0].used == ready.now


def test_browsers_alone_are_never_enough(ready):
    identifier = ready.reviewed()
    ADA.vote(ready, identifier)
    taken = BEN.vote(ready, identifier)
    assert "0 of 1 approvals were made independently of the server" in taken.count.lacking
    assert ready.state(identifier) == "in-review"


def test_a_vote_is_taken_once(ready):
    identifier = ready.reviewed()
    ADA.vote(ready, identifier)
    assert "has these approvals already" in refused("refused.voted", ADA.vote, ready, identifier)
    ready.later(minutes=1)
    assert "has approved" in refused("refused.voted", ADA.vote, ready, identifier)


def test_the_signature_of_one_revision_is_nothing_to_another(ready):
    first, second = ready.reviewed(), ready.reviewed()
    with ready.register.read() as session:
        shown = hotfixes.find(session, first)
        payload = browser_votes.statement(session, shown, ready.now)
        digest = shown.manifest_sha256
    signature = ADA.sign(PAYLOAD_TYPE, payload)
    told = refused("refused.other-statement", ADA.vote, ready, second, manifest=digest, signature=signature)
    assert digest[:16] in told
    refused("signature.mismatch", ADA.vote, ready, second, signature=signature)


def test_a_tab_left_open_signs_nothing_after_a_new_revision(ready):
    identifier = ready.reviewed()
    with ready.register.read() as session:
        shown = hotfixes.find(session, identifier)
        payload, old = browser_votes.statement(session, shown, ready.now), shown.manifest_sha256
    with ready.change("ben") as change:
        hotfixes.stop(change, identifier, Action.REJECT, "the total is wrong")
    stale = {"manifest": old, "signature": ADA.sign(PAYLOAD_TYPE, payload)}
    assert "is rejected" in refused("state.hotfix-state", ADA.vote, ready, f"{identifier}-r1", **stale)
    with ready.change("cleo") as change:
        hotfixes.revise(change, identifier)
    ready.build(identifier)
    ready.submit(identifier)
    refused("refused.other-statement", ADA.vote, ready, identifier, **stale)
    ADA.vote(ready, identifier)


def test_nobody_signs_with_the_key_of_somebody_else(ready):
    identifier = ready.reviewed()
    assert "no browser's key of ben" in refused("refused.other-key", ADA.vote, ready, identifier, by="ben")
    refused("refused.other-key", ADA.vote, ready, identifier, keyid=BEN.public.keyid)
    refused("refused.other-key", ADA.vote, ready, identifier, keyid=vendor.signer("ada").public.keyid)


def test_a_retired_key_signs_no_more_even_if_the_policy_still_lists_it(ready):
    identifier = ready.reviewed()
    with pytest.raises(PatchlineError, match="release-manager"), ready.change("ben") as change:
        browser_keys.retire(change, ADA.public.keyid)
    with ready.change("rita") as change:
        browser_keys.retire(change, ADA.public.keyid)
    refused("refused.browser-key-ended", ADA.vote, ready, identifier)
    assert keys_of(ready, "ada")[0].stands == "retired"


def test_whoever_had_a_part_in_it_signs_nothing(ready):
    identifier = ready.reviewed(by="ada")
    assert "ada is editor" in refused("refused.part-taken", ADA.vote, ready, identifier)
    author = ready.reviewed(contributors=["ben"])
    refused("approval.contributor", BEN.vote, ready, author)


def test_what_was_shown_is_what_must_have_been_signed(ready):
    identifier = ready.reviewed()
    with ready.register.read() as session:
        revision = hotfixes.find(session, identifier)
        made = Approval.parse(browser_votes.statement(session, revision, ready.now), "it")
    assert made.scope is None and not made.reproduced and made.manifest == revision.manifest_sha256
    refused("signature.mismatch", ADA.vote, ready, identifier, moment="2026-11-22T11:59:59Z")
    refused("usage.date", ADA.vote, ready, identifier, moment="2026-13-40T11:59:59Z")
    refused("usage.date", ADA.vote, ready, identifier, moment="yesterday")
    refused("signature.length", ADA.vote, ready, identifier, signature=b"x" * 70)


def test_an_approval_names_the_customers_it_is_for(ready):
    identifier = ready.reviewed(wanted={"customers": ("acme", "blue")})
    with ready.register.read() as session:
        payload = browser_votes.statement(session, hotfixes.find(session, identifier), ready.now)
    assert Approval.parse(payload, "it").scope == {"acme", "blue"}
    assert ADA.vote(ready, identifier).persons == ("ada",)


def test_auditors_make_no_key(life):
    life.prepare()
    with life.register.database.write() as session:
        session.add(Person(id="otto", name="Otto", added=life.now, roles=[PersonRole(role=Role.AUDITOR)]))
    refused("refused.looks-only", Device("otto").enrolled, life)


def test_the_database_lets_a_key_stay_with_its_person_and_for_ever(lives):
    lives.prepare(policy_with(ADA))
    ADA.enrolled(lives)
    ADA.vote(lives, lives.reviewed())
    with lives.change("ada") as change:
        browser_keys.retire(change, ADA.public.keyid)
    for statement, rule in (
        ("UPDATE browser_key SET person = 'ben'", "a key stays with its person"),
        ("DELETE FROM browser_key", "retired and never forgotten"),
        ("UPDATE browser_key SET retired = NULL", "a retired key stays retired"),
    ):
        with pytest.raises(PatchlineError, match=rule), lives.register.database.write() as session:
            session.execute(text(statement))


def test_what_was_made_and_signed_is_told_in_the_audit_log(ready):
    identifier = ready.reviewed()
    ADA.vote(ready, identifier)
    with ready.register.read() as session:
        bodies = [json.loads(body) for body in session.scalars(select(AuditEvent.body))]
        assert session.scalar(select(BrowserKey.used).where(BrowserKey.person == "ada"))
    assert {"person.key", "hotfix.approve"} <= {one["action"] for one in bodies if one["by"] == "ada"}
