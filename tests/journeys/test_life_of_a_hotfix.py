"""Engineer, two approvers and release manager take a hotfix from a bug to the channel and back, by command lines alone.

The register is one of SQLite or PostgreSQL; nothing else differs.
"""

import json

import pytest

from tests import shop
from tests.journeys.company import Company
from tests.programs import run
from tests.registers import BACKENDS

JUNIT = """\
<?xml version="1.0"?>
<testsuites><testsuite name="shop" tests="3">
<testcase name="total"/><testcase name="cart"/><testcase name="mail"><skipped/></testcase>
</testsuite></testsuites>
"""


@pytest.fixture(scope="module", params=BACKENDS)
def company(request, tmp_path_factory) -> Company:
    made = Company(tmp_path_factory.mktemp("company"), request.param)
    shop.repository(made.folder / "shop")
    made.hold_ceremony()
    made.fill_register()
    made.add_baselines("4.1.2")
    return made


def test_hotfix_goes_from_a_bug_to_the_channel_and_back(company):
    own, server, folder = company.own, company.server, company.folder

    # The engineer.
    made = server("hotfix", "new", "--product", "shop", "--baseline", "4.1.2", "--title", "The total is right",
                  "--fix", "BUG-7", "--json", by="walt").document  # fmt: skip
    identifier = made["hotfix"]
    bundle = f"{identifier}-r1.hotfix"
    assert (
        made["state"] == "draft" and "not publishable because nothing was built" in company.show(identifier)["headline"]
    )
    server("hotfix", "build", identifier, "--head", "v4.1.3", "--people", "people.toml",
           "--fix", "BUG-7=The total is right", by="walt")  # fmt: skip
    (folder / "junit.xml").write_text(JUNIT)
    tested = server("hotfix", "evidence", identifier, "junit.xml", "--setup", "lab-3", "--facet", "database=none",
                    "--statement", f"{bundle}.statement.json", by="walt")  # fmt: skip
    assert "2 of 3 tests passed" in tested.out
    assert "no builder" in server("hotfix", "submit", identifier, by="walt", expect=21).err
    own("bob", "bundle", "sign", bundle, "--key", "bob")
    server("hotfix", "submit", identifier, "--provenance", f"{bundle}.provenance.jsonl", by="walt")

    # The approvers, each on a machine of their own with what the register hands out.
    for name in ("ada", "ben", "walt"):
        (folder / f"of-{name}").mkdir(exist_ok=True)
        server("hotfix", "show", identifier, "--save", f"of-{name}", by=name)
    assert (
        "walt, who contributed"
        in own(
            "walt",
            "bundle",
            "approve",
            f"of-walt/{bundle}",
            "--key",
            "walt",
            "--trust",
            "shop.trust",
            "--yes",
            expect=21,
        ).err
    )
    own("ada", "bundle", "approve", f"of-ada/{bundle}", "--key", "ada", "--trust", "shop.trust", "--repo", "shop",
        "--people", "people.toml", "--out", "ada.approval", "--yes")  # fmt: skip
    own("ben", "bundle", "approve", f"of-ben/{bundle}", "--key", "ben", "--trust", "shop.trust",
        "--out", "ben.approval", "--yes")  # fmt: skip
    first = server("hotfix", "approve", identifier, "--statement", "ada.approval", by="ada")
    assert "1 of 2 persons approved" in first.out
    assert (
        "has these approvals already"
        in server("hotfix", "approve", identifier, "--statement", "ada.approval", by="walt", expect=12).err
    )
    assert "1 of 2 approvals, not publishable because" in company.show(identifier)["headline"]
    assert server("hotfix", "publish", identifier, expect=12).err.count("1 of 2 persons approved") == 1
    server("hotfix", "approve", identifier, "--statement", "ben.approval", by="ben")
    assert company.show(identifier)["state"] == "approved"

    # The release.
    (folder / "of-release").mkdir()
    server("hotfix", "show", identifier, "--save", "of-release")
    own("release", "bundle", "release", f"of-release/{bundle}", "--key", "release", "--trust", "shop.trust")
    assert (
        "takes the role release-manager"
        in server("hotfix", "publish", identifier, "--release", f"of-release/{bundle}.sha256", by="walt", expect=12).err
    )
    server("hotfix", "publish", identifier, "--release", f"of-release/{bundle}.sha256")
    shown = company.show(identifier)
    assert (shown["state"], shown["not_publishable"]) == ("published", [])
    assert [one["person"] for one in shown["approvals"]] == ["ada", "ben"]
    assert {(one["person"], one["part"]) for one in shown["contributors"]} == {
        ("walt", "author"), ("walt", "submitter"), ("walt", "editor"), ("bob", "builder"),
    }  # fmt: skip
    [listed] = server("hotfix", "list", "--state", "published", "--fix", "BUG-7", "--json").document["hotfixes"]
    assert (listed["hotfix"], listed["approved_by"]) == (identifier, ["ada", "ben"])
    [zip_] = (folder / "server" / "channel" / "targets" / "hotfixes" / "shop" / identifier).iterdir()
    assert run("patchline-site", "verify", zip_, "--trust", folder / "shop.trust").code == 0

    # It bites: held at once, recalled by two.
    server("hotfix", "hold", identifier, "--reason", "orders are lost", by="walt")
    assert company.show(identifier)["state"] == "held"
    own("ada", "recall", "propose", f"of-ada/{bundle}", "--reason", "orders are lost", "--key", "ada",
        "--trust", "shop.trust", "--out", "recall.jsonl", "--yes")  # fmt: skip
    own("ben", "recall", "confirm", "recall.jsonl", "--key", "ben", "--trust", "shop.trust", "--yes")
    server("hotfix", "recall", identifier, "--statement", "recall.jsonl", "--yes", by="walt")
    assert company.show(identifier)["state"] == "recalled"
    assert "it was recalled" in server("hotfix", "publish", identifier, expect=12).err
    again = server("hotfix", "new", "--of", identifier, "--json", by="walt").document
    assert (again["revision"], again["state"]) == (2, "draft")
    assert server("audit", "verify", "--json").code == 0


def test_bundle_built_elsewhere_is_taken_with_its_provenance(company):
    own, server = company.own, company.server
    identifier = server("hotfix", "new", "--product", "shop", "--baseline", "4.1.2", "--title", "Elsewhere", "--json",
                        by="walt").document["hotfix"]  # fmt: skip
    own("bob", "bundle", "build", "--repo", "shop", "--base", "v4.1.2", "--head", "v4.1.3", "--id", identifier,
        "--product", "shop", "--baseline", "4.1.2", "--fix", "BUG-9=Elsewhere", "--people", "people.toml",
        "--out", f"{identifier}-r1.hotfix")  # fmt: skip
    own("bob", "bundle", "sign", f"{identifier}-r1.hotfix", "--key", "bob")
    server("hotfix", "build", identifier, "--bundle", f"{identifier}-r1.hotfix", by="walt")
    server("hotfix", "submit", identifier, by="walt")
    server("hotfix", "reject", identifier, "--reason", "not needed", by="ada")
    shown = company.show(identifier)
    assert shown["state"] == "rejected" and shown["steps"][-1]["reason"] == "not needed"
    wrong = server("hotfix", "new", "--product", "shop", "--baseline", "4.1.2", "--title", "Other", "--json",
                   by="walt").document["hotfix"]  # fmt: skip
    told = server("hotfix", "build", wrong, "--bundle", f"{identifier}-r1.hotfix", by="walt", expect=12)
    assert f"its hotfix is {identifier}, not {wrong}" in told.err


def test_hotfixes_shipped_before_are_registered_all_or_none(company):
    server, folder = company.server, company.folder
    head = "id,product,baseline,title,fixes,cve,severity,shipped\n"
    good = "HF-2024-0001,shop,4.1.2,Old one,BUG-1 BUG-2,CVE-2024-1234,important,2024-03-01\n"
    (folder / "bad.csv").write_text(head + good + "HF-2024-0002,shop,9.9,Unknown,,,,\n")
    assert "no baseline 9.9" in server("hotfix", "register", "--csv", "bad.csv", expect=11).err
    (folder / "good.csv").write_text(head + good)
    server("hotfix", "register", "--csv", "good.csv")
    assert "there is a hotfix HF-2024-0001 already" in server("hotfix", "register", "--csv", "good.csv", expect=12).err
    [listed] = server("hotfix", "list", "--cve", "CVE-2024-1234", "--json").document["hotfixes"]
    assert (listed["hotfix"], listed["legacy"], listed["fixes"]) == ("HF-2024-0001", True, ["BUG-1", "BUG-2"])
    assert "shipped before Patchline" in server("hotfix", "show", "HF-2024-0001").out


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["show", "HF-1999-0001"], 11, "knows no hotfix"),
        (["new", "--title", "x"], 2, "give --product"),
        (["edit", "HF-1999-0001"], 2, "say what is to be different"),
        (["hold", "HF-1999-0001"], 2, "give --reason, or --lift"),
        (["approve", "HF-1999-0001", "--statement", "nothing"], 11, "nothing"),
        (["list", "--after", "HF-1999-0001"], 11, "knows no hotfix"),
    ],
)
def test_bad_input_is_one_clear_error(company, arguments, code, told):
    outcome = company.server("hotfix", *arguments, expect=code)
    assert told in outcome.err and "hint: " in outcome.err and "Traceback" not in outcome.err


def test_results_that_are_no_junit_are_refused(company):
    server, folder = company.server, company.folder
    identifier = server("hotfix", "new", "--product", "shop", "--baseline", "4.1.2", "--title", "T", "--json",
                        by="walt").document["hotfix"]  # fmt: skip
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]><testsuites><testcase name="&a;"/></testsuites>'
    for text in (bomb, "<html/>", "<testsuite/>", "not xml", "<testsuites>" * 100, "\x00"):
        (folder / "bad.xml").write_text(text)
        assert (
            "junit"
            in json.loads(server("hotfix", "evidence", identifier, "bad.xml", "--json", by="walt", expect=12).out)[
                "error"
            ]
        )
