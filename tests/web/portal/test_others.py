"""Whatever a request names, a customer's person sees their own customer: every route of the portal is walked."""

import pytest

from patchline.releaser.tables.members import READER, Member
from tests.pages import Visitor
from tests.portals import Guest, invited

OPEN = {
    "portal_sign_in.form",
    "portal_sign_in.enter",
    "portal_sign_in.link",
    "portal_sign_in.link_form",
    "portal_sign_in.use_link",
}
ADMINS = {
    "portal_tokens.listed",
    "portal_tokens.make",
    "portal_tokens.end",
    "portal_people.invite",
    "portal_people.end",
}


def rules(app):
    return [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/portal")]


def address(rule, shop):
    values = {"site": "acme-main", "label": shop.label, "file": f"{shop.label}.zip", "token": "x" * 43, "number": "1"}
    for name in rule.arguments:
        assert name in values, f"{rule}: this test knows no {name}"
    path = rule.rule
    for name in rule.arguments:
        path = path.replace(f"<{name}>", values[name]).replace(f"<int:{name}>", values[name])
    return path


def asked(guest, rule, path, **fields):
    """Ask for a route by its own method; forms come with a good token, so that it is not that which refuses."""
    if "POST" in rule.methods:
        return guest.send("/portal/me/", path, **fields)
    return guest.get(path, headers={"Accept": "text/html"})


def test_routes_of_the_portal_are_for_those_that_they_say(app, shop):
    reader, admin = Guest(app, shop, "Ron", role=READER), Guest(app, shop, "Ada")
    for rule in rules(app):
        path = address(rule, shop)
        nobody = app.test_client().open(path, method="POST" if "POST" in rule.methods else "GET")
        if rule.endpoint in OPEN:
            assert nobody.status_code in (200, 400, 403), rule
            continue
        assert nobody.status_code in (302, 400, 401), rule
        if "POST" not in rule.methods:
            assert nobody.location.startswith("/portal/sign-in/"), rule
        expected = 403 if rule.endpoint in ADMINS else None
        if rule.endpoint != "portal_sign_in.leave":
            found = asked(reader, rule, path).status_code
            assert found == 403 if expected else found != 403, f"{rule}: {found}"
            assert asked(admin, rule, path).status_code not in (403, 500), rule


def test_a_person_of_the_vendor_sees_nothing_of_the_portal(app, shop):
    rita = Visitor(app, shop.register).signed_in("rita")
    for rule in rules(app):
        if rule.endpoint not in OPEN and "GET" in rule.methods:
            assert rita.get(address(rule, shop)).status_code == 302, rule


def test_another_customers_ids_are_not_there_on_any_route(app, shop):
    mallory = Guest(app, shop, "Mallory", "other")
    shop.token("acme-main")
    eve, _ = invited(shop)
    others = {"site": "acme-main", "hotfix": shop.label, "action": "patched", "member": eve, "name": "x", "days": "1"}
    for rule in rules(app):
        if rule.endpoint in OPEN or rule.endpoint == "portal_sign_in.leave":
            continue
        answer = asked(mallory, rule, address(rule, shop), **others)
        assert "acme" not in answer.text.replace("acme-main", "").lower(), rule
        if "site" in rule.arguments:
            assert answer.status_code == 404, rule
        if rule.endpoint in ("portal_tokens.make", "portal_people.end", "portal_recalls.acknowledge"):
            assert answer.status_code == 404, rule
    with shop.register.read() as session:
        assert session.get_one(Member, eve).ended is None


@pytest.mark.parametrize("field", ["customer", "visitor", "for"])
def test_a_customer_in_the_address_changes_nothing(app, shop, field):
    mallory = Guest(app, shop, "Mallory", "other")
    page = mallory.get("/portal/known/", query_string={field: "acme", "format": "json"})
    assert page.json["customer"]["id"] == "other" and [one["site"] for one in page.json["sites"]] == ["other-main"]


def test_a_token_of_another_customer_cannot_be_ended(app, shop):
    prefix = shop.token("acme-main")[:12]
    mallory = Guest(app, shop, "Mallory", "other")
    assert mallory.send("/portal/tokens/", "/portal/tokens/end", token=prefix).status_code == 404
    eve = Guest(app, shop)
    assert eve.send("/portal/tokens/", "/portal/tokens/end", token=prefix).status_code == 303


def test_every_form_of_the_portal_wants_its_token(app, eve, shop):
    for rule in rules(app):
        if "POST" in rule.methods:
            answer = eve.client.post(address(rule, shop), data={"site": "acme-main"})
            assert answer.status_code == 400 and "refused.form" in answer.text, rule
