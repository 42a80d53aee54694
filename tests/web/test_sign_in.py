import pytest

from patchline.releaser.access import accounts, tries
from patchline.web.returning import local
from tests.browser import serving
from tests.pages import Visitor, make_app, text_of
from tests.registers import NOW

GOOD = "copper lantern over seven hills"
SOMEWHERE_ELSE = (
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "https://evil.example/",
    "http:evil.example",
    "javascript:alert(1)",
    "/\t/evil.example",
    "/\n//evil.example",
    " //evil.example",
    "///evil.example",
    "evil.example",
    "/sign-in/?to=/sign-in/",
    "/sign-out",
    "/x\r\nSet-Cookie: a=b",
    "/" + "x" * 3000,
    "",
)


def link_for(register, person):
    with register.change("rita", NOW) as change:
        return f"/sign-in/link/{accounts.offer_link(change, person).token}"


def enrol(register, person="ada"):
    token = link_for(register, person).rpartition("/")[2]
    accounts.set_by_link(register, token, GOOD, GOOD, NOW)


@pytest.fixture
def visitor(register):
    return Visitor(make_app(register), register)


def test_a_link_leads_to_a_form_whose_address_does_not_hold_it_and_is_not_used_up_by_looking(visitor, register):
    link = link_for(register, "ada")
    for _ in range(2):
        moved = visitor.get(link)
        assert (moved.status_code, moved.location) == (303, "/sign-in/link/")
    page = visitor.get("/sign-in/link/")
    assert "Welcome, Ada" in text_of(page) and link.rpartition("/")[2] not in page.text
    weak = visitor.send("/sign-in/link/", password="short", again="short")
    assert weak.status_code == 422 and "at least 12 characters" in text_of(weak)
    done = visitor.send("/sign-in/link/", password=GOOD, again=GOOD)
    assert (done.status_code, done.location) == (303, "/")
    assert "Ada" in text_of(visitor.get("/"))
    assert Visitor(visitor.app, register).get(link).status_code == 403


def test_links_that_do_not_count_say_what_to_do(visitor):
    for path in ("/sign-in/link/nonsense", "/sign-in/link/"):
        answer = visitor.get(path)
        assert answer.status_code == 403 and "release manager" in text_of(answer)


def test_signing_in_leads_to_the_page_that_was_wanted(visitor, register):
    enrol(register)
    wanted = visitor.get("/style?a=b").location
    assert wanted == "/sign-in/?to=/style?a%3Db"
    done = visitor.send(wanted, "/sign-in/", name="ada", password=GOOD, to="/style?a=b")
    assert (done.status_code, done.location) == (303, "/style?a=b")
    assert visitor.get("/sign-in/?to=/style").location == "/style"


def test_nobody_is_told_why_signing_in_failed(visitor, register):
    enrol(register)
    told = set()
    for name, password in (("ada", "wrong words of nobody"), ("nobody", GOOD), ("ben", GOOD), ("<b>\0", GOOD)):
        answer = visitor.send("/sign-in/", name=name, password=password)
        told.add((answer.status_code, text_of(answer)))
    assert len(told) == 1 and told.pop()[0] == 401


def test_a_program_is_told_as_programs_are(visitor):
    token = visitor.get("/sign-in/").text.split('name="csrf_token" value="')[1].split('"')[0]
    answer = visitor.client.post("/sign-in/", data={"csrf_token": token}, headers={"Accept": "application/json"})
    assert answer.status_code == 401 and answer.json["code"] == "access.wrong"


@pytest.mark.parametrize("to", SOMEWHERE_ELSE)
def test_nobody_is_led_elsewhere_after_signing_in(to):
    assert local(to) == "/"


def test_where_somebody_goes_is_checked_when_the_form_is_sent(visitor, register):
    enrol(register)
    assert 'name="to" value="/"' in visitor.get("/sign-in/?to=https://evil.example/").text
    done = visitor.send("/sign-in/", name="ada", password=GOOD, to="//evil.example/")
    assert done.location == "/"


def test_signing_in_begins_a_session_anew_and_ends_the_one_before(visitor, register):
    enrol(register)
    visitor.signed_in("ben")
    before = visitor.cookie
    visitor.get("/me/")
    page = Visitor(visitor.app, register)
    page.client.set_cookie(before["name"], before["value"])
    with page.client.session_transaction() as kept:
        kept["planted"] = "by somebody else"
    token = page.get("/me/").text.split('name="csrf_token" value="')[1].split('"')[0]
    done = page.client.post("/sign-in/", data={"csrf_token": token, "name": "ada", "password": GOOD})
    assert done.status_code == 303
    assert page.cookie["value"] != before["value"] and "Ada" in text_of(page.get("/"))
    with page.client.session_transaction() as kept:
        assert "planted" not in kept
    assert visitor.get("/").status_code == 302


def test_too_many_tries_from_one_address_are_told_to_wait(visitor, register):
    with register.database.write() as session:
        for _ in range(30):
            tries.begin(session, tries.of_address("vendor", "127.0.0.1"), NOW)
    answer = visitor.send("/sign-in/", name="ada", password=GOOD)
    assert answer.status_code == 429 and answer.headers["Retry-After"] == "60"
    assert "Wait a few minutes" in text_of(answer)


def test_a_person_signs_in_by_link_and_by_password_in_a_browser(browser, embedded):
    app = make_app(embedded)
    with serving(app) as address, browser.reader(address) as reader:
        page = reader.open(link_for(embedded, "ada"))
        reader.look("link")
        page.fill("#password", GOOD)
        page.fill("#again", GOOD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{address}/")
        page.get_by_role("link", name="Ada").click()
        reader.look("me")
        page.get_by_role("button", name="Sign out everywhere").click()
        page.wait_for_url(f"{address}/sign-in/")
        reader.look("sign-in")
        page.fill("#name", "ada")
        page.fill("#password", GOOD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{address}/")
