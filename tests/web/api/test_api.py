import hashlib
import json
import logging
import re
from datetime import timedelta

import pytest
from sqlalchemy import text

from patchline.releaser.access import tokens
from patchline.releaser.access.tokens import NewToken, Scope
from patchline.releaser.remote.doors import DOORS
from patchline.releaser.tables.tokens import PERSON, SITE_DOWNLOAD, SITE_REPORT
from patchline.web import access
from patchline.web.api import bearer
from tests.api import EVERYTHING, Program, make_token
from tests.fleets import Fleet
from tests.hotfixes import Life
from tests.pages import Clock, Visitor, make_app, text_of
from tests.registers import NOW, statements


@pytest.fixture
def app(embedded):
    return make_app(embedded)


@pytest.fixture
def rita(app, embedded):
    return Program(app, embedded)


@pytest.fixture
def fleet(embedded):
    made = Fleet(embedded).product("demo", "1.0")
    made.customer()
    made.site()
    made.enrolled()
    return made


def routes(app):
    """Yield method, address with something in its place, and who is let in, of all of the API."""
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith("/api/"):
            for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
                yield method, re.sub(r"<[^>]+>", "7", rule.rule), access.of(app, rule.endpoint)


def test_every_route_has_its_answer_for_every_scope(app, embedded, fleet):
    """No scope, each scope alone, and tokens of sites: who is let in is what the route says, and nothing else is."""
    tried = {frozenset(): None}
    for scope in EVERYTHING:
        tried[frozenset({scope})] = make_token(embedded, "cleo", (scope,))
    for kind in (SITE_DOWNLOAD, SITE_REPORT):
        with embedded.change("rita", NOW) as change:
            made = tokens.make(change, NewToken(kind, "a site's", site="acme-main"))
        tried[frozenset({*made.listed.scopes, "site"})] = made.secret
    client = app.test_client()
    found = list(routes(app))
    assert len(found) > len(DOORS)
    for method, at, wanted in found:
        for scopes, token in tried.items():
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            answer = client.open(at, method=method, json=None if method == "GET" else {}, headers=headers)
            if wanted.kind == "anyone":
                assert answer.status_code not in (401, 403), (method, at)
                continue
            assert wanted.kind == bearer.KIND, (method, at)
            if token is None:
                assert answer.status_code == 401 and answer.json["code"] == "token.missing"
                assert answer.headers["WWW-Authenticate"] == "Bearer"
            elif scopes.isdisjoint(wanted.facts):
                assert (answer.status_code, answer.json["code"]) == (403, "scope.scope"), (method, at, scopes)
            elif "site" in scopes:
                assert answer.status_code in (403, 422), (method, at, scopes)
            else:
                assert (
                    answer.json is None or answer.json.get("code", "").split(".")[0] != "scope"
                    if isinstance(answer.json, dict)
                    else True
                )


def test_roles_of_the_person_hold_whatever_the_token_says(app, embedded):
    cleo = Program(app, embedded, "cleo")
    assert cleo.post("/customers", {"id": "acme"}, 403)["code"] == "refused.role"
    assert cleo.get("/customers") == {"customers": [], "after": None}


def test_token_of_a_browser_session_is_none(app, embedded):
    visitor = Visitor(app, embedded).signed_in("rita")
    assert visitor.get("/api/v1/customers").status_code == 401
    assert visitor.client.post("/api/v1/customers", json={"id": "acme"}).status_code == 401


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic cml0YTpyaXRh", "Bearer plt_x", "Bearer \xe4", "bearer plt_" + "a" * 5000]
)
def test_nobody_comes_in_with_half_a_token(header, app):
    answer = app.test_client().get("/api/v1/customers", headers={"Authorization": header})
    assert answer.status_code == 401 and answer.content_type == "application/problem+json"


def test_ended_tokens_let_nobody_in(embedded):
    clock = Clock()
    app = make_app(embedded, clock)
    ada = Program(app, embedded, "ada")
    ada.get("/customers")
    clock.now = NOW + timedelta(days=91)
    assert ada.get("/customers", 401)["code"] == "token.expired"


def test_token_stands_in_no_log_and_no_answer(rita, app, caplog):
    caplog.set_level(logging.DEBUG)
    secret = rita.token.rpartition("_")[2]
    told = [
        rita.ask("GET", "/customers/x", None).text,
        rita.ask("GET", f"/customers/{rita.token}", None).text.replace(rita.token, ""),
        rita.ask("POST", "/customers", None, json={"id": rita.token, "nonsense": 1}).text,
        app.test_client().get("/api/v1/customers", headers={"Authorization": f"Bearer {rita.token}x"}).text,
    ]
    assert secret not in "".join(told) + caplog.text
    with rita.register.read() as session:
        for table in ("audit_event", "answered", "token"):
            rows = session.execute(text(f"SELECT * FROM {table}")).all()
            assert secret not in str(rows)


def test_secret_of_a_new_token_is_kept_nowhere_though_the_request_has_a_key(rita):
    body = {"name": "nightly", "scope": ["read"]}
    made = [rita.post("/tokens", body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert made[0]["secret"] != made[1]["secret"]
    with rita.register.read() as session:
        assert session.execute(text("SELECT * FROM answered")).all() == []


def test_same_key_is_answered_once(rita):
    send = {"headers": {"Idempotency-Key": "4f1c"}}
    first = rita.ask("POST", "/customers", json={"id": "acme"}, **send)
    again = rita.ask("POST", "/customers", json={"id": "acme"}, **send)
    assert again.data == first.data and again.content_type == first.content_type
    assert rita.post("/customers", {"id": "acme"}, 409)["code"] == "state.customer-exists"
    assert rita.post("/customers", {"id": "other"}, 422, **send)["code"] == "idempotency.other-request"
    refused = {"headers": {"Idempotency-Key": "5a"}}
    for _ in range(2):
        assert rita.post("/customers", {"id": "acme"}, 409, **refused)["code"] == "state.customer-exists"
    assert len(rita.get("/customers")["customers"]) == 1
    assert (
        rita.post("/customers", {"id": "x"}, 400, headers={"Idempotency-Key": "a b"})["code"] == "usage.idempotency-key"
    )


def test_answer_has_a_name_by_which_it_is_not_sent_again(rita, fleet):
    first = rita.ask("GET", "/customers")
    assert "private" in first.headers["Cache-Control"] and first.headers["ETag"]
    known = {"headers": {"If-None-Match": first.headers["ETag"]}}
    assert rita.ask("GET", "/customers", 304, **known).data == b""
    rita.post("/customers", {"id": "umbrella"})
    assert rita.ask("GET", "/customers", 200, **known).headers["ETag"] != first.headers["ETag"]


def test_lists_are_read_page_by_page_by_their_links(rita, fleet):
    for number in range(5):
        rita.post("/customers", {"id": f"c{number}"})
    at, found = "/customers?limit=2", []
    while at:
        answer = rita.ask("GET", at)
        found += [one["customer"] for one in answer.json["customers"]]
        link = answer.headers.get("Link", "")
        at = link.removeprefix("</api/v1").partition(">")[0]
        assert bool(at) == (answer.json["after"] is not None)
    assert found == ["acme", "c0", "c1", "c2", "c3", "c4"]


def test_page_of_a_list_asks_the_database_few_times_whatever_its_size(rita, fleet):
    for number in range(30):
        fleet.site(f"plant-{number}")
    rita.get("/sites")
    for limit in (1, 30):
        with statements(rita.register) as said:
            rita.get(f"/sites?limit={limit}")
        assert len(said) <= 8


def test_what_is_not_written_as_the_document_has_it_is_refused(rita):
    for at, body in (
        ("/customers", []),
        ("/customers", "x"),
        ("/customers", {"id": 7}),
        ("/customers", {"id": "acme", "tier": "platinum"}),
        ("/customers", {"id": "a\0b"}),
        ("/customers", {"id": "x" * 30_000}),
        ("/reports", {"files": []}),
        ("/reports", {"files": [{"name": "x", "content": "no base64!"}]}),
        ("/hotfixes/HF-1/approvals", {"statement": "path"}),
    ):
        refused = rita.ask("POST", at, 422, json=body)
        assert refused.content_type == "application/problem+json" and refused.json["code"] == "usage.request"
    assert rita.ask("POST", "/customers", 422, data="id=acme").json["code"] == "usage.request"
    assert rita.get("/sites?limit=100000", 422)["code"] == "usage.request"
    assert rita.get("/sites?nonsense=1", 422)["code"] == "usage.request"
    assert rita.get("/sites/a%00b", 422)["code"] == "usage.request"


def test_nowhere_and_the_wrong_way_are_problems_too(rita):
    assert rita.get("/nowhere", 404)["status"] == 404
    assert rita.ask("PUT", "/customers", 405).content_type == "application/problem+json"
    large = rita.ask("POST", "/customers", 413, data=b" " * (2 << 20), content_type="application/json")
    assert large.json["code"] == "http.413"


def test_files_of_a_hotfix_come_whole_and_by_ranges(rita, embedded, tmp_path):
    (tmp_path / "files").mkdir()
    life = Life(embedded, tmp_path / "files").prepare()
    identifier = life.reviewed()
    bundle, *sidecars = rita.get(f"/hotfixes/{identifier}/files")["files"]
    at = f"/hotfixes/{identifier}/files/{bundle['name']}"
    whole = rita.ask("GET", at)
    assert hashlib.sha256(whole.data).hexdigest() == bundle["sha256"] and len(whole.data) == bundle["size"]
    assert whole.headers["Accept-Ranges"] == "bytes" and "attachment" in whole.headers["Content-Disposition"]
    size = bundle["size"]
    for asked, start, end in (("0-9", 0, 10), (f"{size - 5}-", size - 5, size), ("-7", size - 7, size)):
        part = rita.ask("GET", at, 206, headers={"Range": f"bytes={asked}"})
        assert part.data == whole.data[start:end]
        assert part.headers["Content-Range"] == f"bytes {start}-{end - 1}/{size}"
    assert rita.ask("GET", at, 416, headers={"Range": f"bytes={size}-"}).content_type == "application/problem+json"
    assert rita.ask("GET", at, 304, headers={"If-None-Match": whole.headers["ETag"]}).data == b""
    stale = {"Range": "bytes=0-9", "If-Range": '"other"'}
    assert len(rita.ask("GET", at, 200, headers=stale).data) == size
    assert [one["name"] for one in sidecars] == [f"{bundle['name']}.provenance.jsonl"]
    assert rita.ask("GET", f"/hotfixes/{identifier}/files/{sidecars[0]['name']}").data
    for name in ("nothing", "..", "%2e%2e%2fregister.db", f"{bundle['name']}.sha256"):
        assert rita.ask("GET", f"/hotfixes/{identifier}/files/{name}", None).status_code in (404, 409)


def test_health_and_readiness_tell_whoever_starts_it(app, embedded):
    client = app.test_client()
    assert client.get("/healthz").json == {"status": "alive"}
    assert client.get("/readyz").json == {"status": "ready"}
    with embedded.database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0008'"))
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json) == (503, {"status": "not ready", "code": "database.schema-older"})
    assert client.get("/healthz").status_code == 200


def test_page_of_the_api_shows_every_operation_without_a_script_of_its_own(app):
    client = app.test_client()
    whole = client.get("/api/v1/openapi.json").json
    page = client.get("/api/v1/", headers={"Accept": "text/html"})
    assert (
        page.status_code == 200
        and "<script>" not in page.text
        and "http://" not in page.text.replace("http://localhost", "")
    )
    told = text_of(page)
    for path, operations in whole["paths"].items():
        for method in operations:
            assert f"{method.upper()} {path}" in told


def test_document_names_no_unknown_schema_and_each_operation_once(app):
    whole = app.test_client().get("/api/v1/openapi.json").json
    assert whole["openapi"].startswith("3.1.")
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(whole)))
    assert named <= set(whole["components"]["schemas"])
    operations = [one for path in whole["paths"].values() for one in path.values()]
    assert len({one["operationId"] for one in operations}) == len(operations) > len(DOORS)
    secured = [one for one in operations if "security" not in one]
    assert [one["operationId"] for one in secured] == ["check_in"]
    assert all(one["summary"] for one in operations)


def test_scopes_of_tokens_are_those_of_the_doors():
    assert {door.scope for door in DOORS} == {Scope.READ, Scope.WRITE, Scope.REPORT}
    assert {door.words for door in DOORS if door.scope is Scope.REPORT} == {"report import"}
    assert PERSON in tokens.RULES
