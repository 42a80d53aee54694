import json

import pytest

from patchline.releaser.fleet import entitlements
from patchline.releaser.fleet.entitlements import NewEntitlement
from tests.fleets import Fleet
from tests.hotfixes import Life
from tests.pages import Clock, make_app
from tests.registers import NOW


@pytest.fixture
def fleet(register):
    made = Fleet(register).product("demo", "1.0")
    made.customer()
    made.site()
    made.enrolled()
    return made


def send(app, data, known=None):
    return app.test_client().post("/api/v1/check-in", data=data, query_string={"known": known} if known else None)


def test_site_that_knows_the_news_hears_nothing_new(fleet):
    app = make_app(fleet.register)
    data = fleet.report("acme-main", "1.0")
    first = send(app, data)
    assert first.status_code == 200 and first.json["site"] == "acme-main"
    assert first.headers["Patchline-Verdict"] == "accepted"
    for etag in (first.headers["ETag"], first.headers["ETag"].strip('"')):
        again = send(app, data, etag)
        assert (again.status_code, again.data, again.headers["ETag"]) == (204, b"", first.headers["ETag"])
        assert again.headers["Patchline-Verdict"] == "repeated"
    assert send(app, data, "other").status_code == 200


def test_whoever_no_site_vouches_for_is_a_problem(fleet):
    app = make_app(fleet.register)
    good = fleet.report("acme-main", "1.0")
    for data, code in (
        (b"", "report.text"),
        (b"{}", "report.text"),
        (good[:-20], "report.truncated"),
        (fleet.report("acme-main", "1.0", key="stranger"), "report.unknown-key"),
        (json.dumps({**json.loads(good), "signatures": []}, separators=(",", ":")), "report.unsigned"),
    ):
        answer = send(app, data)
        assert (answer.status_code, answer.json["code"]) == (422, code)
        assert answer.content_type == "application/problem+json"
    assert send(app, b" " * (9 << 20)).status_code == 413


def test_published_hotfix_is_told_with_its_title(embedded, tmp_path):
    (tmp_path / "files").mkdir()
    life = Life(embedded, tmp_path / "files").prepare()
    fleet = Fleet(embedded)
    fleet.customer()
    fleet.site()
    fleet.enrolled()
    with embedded.change("rita", NOW) as change:
        entitlements.add(change, NewEntitlement("acme", "demo"))
    label = life.published() + "-r1"
    told = send(make_app(embedded, Clock(life.now)), fleet.report("acme-main", "1.0")).json
    assert [one["hotfix"] for one in told["new"]] == [label] and told["new"][0]["title"]
