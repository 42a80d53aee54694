"""Engineer, two approvers and release manager take a hotfix from a bug to the channel and back, by command lines alone.

Everybody has a home of their own; what they hand to each other lies in one folder. The register is one of SQLite or
PostgreSQL; nothing else differs.
"""

import json
from pathlib import Path

import pytest

from tests import shop
from tests.programs import Outcome, run
from tests.registers import BACKENDS, empty_database

STAFF = {"walt": "engineer", "bob": "engineer", "ada": "engineer", "ben": "engineer"}
JUNIT = """\
<?xml version="1.0"?>
<testsuites><testsuite name="shop" tests="3">
<testcase name="total"/><testcase name="cart"/><testcase name="mail"><skipped/></testcase>
</testsuite></testsuites>
"""


class Company:
    """People around one register."""

    def __init__(self, folder: Path, backend: str) -> None:
        self.folder, self.home = folder, folder / "server"
        shop.repository(folder / "shop")
        database = [] if backend == "sqlite" else ["--database", empty_database(backend, folder)]
        self.server("init", "--person", "rita", "--name", "Shop Ltd", *database)

    def server(self, *arguments: object, by: str = "rita", expect: int = 0) -> Outcome:
        """Run a command on the register, as whoever sits at the server."""
        where = {"PATCHLINE_HOME": str(self.home), "PATCHLINE_PERSON": by}
        return run("patchline", *arguments, passphrase="server", cwd=self.folder, environment=where, expect=expect)

    def own(self, name: str, *arguments: object, expect: int = 0) -> Outcome:
        """Run a command with one's own key, in one's own home, far from the server."""
        home = self.folder / "homes" / name
        home.mkdir(parents=True, exist_ok=True)
        own = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
        return run("patchline", *arguments, passphrase=name, cwd=self.folder, environment=own, expect=expect)

    def hold_ceremony(self) -> None:
        online, kit = self.home / "keys" / "online.pem", self.home / "keys" / "kit.pem"
        for name in (*shop.OFFLINE, *shop.APPROVERS, "bob", "release"):
            self.own(name, "key", "new", name)
            (self.folder / f"{name}.pem").write_text(self.own(name, "key", "public", name).out)
        keys = [word for name in shop.OFFLINE for word in ("--key", f"{name}.pem")]
        self.own("olga", "trust", "root", *keys, "--threshold", 2, "--online", online, "--out", "root.json")
        self.own("olga", "trust", "root", *keys, "--threshold", 2, "--kit", kit, "--out", "kit-root.json")
        approvers = [word for name in shop.APPROVERS for word in ("--approver", f"{name}={name}.pem")]
        others = ["--builder", "bob=bob.pem", "--release", "release.pem", "--threshold", 2]
        self.own("olga", "trust", "policy", "--product", "shop", *approvers, *others, "--out", "policy.json")
        for name in shop.OFFLINE[:2]:
            self.sign(name, "root.json", *shop.OFFLINE, online)
            self.sign(name, "kit-root.json", kit)
            self.sign(name, "policy.json", *shop.APPROVERS, "bob", "release")
        both = ["--publisher", online, "--status", online]
        self.own("olga", "trust", "targets", "--root", "root.json", *both, "--out", "targets.json")
        for name in shop.OFFLINE[:2]:
            self.sign(name, "targets.json", online)
        files = ["--root", "root.json", "--policy", "policy.json"]
        self.own("olga", "trust", "file", *files, "--out", "shop.trust")
        (self.folder / "people.toml").write_text(shop.PEOPLE)

    def sign(self, name: str, document: str, *holders: object) -> None:
        heard = []
        for holder in holders:
            if holder != name:
                told = self.own(str(holder) if isinstance(holder, str) else name, "key", "fingerprint", holder)
                heard += ["--fingerprint", told.out.strip()]
        self.own(name, "trust", "sign", document, "--key", name, *heard)

    def fill_register(self) -> None:
        self.server("channel", "root", "root.json", "kit-root.json", "targets.json")
        for name, role in STAFF.items():
            self.server("person", "add", name, "--role", role)
        self.server("product", "add", "shop", "--name", "Web shop", "--repo", self.folder / "shop")
        self.server("baseline", "add", "4.1.2", "--product", "shop", "--tag", "v4.1.2")
        self.server("product", "policy", "shop", "policy.json")

    def show(self, identifier: str) -> dict:
        return self.server("hotfix", "show", identifier, "--json").document


@pytest.fixture(scope="module", params=BACKENDS)
def company(request, tmp_path_factory) -> Company:
    made = Company(tmp_path_factory.mktemp("company"), request.param)
    made.hold_ceremony()
    made.fill_register()
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
