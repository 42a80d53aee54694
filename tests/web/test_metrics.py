import re
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from patchline.releaser.access import tokens
from patchline.releaser.access.tokens import NewToken, Scope
from patchline.releaser.tables.tokens import PERSON
from patchline.web import metrics
from tests.pages import Visitor, make_app
from tests.registers import NOW, make_home, statements
from tests.served import served

ALERTS = Path(__file__).parent.parent.parent / "docs" / "alerts.yml"


@pytest.fixture
def app(register):
    return make_app(register)


def token(register, *scopes):
    with register.change("ben", NOW) as change:
        return tokens.make(change, NewToken(PERSON, "scrape", scopes, person="ben")).secret


def values(text, name):
    found = [s for family in text_string_to_metric_families(text) for s in family.samples if s.name == name]
    return {tuple(sorted(sample.labels.items())): sample.value for sample in found}


def test_requests_are_counted_by_route_and_not_by_address(app, register):
    visitor = Visitor(app, register)
    for path in ("/sign-in/", "/sign-in/", "/no/such/page", "/another"):
        visitor.get(path)
    visitor.client.open("/sign-in/", method="BREW")
    text = visitor.get("/metrics").text
    counted = values(text, "patchline_requests_total")
    assert counted[(("method", "GET"), ("route", "/sign-in/"), ("status", "200"))] == 2
    assert counted[(("method", "GET"), ("route", "none"), ("status", "404"))] == 2
    assert not any("BREW" in str(labels) for labels in counted)
    assert values(text, "patchline_request_seconds_count")[(("route", "/sign-in/"),)] == 2


def test_how_the_register_stands_is_measured_once_in_some_seconds(app, register, monkeypatch):
    visitor = Visitor(app, register)
    with statements(register) as said:
        text = visitor.get("/metrics").text
    assert 0 < len(said) <= 7
    assert values(text, "patchline_wishes_open") == {(): 0} and values(text, "patchline_free_bytes")
    with statements(register) as said:
        visitor.get("/metrics")
    assert said == []
    monkeypatch.setattr(metrics, "KEPT_S", -1)
    with statements(register) as said:
        visitor.get("/metrics")
    assert said


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_what_a_proxy_passed_on_needs_a_token_even_from_this_machine(app, register, name):
    answer = Visitor(app, register).get("/metrics", headers={name: "127.0.0.1"})
    assert answer.status_code == 401 and "patchline_" not in answer.text


def test_others_need_a_token_that_reads(app, register):
    visitor = Visitor(app, register)
    elsewhere = {"REMOTE_ADDR": "10.1.2.3"}

    def status(secret):
        return visitor.get(
            "/metrics", environ_base=elsewhere, headers={"Authorization": f"Bearer {secret}"}
        ).status_code

    assert visitor.get("/metrics", environ_base=elsewhere).status_code == 401
    assert status("plt_nonsense") == 401
    assert status(token(register, Scope.WRITE)) == 403
    assert status(token(register, Scope.READ)) == 200


def test_workers_of_a_server_count_together(tmp_path):
    home = make_home("sqlite", tmp_path / "home")
    with served(home, "--workers", 2, "--threads", 2) as running:
        for _ in range(12):
            assert running.ask()[0] == 200
        text = running.ask("/metrics")[2].decode()
    assert (
        values(text, "patchline_requests_total")[(("method", "GET"), ("route", "/sign-in/"), ("status", "200"))] == 12
    )
    assert "pid=" not in text


def test_the_example_alerts_ask_for_metrics_that_are_there(app, register):
    visitor = Visitor(app, register)
    visitor.get("/sign-in/")
    told = list(text_string_to_metric_families(visitor.get("/metrics").text))
    families = {family.name for family in told}
    names = {sample.name for family in told for sample in family.samples}
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    assert len(rules) > 10 and len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}, rule
        assert rule["labels"]["severity"] in {"page", "ticket"} and rule["annotations"]["summary"]
        asked = set(re.findall(r"patchline_\w+", rule["expr"]))
        assert asked <= names | families and (asked or rule["alert"] == "PatchlineDown"), rule
        assert rule["expr"].count("(") == rule["expr"].count(")")
