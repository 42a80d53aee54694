"""Customers' people sign in: by link and password, with a cookie that is nothing to the vendor's pages."""

import re

import pytest

from patchline.releaser.portal import members
from tests.pages import Visitor, text_of
from tests.portals import Guest, invited

PASSWORD = "otter violin candle harbour"
_FIELD = re.compile(r'name="csrf_token" value="([^"]+)"')


def sent(client, page, path=None, **fields):
    token = _FIELD.search(client.get(page).text)[1]
    return client.post(path or page, data={"csrf_token": token, **fields})


@pytest.fixture
def fresh(app, shop):
    """A browser, and Eve's link."""
    return app.test_client(), invited(shop)[1]


def test_a_link_sets_a_password_once_and_signs_in(fresh):
    client, token = fresh
    opened = client.get(f"/portal/link/{token}")
    assert opened.location == "/portal/link/" and token not in client.get("/portal/link/").text
    answer = sent(client, "/portal/link/", password=PASSWORD, again=PASSWORD)
    assert answer.status_code == 303 and answer.location == "/portal/"
    assert "Acme-main never reported" in text_of(client.get("/portal/"))
    assert client.get(f"/portal/link/{token}").status_code == 403


def test_address_and_password_sign_in_and_out(fresh, app):
    client, token = fresh
    client.get(f"/portal/link/{token}")
    sent(client, "/portal/link/", password=PASSWORD, again=PASSWORD)
    other = app.test_client()
    answer = sent(other, "/portal/sign-in/", address="EVE@acme.example", password=PASSWORD, to="//evil.example")
    assert answer.status_code == 303 and answer.location == "/portal/"
    assert sent(other, "/portal/", "/portal/sign-out").location == "/portal/sign-in/"
    assert other.get("/portal/").status_code == 302


def test_whoever_fails_hears_the_same(fresh, app):
    client, token = fresh
    client.get(f"/portal/link/{token}")
    sent(client, "/portal/link/", password=PASSWORD, again=PASSWORD)
    answers = set()
    for address in ("eve@acme.example", "nobody@acme.example", "", "x" * 5000, "eve@acme.example\x00"):
        answer = sent(app.test_client(), "/portal/sign-in/", address=address, password="wrong wrong wrong")
        answers.add((answer.status_code, text_of(answer)))
    assert len(answers) == 1 and answers.pop()[0] == 401


def test_a_bad_password_is_refused_and_the_link_stays_good(fresh):
    client, token = fresh
    client.get(f"/portal/link/{token}")
    for password, again in (("short", "short"), ("eve acme example", "eve acme example"), (PASSWORD, "other")):
        assert sent(client, "/portal/link/", password=password, again=again).status_code == 422
    assert sent(client, "/portal/link/", password=PASSWORD, again=PASSWORD).status_code == 303


def test_the_vendors_cookie_opens_nothing_in_the_portal_and_the_other_way(app, shop, eve):
    rita = Visitor(app, shop.register).signed_in("rita")
    thief = app.test_client()
    thief.set_cookie("patchline-customer", rita.cookie["value"], path="/portal")
    assert thief.get("/portal/").status_code == 302
    thief = app.test_client()
    thief.set_cookie("patchline-vendor", eve.cookie["value"])
    assert (
        thief.get("/").status_code == 302 and thief.get("/", headers={"Accept": "application/json"}).status_code == 401
    )


def test_a_session_from_before_is_worth_nothing_after_signing_in(app, shop):
    guest = Guest(app, shop)
    before = guest.cookie["value"]
    _, token = invited(shop)
    guest.get(f"/portal/link/{token}")
    sent(guest.client, "/portal/link/", password=PASSWORD, again=PASSWORD)
    thief = app.test_client()
    thief.set_cookie("patchline-customer", before, path="/portal")
    assert thief.get("/portal/").status_code == 302 and guest.get("/portal/").status_code == 200


def test_who_was_ended_is_out_at_once(eve, shop):
    with shop.life.change() as change:
        members.end(change, "acme", eve.id)
    assert eve.get("/portal/").status_code == 302


def test_where_to_go_on_is_within_the_portal(app, shop):
    for to in (
        "/setups/",
        "/portal/../setups/",
        "/portal/%2e%2E/setups/",
        "https://evil.example/portal/",
        "/portal/sign-in/",
        "/portal/link/x",
    ):
        page = app.test_client().get("/portal/sign-in/", query_string={"to": to}).text
        found = re.search(r'name="to" value="([^"]*)"', page)[1]
        assert found == "/portal/", to
