import pytest

from patchline.releaser.access import accounts, web_sessions
from patchline.releaser.tables.access import VENDOR
from patchline.web import browsers
from tests.pages import Visitor, make_app, text_of
from tests.registers import NOW

GOOD, BETTER = "copper lantern over seven hills", "nine quiet rivers of glass"


@pytest.fixture
def ada(register):
    with register.change("rita", NOW) as change:
        token = accounts.offer_link(change, "ada").token
    accounts.set_by_link(register, token, GOOD, GOOD, NOW)
    return Visitor(make_app(register), register).signed_in("ada")


def test_my_browsers_are_listed_and_ended_one_by_one_or_all(ada, register):
    with register.database.write() as session:
        said = browsers.words("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
        other = web_sessions.begin(session, VENDOR, "ada", "password", NOW, said)
        bens = web_sessions.begin(session, VENDOR, "ben", "password", NOW)
    page = ada.get("/me/")
    assert "Firefox on Linux" in text_of(page) and "in 2 browsers" in text_of(page)
    assert web_sessions.digest(bens) not in page.text
    ada.send("/me/", "/me/browsers/end", session=web_sessions.digest(bens))
    ada.send("/me/", "/me/browsers/end", session=web_sessions.digest(other))
    with register.read() as session:
        assert web_sessions.find(session, VENDOR, other, NOW) is None
        assert web_sessions.find(session, VENDOR, bens, NOW) is not None
    assert ada.send("/me/", "/me/browsers/end", session="\0").status_code == 404
    assert ada.send("/me/", "/me/browsers/end-all").location == "/sign-in/"
    assert ada.get("/me/").status_code == 302


def test_the_password_is_changed_by_who_knows_it(ada, register):
    wrong = ada.send("/me/", "/me/password", old=BETTER, password=BETTER, again=BETTER)
    assert wrong.status_code == 401 and "name or password is wrong" in text_of(wrong).lower()
    weak = ada.send("/me/", "/me/password", old=GOOD, password="ada ada ada ada", again="ada ada ada ada")
    assert weak.status_code == 422 and "guess first" in text_of(weak)
    done = ada.send("/me/", "/me/password", old=GOOD, password=BETTER, again=BETTER)
    assert done.status_code == 303 and "password is changed" in text_of(ada.get("/me/"))
    assert accounts.sign_in(register, "ada", BETTER, "192.0.2.7", NOW) == "ada"


def test_a_link_that_somebody_else_made_is_shown(ada):
    assert "by rita and used" in text_of(ada.get("/me/"))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140 Safari/537.36 Edg/140", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18 Safari/604.1", "Safari on an iPhone"),
        ("curl/8.1", "curl"),
        ("<script>" * 500, "a browser"),
        ("", "a browser"),
    ],
)
def test_browsers_are_named_in_few_words(said, words):
    assert browsers.words(said) == words
