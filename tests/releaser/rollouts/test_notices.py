"""Telling customers, by a real SMTP server."""

import csv
import io
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from patchline.patches.errors import PatchlineError
from patchline.releaser.fleet import entitlements
from patchline.releaser.rollouts import drafting, life, notices, rings
from patchline.releaser.rollouts.mail import Mail, connected, message
from patchline.releaser.tables.customers import Contact
from patchline.releaser.tables.hotfixes import Hotfix, Revision
from tests.hotfixes import Life
from tests.mailing import Postbox, serving
from tests.programs import run
from tests.registers import NOW
from tests.rings import HOTFIX, Ground

EVE, BEA, CAL = "eve@acme.example", "bea@beta.example", "cal@core.example"


def contact(ground, customer, address, name=None):
    with ground.register.database.write() as session:
        session.add(Contact(customer=customer, name=name or address.split("@")[0].title(), address=address, added=NOW))


@pytest.fixture
def recalled(bare):
    """Three customers run a revision that is recalled; each has a contact."""
    bare.hotfix()
    for site, customer, address in (("a", "acme", EVE), ("b", "beta", BEA), ("c", "core", CAL)):
        bare.site(site, customer)
        contact(bare, customer, address)
    bare.applies("a", "b", "c")
    with bare.register.database.write() as session:
        session.query(Revision).one().state = "recalled"
    return bare


def found(ground, label=HOTFIX):
    with ground.register.read() as session:
        return notices.pending(session, drafting.draft(session, label, ground.now).drafts)


def with_server(ground, box):
    wanted = {"smtp_host": "127.0.0.1", "smtp_port": box.port, "smtp_starttls": False, "smtp_from": "us@vendor.example"}
    return replace(ground.register, settings=ground.register.settings.model_copy(update=wanted))


def send(ground, box, again=False, label=HOTFIX):
    chosen = notices.to_tell(found(ground, label), again=again)
    return notices.send(with_server(ground, box), chosen, "rita", ground.now)


def outcomes(ground):
    with ground.register.read() as session:
        revision = session.query(Revision).first().id
        return {one.notice.address: one.outcome and one.outcome.outcome for one in notices.told(session, revision)}


def test_each_contact_gets_one_message_about_their_own_sites_alone(recalled):
    recalled.site("a2", "acme")
    recalled.downloads("a2")
    with serving(Postbox()) as box:
        assert [one.outcome for one in send(recalled, box)] == ["sent"] * 3
        assert send(recalled, box) == []
    assert box.recipients == [EVE, BEA, CAL]
    eve = next(one for one in box.messages if EVE in one["To"])
    words = eve.get_content()
    assert "Plant a: you run it (as of 2026-11-22, signed report online); roll it back." in words
    assert "Plant a2: you downloaded it; do not apply it; delete it." in words
    for other in ("beta", "core", "Beta Works", "Core Works", "Plant b", "c-beta"):
        assert other not in eve.as_string()
    assert outcomes(recalled) == {EVE: "sent", BEA: "sent", CAL: "sent"}


def test_refusal_of_one_recipient_is_told_and_the_others_get_theirs(recalled):
    with serving(Postbox(refuses=frozenset({BEA}))) as box:
        results = {one.draft.address: (one.outcome, one.told) for one in send(recalled, box)}
        assert results[BEA] == ("refused", "550 no such user here")
        assert box.recipients == [EVE, CAL]
        assert outcomes(recalled)[BEA] == "refused"
        box.refuses = frozenset()
        assert [one.draft.address for one in send(recalled, box)] == [BEA]
    assert len(box.recipients) == 3


def test_server_that_goes_down_in_the_middle_gets_nothing_twice_on_repeat(recalled):
    with serving(Postbox(breaks_after=1)) as box:
        with pytest.raises(PatchlineError, match="1 of 3 messages were sent") as error:
            send(recalled, box)
        assert error.value.code == "state.mail-server"
        box.breaks_after = None
        assert len(send(recalled, box)) == 2
    assert sorted(box.recipients) == sorted([EVE, BEA, CAL])


def test_message_that_may_have_arrived_is_sent_again_only_on_request(recalled):
    with serving(Postbox(breaks_after=1, breaks_at="data")) as box:
        with pytest.raises(PatchlineError, match="1 of 3 messages were sent"):
            send(recalled, box)
        box.breaks_after = None
        assert [one.standing for one in found(recalled)] == ["told", "in-doubt", "new"]
        assert len(send(recalled, box)) == 1
        assert len(box.recipients) == len(set(box.recipients)) == 3
        assert len(send(recalled, box, again=True)) == 3


def test_server_that_is_not_there_tells_nobody(recalled):
    box = Postbox()
    with serving(box):
        pass
    with pytest.raises(PatchlineError) as error:
        send(recalled, box)
    assert error.value.code == "state.mail-server"
    assert outcomes(recalled) == {}


def test_site_that_is_new_among_the_affected_is_told_again(recalled):
    with serving(Postbox()) as box:
        send(recalled, box)
        recalled.site("a2", "acme")
        recalled.applies("a2")
        assert [one.draft.address for one in send(recalled, box)] == [EVE]


def test_names_of_people_inject_no_headers(recalled):
    with recalled.register.database.write() as session:
        session.query(Contact).filter_by(address=EVE).one().name = "Eve\r\nBcc: spy@evil.example\r\n\r\nHello <x@y>"
    with serving(Postbox()) as box:
        send(recalled, box)
    eve = next(one for one in box.messages if EVE in one["To"])
    assert eve["Bcc"] is None
    assert [one.addr_spec for one in eve["To"].addresses] == [EVE]
    assert "spy@evil.example" not in box.recipients


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_text_makes_a_header_of_its_own(name, subject):
    made = message(Mail(name, EVE, subject, "text", "ab" * 32), "Support <us@vendor.example>", NOW)
    head = made.as_bytes().split(b"\n\n")[0]
    names = {line.split(b":")[0] for line in head.splitlines() if not line.startswith((b" ", b"\t"))}
    assert names <= {
        *(b"From", b"To", b"Subject", b"Date", b"Message-ID", b"Auto-Submitted"),
        *(b"Content-Type", b"Content-Transfer-Encoding", b"MIME-Version"),
    }


def test_what_was_told_is_never_changed(recalled):
    with serving(Postbox()) as box:
        send(recalled, box)
    for statement in ("UPDATE notice SET body = 'x'", "DELETE FROM notice_outcome"):
        with pytest.raises(PatchlineError), recalled.register.database.write() as session:
            session.execute(text(statement))


def test_title_that_names_another_customer_goes_to_nobody_else(recalled):
    with recalled.register.database.write() as session:
        session.query(Hotfix).one().title = "Crash at Beta Works"
    with pytest.raises(PatchlineError) as error:
        found(recalled)
    assert error.value.code == "refused.notice-names"


def test_only_support_and_release_managers_write_to_customers(recalled):
    with serving(Postbox()) as box, pytest.raises(PatchlineError) as error:
        notices.send(with_server(recalled, box), found(recalled), "cleo", NOW)
    assert error.value.code == "refused.role"
    assert box.messages == []


def test_password_comes_from_a_file_that_only_its_owner_reads(recalled, tmp_path):
    path = tmp_path / "password"
    path.write_text("secret\n")
    path.chmod(0o644)
    box = Postbox(port=9)
    register = with_server(recalled, box)
    wanted = {"smtp_user": "us", "smtp_password_file": str(path)}
    with pytest.raises(PatchlineError) as error, connected(register.settings.model_copy(update=wanted)):
        pass
    assert error.value.code == "settings.smtp-password"


@pytest.fixture
def shipped(register, tmp_path):
    """A hotfix that was really published; acme (a, b) is entitled, beta (c) is not; nobody knows the level of d."""
    (tmp_path / "files").mkdir()
    lived = Life(register, tmp_path / "files").prepare()
    identifier = lived.published(guidance=["restart-node"])
    ground = Ground(register)
    for site, customer, baseline in (("a", "acme", "1.0"), ("b", "acme", "1.0"), ("c", "beta", "1.0")):
        ground.site(site, customer, baseline)
    ground.site("d", "acme", None)
    contact(ground, "acme", EVE)
    contact(ground, "beta", BEA)
    with ground.change() as change:
        entitlements.add(change, entitlements.NewEntitlement("acme", "demo"))
    ground.later(hours=1)
    return ground, identifier


def test_who_lacks_a_published_hotfix_is_told_what_they_run_and_what_they_need(shipped):
    ground, identifier = shipped
    ground.applies("b", label=f"{identifier}-r1")
    with ground.register.read() as session:
        drafts = drafting.draft(session, identifier, ground.now)
    [one] = drafts.drafts
    assert one.address == EVE
    line = f"- Plant a: you run 1.0 (as of 2026-11-22, told by support); you need {identifier}-r1; restart needed."
    assert line in one.body.splitlines()
    assert drafts.left_out == {"nobody knows its level": ("d",), "not-entitled": ("c",)}


def test_sites_that_the_rollout_has_not_reached_are_not_told(shipped):
    ground, identifier = shipped
    with ground.change() as change:
        rings.add(change, "demo", "early")
        rings.put(change, "demo", "early", ["a"])
        life.plan(change, identifier, life.Settings())
    with ground.register.read() as session:
        drafts = drafting.draft(session, identifier, ground.now)
        assert drafts.drafts == ()
        assert "not reached yet" in drafts.left_out
    ground.does(life.start, label=identifier)
    with ground.register.read() as session:
        [one] = drafting.draft(session, identifier, ground.now).drafts
    assert one.sites == (ground.sites["a"],)


def test_messages_are_shown_then_sent_or_written_by_the_command(recalled, monkeypatch, tmp_path):
    monkeypatch.setenv("PATCHLINE_HOME", str(recalled.register.home))
    monkeypatch.setenv("PATCHLINE_PERSON", "rita")
    assert "3 messages to send" in run("patchline", "notify", HOTFIX).out
    path = tmp_path / "out.csv"
    run("patchline", "notify", HOTFIX, "--csv", path, expect=2)
    run("patchline", "notify", HOTFIX, "--csv", path, "--dry-run")
    assert not path.exists()
    run("patchline", "notify", HOTFIX, "--csv", path, "--yes")
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [row["address"] for row in rows] == [EVE, BEA, CAL]
    assert {one["outcome"] for one in run("patchline", "notify", HOTFIX, "--told", "--json").document} == {
        "handed-over"
    }
    run("patchline", "notify", HOTFIX, "--drafts", tmp_path / "drafts", "--again", "--yes")
    assert len(list((tmp_path / "drafts").iterdir())) == 3
    run("patchline", "notify", HOTFIX, "--send", "--again", "--yes", expect=10)
    with serving(Postbox(refuses=frozenset({CAL}))) as box:
        for name, value in (("HOST", "127.0.0.1"), ("PORT", box.port), ("STARTTLS", "false"), ("FROM", "us@v.example")):
            monkeypatch.setenv(f"PATCHLINE_SMTP_{name}", str(value))
        shown = run("patchline", "notify", HOTFIX, "--send", "--again", "--yes", "--json", expect=13).document
    assert {one["address"]: one["outcome"] for one in shown["results"]} == {EVE: "sent", BEA: "sent", CAL: "refused"}


def test_approvers_are_told_what_waits_once_a_day(register, tmp_path, monkeypatch):
    monkeypatch.setenv("PATCHLINE_HOME", str(register.home))
    monkeypatch.setenv("PATCHLINE_PERSON", "rita")
    (tmp_path / "files").mkdir()
    lived = Life(register, tmp_path / "files").prepare()
    identifier = lived.reviewed()
    lived.approve(identifier, "ada")
    run("patchline", "person", "mail", "ben", "nobody", expect=2)
    for name in ("ada", "ben", "cleo"):
        run("patchline", "person", "mail", name, f"{name}@vendor.example")
    with serving(Postbox()) as box:
        for name, value in (("HOST", "127.0.0.1"), ("PORT", box.port), ("STARTTLS", "false"), ("FROM", "us@v.example")):
            monkeypatch.setenv(f"PATCHLINE_SMTP_{name}", str(value))
        assert "1 message to send" in run("patchline", "approvals", "notify").out
        run("patchline", "approvals", "notify", "--send", "--yes")
        run("patchline", "approvals", "notify", "--send", "--yes")
        assert box.recipients == ["ben@vendor.example"]
        assert f"{identifier}-r1 waits for your approval" in box.messages[0]["Subject"]
        monkeypatch.setattr("patchline.releaser.commands.approvals_notify.clock", lambda: NOW + timedelta(days=900))
        assert "1 message to send" in run("patchline", "approvals", "notify").out
