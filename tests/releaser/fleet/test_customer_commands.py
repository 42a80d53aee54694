"""Customers, sites, enrolment, entitlements and events as people type them; the site is a real one."""

import pytest

from patchline.releaser.register import opened
from tests import vendor
from tests.fleets import Fleet
from tests.programs import run
from tests.registers import make_home


@pytest.fixture
def home(tmp_path):
    made = make_home("sqlite", tmp_path / "home")
    with opened(made) as register:
        Fleet(register).product("demo", "1.0")
    return made


@pytest.fixture
def vendor_runs(home):
    return lambda *line, **more: run("patchline", *line, "--home", home, "--json", environment=RITA, **more).document


RITA = {"PATCHLINE_PERSON": "rita"}


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.setenv("PATCHLINE_STATE", str(tmp_path / "state"))
    (tmp_path / "app").mkdir()
    trust = vendor.trust(root_of=vendor.root())
    (tmp_path / "demo.trust").write_bytes(trust.data)
    given = ["--product", "demo", "--baseline", "1.0", "--trust", tmp_path / "demo.trust"]
    run("patchline-site", "init", "--root", tmp_path / "app", *given, "--fingerprint", trust.fingerprint)
    return lambda *line, **more: run("patchline-site", *line, "--root", tmp_path / "app", "--json", **more)


def test_first_call_with_a_customer_from_adding_it_to_a_confirmed_key(vendor_runs, site, tmp_path, home):
    added = vendor_runs("customer", "add", "acme", "--tier", "gold", "--contact", "Eve Ops <eve@acme.example>")
    assert added["alias"].startswith("C-") and added["contacts"][0]["address"] == "eve@acme.example"
    vendor_runs("site", "add", "acme-main", "--customer", "acme", "--product", "demo", "--air-gapped")
    code = vendor_runs("site", "enrol", "acme-main")["code"]
    file = tmp_path / "enrolment.json"
    enrolled = site("enrol", code.lower(), "--out", file)
    heard = enrolled.document["fingerprint"]
    assert heard in enrolled.err and code not in enrolled.out + enrolled.err and code.encode() not in file.read_bytes()
    assert vendor_runs("site", "enrol", "acme-main", "--take", file)["confirmed"] is None
    told = run("patchline", "site", "show", "acme-main", "--home", home).out
    assert heard not in told and "waits for its fingerprint" in told, "nobody reads it off the screen"
    wrong = vendor_runs("site", "enrol", "acme-main", "--fingerprint", "7Q2M4", expect=12)
    assert wrong["error"] == "enrolment.fingerprint"
    assert vendor_runs("site", "enrol", "acme-main", "--fingerprint", heard)["confirmed"]
    again = vendor_runs("site", "enrol", "acme-main")["code"]
    (inbox := tmp_path / "inbox").mkdir()
    other = site("enrol", again, "--new-key", "--out", inbox / "z.json").document["fingerprint"]
    assert other != heard
    site("report", "--out", inbox / "a.json")
    brought = vendor_runs("report", "import", inbox)
    assert [one["site"] for one in brought["enrolled"] + brought["reports"]] == ["acme-main", "acme-main"]
    assert brought["reports"][0]["evidence"] == "signed-by-hand"
    assert vendor_runs("site", "show", "acme-main")["level"] == "1.0"
    vendor_runs("site", "enrol", "acme-main", "--fingerprint", other)
    keys = vendor_runs("site", "show", "acme-main")["keys"]
    assert [(key["fingerprint"], bool(key["ended"])) for key in keys] == [(other, False), (heard, True)]
    assert site("enrol", code[:-1], expect=2).document["error"] == "usage.enrolment-code"
    assert code.replace("-", "").encode() not in b"".join(path.read_bytes() for path in home.glob("register.db*"))


def test_what_support_and_managers_say_of_a_customer_is_shown(vendor_runs, home):
    vendor_runs("customer", "add", "acme", "--title", "Acme Ltd")
    vendor_runs("customer", "add", "beta")
    vendor_runs(
        "site", "add", "acme-main", "--customer", "acme", "--product", "demo", "--window", "daily 01:00-03:00 UTC"
    )
    vendor_runs("site", "add", "acme-node", "--customer", "acme", "--product", "demo", "--part-of", "acme-main")
    vendor_runs("customer", "contact", "acme", "Eve <eve@acme.example>")
    assert vendor_runs("customer", "contact", "acme", "eve@acme.example", "--end")["ended"]
    granted = vendor_runs("entitlement", "add", "acme", "--product", "demo", "--line", "1.*", "--until", "2099-12-31")
    assert (granted["counts"], granted["end"]) == (True, "2100-01-01T00:00:00Z")
    told = ["--kind", "database", "--at", "2026-03-03 22:15", "--zone", "Europe/Berlin", "--text", "a new one"]
    assert vendor_runs("event", "add", "acme-main", *told)["at"] == "2026-03-03T21:15:00Z"
    shown = run("patchline", "customer", "show", "acme", "--home", home).out
    assert "Acme Ltd" in shown and "never reported" in shown and "demo 1.*" in shown and "eve@" not in shown
    assert vendor_runs("site", "show", "acme-node")["part_of"] == "acme-main"
    assert vendor_runs("entitlement", "end", granted["number"])["counts"] is False
    assert not vendor_runs("entitlement", "list", "--customer", "acme")["entitlements"][0]["counts"]
    first = vendor_runs("customer", "list", "--limit", 1)
    second = vendor_runs("customer", "list", "--limit", 1, "--after", first["after"])
    assert [page["customers"][0]["customer"] for page in (first, second)] == ["acme", "beta"] and second[
        "after"
    ] is None
    assert [one["site"] for one in vendor_runs("site", "list", "--customer", "acme")["sites"]] == [
        "acme-main",
        "acme-node",
    ]


@pytest.mark.parametrize(
    ("line", "code", "error"),
    [
        (["customer", "add", "all"], 2, "usage.customer-field"),
        (["customer", "add", "acme", "--contact", "Eve"], 2, "usage.customer-field"),
        (["customer", "show", "nobody"], 11, "not-found.customer"),
        (["site", "show", "nowhere"], 11, "not-found.site"),
        (["site", "enrol", "nowhere"], 11, "not-found.site"),
        (["site", "enrol", "nowhere", "--take", "/nowhere"], 11, "not-found.file"),
        (["entitlement", "add", "nobody", "--product", "demo"], 11, "not-found.customer"),
        (["entitlement", "add", "nobody", "--product", "demo", "--until", "soon"], 2, "usage.date"),
        (
            ["event", "add", "s", "--kind", "other", "--at", "now", "--zone", "UTC", "--text", "x"],
            2,
            "usage.customer-field",
        ),
    ],
)
def test_bad_input_has_one_clear_answer(line, code, error, vendor_runs):
    assert vendor_runs(*line, expect=code)["error"] == error


def test_table_is_imported_and_its_errors_told_together(vendor_runs, home, tmp_path):
    table = tmp_path / "customers.csv"
    text = "customer;customer_title;tier;site;product;baseline\nacme;Acme, Ltd;gold;acme-main;demo;1.0\n"
    table.write_text("\ufeff" + text, encoding="utf-8")
    assert vendor_runs("customer", "import", table, expect=2)["error"] == "usage.import-file"
    assert vendor_runs("customer", "import", table, "--told-at", "2026-03-01")["levels"] == 1
    assert not any(vendor_runs("customer", "import", table, "--told-at", "2026-03-01").values())
    known = vendor_runs("site", "show", "acme-main")
    assert (known["level"], known["known"]["as_of"]) == ("1.0", "2026-03-01T00:00:00Z")
    table.write_text(text.replace("gold", "tin").replace("1.0", "9") + "beta;;;beta-main;shop;\n")
    refused = vendor_runs("customer", "import", table, "--told-at", "2026-03-01", expect=11)
    line = ("customer", "import", table, "--home", home, "--as", "rita", "--told-at", "2026-03-01")
    told = run("patchline", *line, expect=11).err
    assert "error: row 2: the register knows no baseline 9" in told and told.count("row 2:") == 2 and "row 3:" in told
    assert sorted(one["message"][:6] for one in refused["problems"]) == ["row 2:", "row 2:", "row 3:"]
