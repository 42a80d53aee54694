from datetime import timedelta

import pytest
from flask import Blueprint

from patchline.patches.errors import RefusedError
from patchline.releaser.access.web_key import web_key
from patchline.web import access
from patchline.web.app import BLUEPRINTS
from tests.pages import Clock, Visitor, make_app, text_of
from tests.registers import NOW


@pytest.fixture
def app(register):
    return make_app(register)


@pytest.fixture
def rita(app, register):
    return Visitor(app, register).signed_in("rita")


def test_nobody_is_shown_a_page_without_signing_in(app, register):
    answer = Visitor(app, register).get("/", headers={"Accept": "text/html"})
    assert answer.status_code == 302 and answer.location == "/sign-in/?to=/"


def test_a_program_is_told_so_instead_of_sent_elsewhere(app, register):
    answer = Visitor(app, register).get("/", headers={"Accept": "application/json"})
    assert answer.status_code == 401 and answer.json["code"] == "access.signed-out"
    assert answer.content_type == "application/problem+json"


def test_who_signed_in_sees_the_first_page(rita):
    assert "What waits for you, Rita" in text_of(rita.get("/"))


def test_a_session_ends_when_it_is_not_used_and_in_any_case(register):
    clock = Clock()
    app = make_app(register, clock)
    rita = Visitor(app, register).signed_in("rita")
    for minutes in (60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, 59):
        clock.now += timedelta(minutes=minutes)
        assert rita.get("/").status_code == 200
    clock.now = NOW + timedelta(hours=12, minutes=1)
    assert rita.get("/").status_code == 302
    clock.now = NOW
    idle = Visitor(app, register).signed_in("rita")
    clock.now += timedelta(hours=2, minutes=1)
    assert idle.get("/").status_code == 302


def test_signing_out_ends_the_session_on_the_server(rita, app, register):
    stolen = rita.cookie
    assert rita.send("/", "/sign-out").status_code == 302
    thief = Visitor(app, register)
    thief.client.set_cookie(stolen["name"], stolen["value"])
    assert thief.get("/").status_code == 302


def test_somebody_who_was_disabled_is_out_at_once(rita, register):
    with register.database.write() as session:
        session.connection().exec_driver_sql("UPDATE person SET disabled = added WHERE id = 'rita'")
    assert rita.get("/").status_code == 302


def test_a_form_without_its_token_is_refused(rita):
    answer = rita.client.post("/sign-out", headers={"Accept": "text/html"})
    assert answer.status_code == 400 and "Go back, load the page anew" in text_of(answer)


def test_a_cookie_of_the_vendors_pages_is_nothing_to_the_portal(rita, app):
    value = rita.cookie["value"]
    with app.test_request_context("/portal/", headers={"Cookie": f"patchline-customer={value}"}) as context:
        context.push()
        assert not dict(context.session)
    with app.test_request_context("/", headers={"Cookie": f"patchline-vendor={value}"}) as context:
        assert dict(context.session)


def test_every_answer_has_its_headers(rita):
    for path in ("/", "/nowhere", "/static/patchline.css", "/sign-in/"):
        headers = rita.get(path).headers
        assert "script-src 'self'" in headers["Content-Security-Policy"], path
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["X-Frame-Options"] == "DENY"
        assert "unsafe" not in headers["Content-Security-Policy"]
    assert rita.get("/").headers["Cache-Control"] == "no-store"


def test_pages_that_are_not_there_say_what_to_do(rita):
    answer = rita.get("/no/such/<b>page")
    assert answer.status_code == 404 and "The search finds what there is" in text_of(answer)
    assert "<b>page" not in answer.text


def test_another_host_is_refused(rita):
    assert rita.get("/", headers={"Host": "evil.example"}).status_code == 400


def test_a_page_that_does_not_say_who_may_see_it_is_never_served(register, monkeypatch):
    loose = Blueprint("loose", __name__)
    loose.add_url_rule("/loose", view_func=lambda: "seen")
    monkeypatch.setattr("patchline.web.app.BLUEPRINTS", (*BLUEPRINTS, loose))
    with pytest.raises(LookupError, match="nobody says who may see loose"):
        make_app(register)


def test_a_bug_shows_a_number_and_nothing_else(register, monkeypatch, caplog):
    broken = Blueprint("broken", __name__)

    @broken.get("/broken")
    @access.anyone
    def page():
        raise ValueError("the password is 1234")

    monkeypatch.setattr("patchline.web.app.BLUEPRINTS", (*BLUEPRINTS, broken))
    answer = make_app(register).test_client().get("/broken")
    assert answer.status_code == 500 and "1234" not in answer.text
    number = caplog.records[-1].getMessage().split()[1]
    assert number in answer.text


def test_the_key_of_the_pages_is_made_once_and_must_not_lie_open(tmp_path):
    key = web_key(tmp_path)
    assert len(key) == 32 and web_key(tmp_path) == key
    (tmp_path / "web.key").chmod(0o644)
    with pytest.raises(RefusedError, match="can be read by others"):
        web_key(tmp_path)
