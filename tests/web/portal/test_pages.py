"""What the pages of the portal say, case by case."""

import hashlib
import io
from datetime import timedelta

import pytest

from patchline.releaser.fleet import telling
from patchline.releaser.fleet.telling import Wanted
from patchline.releaser.tables.hotfixes import Hotfix
from patchline.releaser.tables.members import READER
from tests.fleets import Fleet
from tests.pages import text_of
from tests.portals import Guest
from tests.registers import NOW, statements

SITE = "/portal/sites/acme-main/"


@pytest.fixture
def told(shop):
    """The customer told its level: the baseline alone."""
    with shop.life.change() as change:
        telling.tell(change, "acme-main", Wanted("Eve", NOW - timedelta(days=3), baseline="1.0"))
    return shop


def test_a_site_that_never_reported_is_asked_to(eve):
    assert "Acme-main never reported: report its level" in text_of(eve.get("/portal/"))
    assert "Nobody knows what this site has" in text_of(eve.get(SITE))


def test_one_sentence_says_what_there_is_and_how_old_that_is(eve, told):
    assert "Acme-main: 1.0 as told 3 days ago: 1 moderate fix available." in text_of(eve.get("/portal/"))
    document = eve.get("/portal/?format=json").json
    assert document["tone"] == "warn" and document["sites"][0]["ready"] == [told.label]


def test_what_was_recalled_and_is_there_comes_first(eve, told):
    with told.life.change() as change:
        telling.tell(change, "acme-main", Wanted("Eve", NOW, baseline="1.0", hotfixes=(told.label,)))
    assert "nothing to do" in text_of(eve.get("/portal/"))
    told.life.recall(told.label, told.life.recall_file(told.label, "ada", "ben"))
    page = text_of(eve.get("/portal/"))
    assert "1 recalled hotfix applied: act now" in page and "1 recall waits for a word from you" in page
    assert "It is applied there, as far as we know" in text_of(eve.get("/portal/recalls/"))
    answer = eve.send("/portal/recalls/", hotfix=told.label, site="acme-main", action="rolled-back")
    assert answer.status_code == 303
    assert "rolled-back, says Eve" in text_of(eve.get("/portal/recalls/"))
    assert told.events("recall.acknowledge") == 1


def test_what_the_customer_may_not_have_yet_stands_apart_with_its_reason(eve, told):
    with told.register.database.write() as session:
        session.get_one(Hotfix, told.label.rpartition("-r")[0]).customers = ["other"]
    page = text_of(eve.get(SITE))
    assert told.label not in page and "it has all that there is for it" in page
    assert eve.get(f"{SITE}hotfixes/{told.label}/").status_code == 404


def test_a_hotfix_page_has_the_real_commands_and_digests(eve, told):
    revision = told.revision()
    page = text_of(eve.get(f"{SITE}hotfixes/{told.label}/"))
    assert f"echo '{revision.zip_sha256} {told.label}.zip' | sha256sum --check" in page
    assert "curl --fail --location --continue-at - --remote-name --header @patchline.header" in page
    assert "openssl dgst -sha256 -verify release.pem" in page and "Not checked: approvals, recall, rollback" in page
    assert f"patchline-site apply {told.label}.zip" in page and "plt_" not in page


def test_a_browser_downloads_by_its_session_and_resumes(eve, told):
    path = f"{SITE}files/{told.label}.zip"
    whole = eve.get(path)
    assert hashlib.sha256(whole.data).hexdigest() == told.revision().zip_sha256
    assert eve.get(path, headers={"Range": "bytes=5-"}).data == whole.data[5:]
    history = text_of(eve.get("/portal/downloads/"))
    assert f"{told.label}.zip acme-main" in history and "Eve" in history and history.count("done") == 1
    rows = eve.get("/portal/downloads/?format=json").json["downloads"]
    assert [row["outcome"] for row in rows] == ["done"] and rows[0]["by"] == eve.id


def test_a_refused_download_says_why_in_words_for_customers(app, told):
    mallory = Guest(app, told, "Mallory", "other")
    answer = mallory.get(f"/portal/sites/other-main/files/{told.label}.zip", headers={"Accept": "text/html"})
    assert answer.status_code == 403 and "Ask your vendor's support what your contract covers" in text_of(answer)
    assert "not-entitled" in text_of(mallory.get("/portal/downloads/"))


# Tokens and people


def test_a_token_is_shown_once_and_fetches_for_its_site_alone(eve, told, app):
    made = eve.send("/portal/tokens/", site="acme-main", name="the night", days="1")
    secret = text_of(made).partition("Authorization: Bearer ")[2].split()[0]
    assert made.headers["Cache-Control"] == "no-store"
    assert secret not in eve.get("/portal/tokens/").text and secret[:12] in eve.get("/portal/tokens/").text
    header = {"Authorization": f"Bearer {secret}"}
    assert app.test_client().get(f"/download/{told.label}.zip", headers=header, buffered=True).status_code == 200
    assert eve.send("/portal/tokens/", "/portal/tokens/end", token=secret[:12]).status_code == 303
    assert app.test_client().get(f"/download/{told.label}.zip", headers=header, buffered=True).status_code == 401


@pytest.mark.parametrize("fields", [{"days": "3000"}, {"days": ""}, {"name": ""}, {"name": "x" * 81}, {"name": "a\nb"}])
def test_a_token_that_cannot_be_is_refused(eve, fields):
    answer = eve.send("/portal/tokens/", **{"site": "acme-main", "name": "n", "days": "1", **fields})
    assert answer.status_code == 400


def test_an_administrator_invites_and_ends_others(eve, app, shop):
    answer = eve.send("/portal/people/", name="Ron", address="ron@acme.example", role="reader")
    link = text_of(answer).partition("http://")[2].split()[0]
    assert "/portal/link/" in link and "Ron" in text_of(eve.get("/portal/people/"))
    ron = next(row["id"] for row in eve.get("/portal/people/?format=json").json["people"] if row["name"] == "Ron")
    assert eve.send("/portal/people/", "/portal/people/end", member=ron).status_code == 303
    assert app.test_client().get(f"/portal/link/{link.rpartition('/')[2]}").status_code == 403
    assert eve.send("/portal/people/", "/portal/people/end", member=eve.id).status_code == 409


def test_names_that_people_write_are_shown_as_text(eve, shop):
    hostile = '<script>alert(1)</script>"\u202e'
    for name in (hostile.replace("\u202e", ""), "=cmd|'/c calc'!A0"):
        eve.send("/portal/people/", name=name, address=f"x{len(name)}@acme.example", role="reader")
    page = eve.get("/portal/people/").text
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page
    assert "'=cmd" in eve.get("/portal/people/?format=csv").text
    assert eve.send("/portal/people/", name=hostile, address="y@acme.example", role="reader").status_code == 400


def test_a_reader_sees_no_tokens_and_no_forms_for_people(app, shop):
    ron = Guest(app, shop, "Ron", role=READER)
    page = ron.get("/portal/people/").text
    assert "Invite somebody" not in page and "Tokens" not in page


# Reports


@pytest.fixture
def report(told):
    fleet = Fleet(told.register, now=NOW)
    fleet.enrolled("acme-main")
    return fleet.report("acme-main", "1.0", told.label)


def test_a_report_is_shown_then_sent_and_answered(eve, told, report):
    shown = eve.send(f"{SITE}report/", file=(io.BytesIO(report), "r.jsonl"))
    assert shown.status_code == 200 and "This would be sent" in text_of(shown) and told.label in text_of(shown)
    before = text_of(eve.get("/portal/"))
    assert "1 moderate fix available" in before
    sent = eve.send(f"{SITE}report/", f"{SITE}report/send", report=report.decode())
    assert sent.status_code == 303
    page = text_of(eve.get("/portal/"))
    assert "as reported today: nothing to do" in page
    again = eve.send(f"{SITE}report/", f"{SITE}report/send", report=report.decode())
    assert again.status_code == 303 and "nothing changes" in text_of(eve.get(SITE))


def test_a_pasted_mail_is_read_too(eve, report):
    shown = eve.send(f"{SITE}report/", text=f"Dear support,\n> {report.decode()}\nEve")
    assert "This would be sent" in text_of(shown)


def test_a_report_of_another_site_is_refused_without_telling_whose_it_is(app, told, report):
    mallory = Guest(app, told, "Mallory", "other")
    for path in ("", "send"):
        page = "/portal/sites/other-main/report/"
        answer = mallory.send(page, page + path, text=report.decode(), report=report.decode())
        assert answer.status_code == 422 and "acme" not in answer.text
    assert told.events("site.identity") == 0


@pytest.mark.parametrize("brought", [b"", b"{}", b"\x00\xff" * 400, b'{"payload":"' * 9000, b"[" * 200_000])
def test_what_is_no_report_is_refused_with_a_page(eve, told, brought):
    answer = eve.send(f"{SITE}report/", file=(io.BytesIO(brought), "r.jsonl"))
    assert answer.status_code in (400, 422)


def test_an_altered_report_is_refused(eve, told, report):
    answer = eve.send(f"{SITE}report/", text=report.decode().replace('"sig":"', '"sig":"AAAA', 1))
    assert answer.status_code == 422


def test_more_than_a_report_can_have_is_not_even_read(eve, told):
    kind = "multipart/form-data; boundary=x"
    assert eve.client.post(f"{SITE}report/", data=b"x" * (17 << 20), content_type=kind).status_code == 413
    assert eve.client.post("/portal/people/", data=b"x" * (2 << 20), content_type=kind).status_code == 413


def test_file_names_of_uploads_are_nothing_to_us(eve, report, told):
    answer = eve.send(f"{SITE}report/", file=(io.BytesIO(report), '../../"x; <b>'))
    assert answer.status_code == 200 and "<b>" not in answer.text


# How many questions


def test_pages_ask_as_many_questions_for_many_sites_as_for_two(app, told):
    fleet = Fleet(told.register, now=NOW)
    eve = Guest(app, told)
    counts = []
    for more in (1, 12):
        for number in range(more):
            fleet.site(f"acme-{more}-{number}")
            with told.life.change() as change:
                telling.tell(change, f"acme-{more}-{number}", Wanted("Eve", NOW, baseline="1.0"))
        with statements(told.register) as said:
            assert eve.get("/portal/").status_code == 200
        counts.append(len(said))
    assert counts[0] == counts[1]
    for path in ("recalls/", "tokens/", "people/", "downloads/"):
        with statements(told.register) as said:
            eve.get(f"/portal/{path}")
        assert len(said) <= 8, path
