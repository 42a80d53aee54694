"""What support's pages say, to whom, in how many statements; on both databases."""

import io

import pytest

from patchline.patches.identifiers import level_code
from patchline.releaser.tables.fleet import SiteState
from tests.pages import Visitor, text_of
from tests.registers import statements
from tests.web.support.conftest import CVE, HOTFIX, at_work

PAGES = (
    "/support/",
    "/support/?q=acm",
    "/support/customers/",
    "/support/customers/acme",
    "/support/customers/globex",
    "/support/sites/",
    "/support/sites/acme-main",
    "/support/sites/globex-silent",
    "/support/sites/acme-main/history",
    "/support/sites/acme-main/compare?with=acme-lab",
    "/support/sites/acme-main/loses?to=2.0",
    "/support/sites/acme-main/tell",
    "/support/exposure/",
    f"/support/exposure/?cve={CVE}",
    f"/support/exposure/?hotfix={HOTFIX}&kind=available&tier=gold",
    "/support/fleet/",
    "/support/fleet/demo",
    f"/support/fleet/adoption/{HOTFIX}",
    "/support/reports/",
)
LISTS = ("/support/customers/", "/support/sites/", "/support/sites/?silent=30", "/support/reports/", "/support/fleet/")


@pytest.fixture
def sue(shown):
    return at_work(shown)


@pytest.fixture
def busy(fleet):
    """Give Sue with a register that she changes."""
    return at_work(fleet)


def test_all_of_the_vendors_people_see_them_and_nobody_else(sue):
    stranger = Visitor(sue.app, sue.register)
    for page in PAGES:
        assert sue.get(page).status_code == 200, page
        assert stranger.get(page).status_code == 302, page
    assert "/support/" in sue.get("/").text


def test_what_people_wrote_is_never_markup(sue):
    for page in PAGES:
        assert "<script>alert" not in sue.get(page).text, page


def test_lists_take_few_statements(sue):
    for page in LISTS:
        with statements(sue.register) as asked:
            assert sue.get(page).status_code == 200
        # One asks whether the session counts, one for the roles, one who it is.
        assert len(asked) <= 8, (page, asked)


@pytest.mark.parametrize(
    ("page", "column"),
    [
        ("/support/customers/", "tier"),
        ("/support/customers/acme", "missing critical"),
        ("/support/sites/", "evidence"),
        ("/support/sites/acme-main", "state"),
        ("/support/sites/acme-main/history", "local"),
        ("/support/sites/acme-main/loses?to=2.0", "fate"),
        ("/support/exposure/?fix=BUG-1", "stand"),
        ("/support/fleet/", "silent_90"),
        ("/support/fleet/demo", "percent"),
        (f"/support/fleet/adoption/{HOTFIX}", "day"),
        ("/support/reports/", "verdict"),
    ],
)
def test_pages_come_as_json_and_csv_too(sue, page, column):
    joined = "&" if "?" in page else "?"
    assert sue.get(f"{page}{joined}format=json").json
    csv = sue.get(f"{page}{joined}format=csv")
    assert csv.mimetype == "text/csv" and column in csv.text.splitlines()[0]


# Searching


def test_a_name_that_is_meant_leads_to_its_page(sue):
    for typed, where in (
        ("acme-main", "/support/sites/acme-main"),
        ("Acme Ltd", "/support/customers/acme"),
        (CVE.lower(), f"/support/exposure/?cve={CVE}"),
        (HOTFIX, f"/support/exposure/?hotfix={HOTFIX}"),
        ("CHG-4711", "/support/sites/acme-main"),
    ):
        answer = sue.get("/support/", query_string={"q": typed})
        assert (answer.status_code, answer.location) == (302, where)


def test_typing_shows_hits_and_leads_nowhere(sue):
    answer = sue.get("/support/?q=acme-main", headers={"HX-Request": "true"})
    assert answer.status_code == 200 and "Main plant" in answer.text and "<html" not in answer.text
    nothing = sue.get("/support/?q=zebra")
    assert "Nothing here is called so" in text_of(nothing)


# Customers and sites


def test_a_customers_page_says_how_it_stands_in_a_sentence(sue):
    text = text_of(sue.get("/support/customers/acme"))
    assert "2 sites: 1 lacks something critical; 1 has hotfixes to take." in text
    assert "Fetch and apply HF-2026-0001-r1: critical, Mend BUG-1" in text
    assert "eve@acme.example" in text and "signed report carried by hand" in text
    silent = text_of(sue.get("/support/customers/globex"))
    assert "of 1 nothing is known" in silent and "Ask for a report" in silent


def test_a_sites_page_says_what_is_there_how_we_know_and_what_is_next(sue):
    text = text_of(sue.get("/support/sites/acme-main"))
    assert "Main plant has 1.0+HF-2026-0001-r1 , as of 2026-11-22, signed report carried by hand (today)" in text
    assert "nothing published is missing" in text
    past = text_of(sue.get("/support/sites/acme-main?at=2026-11-01"))
    assert "As it was on 2026-11-01" in past and "Nothing is known of what Main plant has" in past
    assert sue.get("/support/sites/nowhere").status_code == 404


def test_the_history_has_both_clocks(sue):
    text = text_of(sue.get("/support/sites/acme-main/history"))
    assert "Europe/Berlin" in text and "2026-11-22 13:00 CET" in text and "change CHG-4711" in text
    exported = sue.get("/support/sites/acme-main/history?format=csv").text
    assert "acme-main" not in exported


def test_what_would_be_lost_says_how_that_is_known(sue):
    text = text_of(sue.get("/support/sites/acme-main/loses?to=2.0"))
    assert "of 1 fix nobody knows" in text and "nobody has said whether 2.0 has it" in text


def test_pages_of_sites_follow_each_other(sue):
    first = sue.get("/support/sites/?limit=3&format=json").json
    rest = sue.get(f"/support/sites/?limit=3&format=json&after={first['after']}").json
    assert [one["site"] for one in (*first["sites"], *rest["sites"])] == sorted(
        ["acme-lab", "acme-main", "globex-plant", "globex-silent"]
    )
    assert rest["after"] is None
    apart = sue.get("/support/sites/?connectivity=air-gapped&format=json").json
    assert [one["site"] for one in apart["sites"]] == ["globex-plant"]
    for wrong in ("limit=0", "silent=x", "evidence=none", "connectivity=mail"):
        assert sue.get(f"/support/sites/?{wrong}").status_code == 400


def test_a_level_told_by_phone_counts_if_its_code_fits(busy):
    with busy.register.read() as session:
        known = session.query(SiteState.digest, SiteState.label).filter(SiteState.label == "1.0").first()
    page = "/support/sites/globex-silent/tell"
    told = busy.send(page, label=known.label, code=level_code(known.digest), by="Gil", at="")
    assert told.status_code == 303
    assert "the code fits; it counts now" in text_of(busy.get(told.location))
    refused = busy.send(page, label=known.label, code="AAAA-AAAA-AAAA", by="Gil", at="")
    assert refused.status_code == 422 and "is no code" in text_of(refused)


# Reports


def test_a_pasted_report_says_its_verdict(busy, fleet):
    report = fleet.report("globex-silent", "2.0").decode()
    taken = busy.send("/support/reports/", text=f"> {report}", site="")
    assert (taken.status_code, taken.location) == (303, "/support/sites/globex-silent")
    assert "globex-silent: 2.0 as of 2026-11-22" in text_of(busy.get(taken.location))
    again = busy.send("/support/reports/", text=report, site="")
    assert "nothing changes" in text_of(busy.get(again.location))


def test_uploaded_files_are_told_one_by_one(busy, fleet):
    good = fleet.report("acme-lab", "1.0", f"{HOTFIX}-r1")
    files = [(io.BytesIO(good), "<b>good.json"), (io.BytesIO(b"not a report"), "bad.json")]
    taken = busy.send("/support/reports/", files=files, text="", site="")
    assert taken.status_code == 303
    answer = busy.get(taken.location)
    assert "bad.json: not taken" in text_of(answer) and "acme-lab: 1.0+HF-2026-0001-r1" in text_of(answer)
    assert "<b>good" not in answer.text


def test_what_is_no_report_is_refused_with_a_hint(busy):
    refused = busy.send("/support/reports/", text="hello", site="")
    assert refused.status_code == 422
    nothing = busy.send("/support/reports/", text="", site="")
    assert nothing.status_code == 400 and "paste the text of the mail" in text_of(nothing)


def test_a_large_report_is_taken_and_one_that_is_too_large_is_not(busy, fleet):
    mail = "a line of the mail before it\n" * 70_000 + fleet.report("acme-lab", "1.0").decode()
    assert busy.send("/support/reports/", text=mail, site="").status_code == 303
    assert busy.send("/support/reports/", text="x" * (18 << 20), site="").status_code == 413


def test_engineers_may_look_and_not_take(fleet):
    cleo = at_work(fleet, "cleo")
    assert cleo.get("/support/sites/acme-lab/tell").status_code == 403
    refused = cleo.send("/support/reports/", text=fleet.report("acme-lab", "1.0").decode(), site="")
    assert refused.status_code == 403


# Exposure and fleet


def test_the_matrix_tells_apart_who_has_who_may_and_of_whom_nothing_is_known(sue):
    document = sue.get(f"/support/exposure/?cve={CVE}&format=json").json
    gold, _, bronze = document["matrix"]
    assert (gold["applied"], gold["available"], bronze["not entitled"], bronze["unknown"]) == (1, 1, 1, 1)
    assert document["exposed"] == 2 and document["sites"] == 4
    assert {(row["site"], row["stand"]) for row in document["rows"]} == {
        ("acme-lab", "available"),
        ("globex-plant", "not entitled"),
    }


def test_a_cell_of_the_matrix_leads_to_its_sites(sue):
    page = f"/support/exposure/?cve={CVE}&kind=unknown&tier=bronze&format=json"
    assert [row["site"] for row in sue.get(page).json["rows"]] == ["globex-silent"]
    for wrong in ("kind=none", "tier=wood"):
        assert sue.get(f"/support/exposure/?cve={CVE}&{wrong}").status_code == 400
    assert sue.get("/support/exposure/?cve=CVE-1999-0001").status_code == 404
    assert sue.get(f"/support/exposure/?cve={CVE}&fix=BUG-1").status_code == 400


def test_the_fleet_page_counts_every_site_once(sue):
    document = sue.get("/support/fleet/?format=json").json
    assert document["sites"] == 4 == sum(document["ages"].values())
    assert document["ages"]["never"] == 1 and document["products"][0]["silent_90"] == 1
    assert sum(document["air_gapped"].values()) == 1
    product = sue.get("/support/fleet/demo?format=json").json
    assert product["baselines"] == [{"baseline": "1.0", "sites": 3, "last": [f"{HOTFIX}-r1"], "near": 1}]
    assert product["hotfixes"][0]["percent"] == 33
    come = sue.get(f"/support/fleet/adoption/{HOTFIX}?format=json").json
    assert come["by_day"] == [{"day": "2026-11-22", "has": 1}]
