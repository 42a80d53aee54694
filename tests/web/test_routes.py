"""Each page and each role: who is let in, who is not, and that looking changes nothing."""

import hashlib
import io

import pytest

from patchline.releaser.table_copy import copy_out
from patchline.releaser.tables.people import Person, PersonRole, Role
from patchline.web.sessions import PORTAL
from tests.pages import Visitor, make_app
from tests.registers import NOW, statements
from tests.web.routes import ANYONE, OTHER_KINDS, OWN, PAGES, PEOPLE, WITHOUT_FORMS, address, pages, whom

ROLES = (None, *Role)
REFUSED = ("this page is for", "auditors look at everything")
HTML = {"Accept": "text/html"}
JSON = {"Accept": "application/json"}


@pytest.fixture
def app(embedded):
    with embedded.database.write() as session:
        for role in Role:
            session.add(Person(id=f"the-{role}", name=f"The {role}", added=NOW, roles=[PersonRole(role=role)]))
    return make_app(embedded)


@pytest.fixture
def loose(app):
    """The same without the tokens of forms, which are tested by themselves."""
    app.config["WTF_CSRF_ENABLED"] = False
    return app


def visitor(app, register, role):
    found = Visitor(app, register)
    return found.signed_in(f"the-{role}") if role else found


def everything(register):
    """A digest of all that is kept but for who is signed in."""
    out = io.BytesIO()
    with register.read() as session:
        copy_out(session.connection(), out)
    kept, keep = hashlib.sha256(), True
    for line in out.getvalue().splitlines():
        if line.startswith(b'{"table"'):
            keep = b'"web_session"' not in line and b'"sign_in_tries"' not in line
        if keep:
            kept.update(line)
    return kept.hexdigest()


def may(expected, role, method):
    if expected == ANYONE:
        return True
    if role is None:
        return False
    if role == Role.AUDITOR:
        return method == "GET" or expected == OWN
    return expected in (PEOPLE, OWN) or role in expected


def test_everybody_is_let_in_where_it_is_written_down_and_nowhere_else(app):
    said = {endpoint: whom(app, endpoint) for endpoint, _, _ in pages(app)}
    vendors = {endpoint: found for endpoint, found in said.items() if found not in OTHER_KINDS}
    assert {one: PAGES.get(one, "not in tests/web/routes.py") for one in vendors} == vendors
    assert not set(PAGES) - set(vendors), "these pages are gone"


def test_customers_pages_and_no_others_lie_where_their_cookie_goes(app):
    for endpoint, _, rule in pages(app):
        kind, inside = whom(app, endpoint), rule.rule == PORTAL or rule.rule.startswith(f"{PORTAL}/")
        if kind == "customer":
            assert inside, endpoint
        elif inside:
            assert kind == ANYONE and endpoint.startswith("portal"), f"{endpoint} lies among customers' pages"


@pytest.mark.parametrize("role", ROLES)
def test_each_page_answers_each_role_as_it_is_written_down(loose, embedded, role):
    asks = visitor(loose, embedded, role)
    wrong = []
    for endpoint, method, rule in pages(loose):
        expected = whom(loose, endpoint)
        if expected in OTHER_KINDS or endpoint in ("start.sign_out", "me.end_all", "sign_in.enter", "static"):
            continue
        answer = asks.client.open(address(rule), method=method, headers=JSON, buffered=True)
        refused = answer.status_code == 401 and answer.is_json and answer.json.get("code") == "access.signed-out"
        refused = refused or (answer.status_code == 403 and any(words in answer.text for words in REFUSED))
        if refused == may(expected, role, method) or answer.status_code >= 500:
            wrong.append(f"{method} {rule.rule}: {answer.status_code} {answer.text[:200]}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("role", ROLES)
def test_no_cookie_of_the_vendors_opens_what_is_for_others(loose, embedded, role):
    asks = visitor(loose, embedded, role)
    for endpoint, method, rule in pages(loose):
        if whom(loose, endpoint) in OTHER_KINDS:
            elsewhere = {"REMOTE_ADDR": "10.1.2.3"}  # This machine may ask for what machines are told.
            answer = asks.client.open(
                address(rule), method=method, headers=JSON, buffered=True, environ_overrides=elsewhere
            )
            assert answer.status_code in (401, 403, 404, 429), f"{method} {rule.rule}: {answer.status_code}"


def test_an_auditor_sees_everything_and_changes_nothing(loose, embedded):
    auditor = visitor(loose, embedded, Role.AUDITOR)
    before = everything(embedded)
    for endpoint, method, rule in pages(loose):
        if whom(loose, endpoint) not in (OWN, ANYONE, *OTHER_KINDS):
            auditor.client.open(address(rule), method=method, headers=HTML, buffered=True)
    assert everything(embedded) == before


def test_looking_at_pages_changes_nothing(loose, embedded):
    asks = visitor(loose, embedded, Role.RELEASE_MANAGER)
    before = everything(embedded)
    for endpoint, method, rule in pages(loose):
        if method == "GET" and whom(loose, endpoint) not in OTHER_KINDS:
            asks.client.get(address(rule), headers=HTML, buffered=True)
    assert everything(embedded) == before


def test_every_form_is_refused_without_its_token(app, embedded):
    asks = visitor(app, embedded, Role.RELEASE_MANAGER)
    before = everything(embedded)
    for endpoint, method, rule in pages(app):
        by_token = whom(app, endpoint) in OTHER_KINDS and whom(app, endpoint) != "customer"
        if method == "GET" or by_token or endpoint in WITHOUT_FORMS:
            continue
        for data in ({}, {"csrf_token": "forged"}):
            answer = asks.client.open(address(rule), method=method, data=data, headers=JSON)
            assert answer.status_code == 400 and answer.json["code"] == "refused.form", f"{method} {rule.rule}"
    assert everything(embedded) == before


def test_a_token_of_somebody_elses_form_is_nothing(app, embedded):
    ada, eve = visitor(app, embedded, Role.ENGINEER), visitor(app, embedded, Role.SUPPORT)
    token = eve.get("/me/").text.split('name="csrf_token" value="')[1].split('"')[0]
    answer = ada.client.post("/sign-out", data={"csrf_token": token}, headers=JSON)
    assert answer.status_code == 400 and ada.get("/").status_code == 200


def test_pages_that_are_not_there_cost_no_work_of_the_database(app, embedded):
    nobody, somebody = visitor(app, embedded, None), visitor(app, embedded, Role.ENGINEER)
    with statements(embedded) as said:
        for path in ("/wp-login.php", "/.env", "/" + "x" * 4000, "/hotfixes/../../etc/passwd", "/%00", "/%0d%0aX: y"):
            for asks in (nobody, somebody):
                answer = asks.get(path, headers=HTML)
                assert answer.status_code == 404 and "X" not in answer.headers, path
    assert not said


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example"},
        {"Host": "localhost:80@evil.example"},
        {"Host": "localhost", "X-Forwarded-Host": "evil.example"},
        {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Forwarded": "host=evil.example"},
        {"X-Original-URL": "/me/", "X-Rewrite-URL": "/me/"},
    ],
)
def test_no_header_lets_an_address_lead_elsewhere(app, embedded, headers):
    answer = visitor(app, embedded, None).get("/", headers={**HTML, **headers})
    assert answer.status_code in (302, 400)
    assert "evil" not in answer.headers.get("Location", "") and "evil" not in answer.text
