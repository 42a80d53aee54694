import pytest

from patchline.releaser.access import links
from patchline.releaser.tables.access import VENDOR
from tests.browser import serving
from tests.hotfixes import Life
from tests.pages import Visitor, make_app, text_of
from tests.registers import NOW, statements

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


@pytest.fixture
def rita(register):
    return Visitor(make_app(register), register).signed_in("rita")


def test_people_are_listed_with_what_they_may_and_how_they_sign_in(rita):
    page = rita.get("/administration/")
    assert "5 people may act here; 5 of them cannot sign in to the pages yet" in text_of(page)
    listed = rita.get("/administration/?format=json").json["people"]
    assert [one["id"] for one in listed] == ["ada", "ben", "bob", "cleo", "rita"]
    assert listed[-1]["roles"] == ["release-manager"] and listed[-1]["signs_in_by"] is None
    with statements(rita.register) as said:
        rita.get("/administration/")
    assert len(said) <= 8


def test_a_person_is_added_given_roles_and_disabled(rita):
    added = rita.send("/administration/", id="dora", name=HOSTILE, role=["support", "nonsense"])
    assert (added.status_code, added.location) == (303, "/administration/people/dora")
    page = rita.get("/administration/people/dora")
    assert "as support" in text_of(page) and "<script>alert" not in page.text and "<img src=x" not in page.text
    rita.send("/administration/people/dora", "/administration/people/dora/roles", role="auditor")
    rita.send("/administration/people/dora", "/administration/people/dora/roles/end", role="support")
    assert rita.get("/administration/people/dora?format=json").json["roles"] == ["auditor"]
    rita.send("/administration/people/dora", "/administration/people/dora/disable")
    page = text_of(rita.get("/administration/people/dora"))
    assert "acts here no more" in page and "Make a link" not in page
    assert rita.send("/administration/", id="dora", name="Dora").status_code == 403
    assert rita.send("/administration/", "/administration/people/nobody/disable").status_code == 404
    assert rita.send("/administration/", "/administration/people/ada/roles/end").status_code == 400


def test_a_zero_byte_is_no_fault_of_ours(rita):
    assert rita.send("/administration/", id="a\0b", name="x\0y").status_code == 400
    assert rita.get("/administration/people/a%00b").status_code == 404
    assert rita.get("/audit/?subject=%00&person=%00").status_code == 200


def test_nobody_can_take_the_last_manager_away(rita):
    answer = rita.send("/administration/people/rita", "/administration/people/rita/disable")
    assert answer.status_code == 403 and "nobody but rita manages releases" in text_of(answer)
    assert rita.get("/").status_code == 200


def test_a_link_is_shown_once_and_stands_in_no_address_and_no_cookie(rita, register):
    shown = rita.send("/administration/people/ada", "/administration/people/ada/link")
    token = shown.text.split("/sign-in/link/")[1].split("<")[0].strip()
    with register.read() as session:
        assert links.subject_of(session, VENDOR, token, NOW) == "ada"
    assert token not in rita.get("/administration/people/ada").text
    assert token not in str(shown.headers) and token not in rita.cookie["value"]
    assert "no-store" in shown.headers["Cache-Control"]


def test_somebody_who_is_disabled_or_signed_out_by_others_is_out(rita, register):
    ada = Visitor(rita.app, register).signed_in("ada")
    rita.send("/administration/people/ada", "/administration/people/ada/sign-out")
    assert ada.get("/").status_code == 302


def test_what_the_doctor_finds_is_a_page(rita):
    page = text_of(rita.get("/administration/health"))
    found = rita.get("/administration/health?format=json").json
    assert f"{len(found['findings'])} things to mend" in page and found["findings"][0]["message"] in page
    assert {"findings", "expiries", "losses"} == set(found)


def test_policies_are_said_in_words_beside_who_went_past_a_rule(rita, register, tmp_path):
    assert "No policy yet" in text_of(rita.get("/administration/policies"))
    Life(register, tmp_path / "bundles").prepare()
    with register.change("rita", NOW) as change:
        change.record("freeze.end", "freeze 7", {"reason": HOSTILE})
    page = rita.get("/administration/policies")
    words = text_of(page)
    assert "demo: policy 1" in words and "everything: 2 persons" in words and "ended a freeze before its time" in words
    assert "<script>alert" not in page.text
    document = rita.get("/administration/policies?format=json").json
    assert document["overrides"][0]["subject"] == "freeze 7" and "demo" in document["policies"]


def test_a_manager_makes_a_link_and_reads_the_log_in_a_browser(browser, embedded, tmp_path):
    Life(embedded, tmp_path / "bundles").prepare()
    app = make_app(embedded)
    cookie = Visitor(app, embedded).signed_in("rita").cookie
    with serving(app) as address, browser.reader(address, cookie) as reader:
        page = reader.open("/administration/")
        reader.look("people")
        page.get_by_role("link", name="ada").click()
        page.get_by_role("button", name="Make a link").click()
        page.wait_for_selector("#the-link")
        reader.look("person")
        page.get_by_role("link", name="Audit log").click()
        reader.look("audit")
        page.get_by_role("link", name="Policies and exceptions").click()
        reader.look("policies")
        page.get_by_role("link", name="Keys and expiries").click()
        reader.look("health")
