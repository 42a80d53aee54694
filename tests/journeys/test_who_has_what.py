"""Support and an account manager at work, by command lines alone: what a customer has, how we know, and whom to tell.

Customers' sites are real ones; their days pass by a clock of the test.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import select

from patchline.patches.trust import trust_document
from patchline.releaser.commands import options
from patchline.releaser.register import opened
from patchline.releaser.tables.catalogue import Baseline
from tests import channels, vendor
from tests.channel_worlds import clock_at
from tests.fleet_machines import Machine
from tests.hotfixes import FILES, Life, changed
from tests.mailing import Postbox, serving
from tests.programs import Outcome, run
from tests.registers import BACKENDS, NOW, make_home
from tests.samples import fix

CVE = "CVE-2026-1111"
SPREADSHEET = """\
customer;customer_title;contacts;site;product;connectivity;baseline;told_by;told_at
acme;Acme Ltd;Eve Ops <eve@acme.example>;acme-main;demo;online;;;
globex;Globex Ltd;Gil <gil@globex.example>;globex-plant;demo;air-gapped;1.0;Gil;2026-11-02
globex;;;globex-lab;demo;online;;;
initech;Initech Ltd;Ida <ida@initech.example>;initech-hq;demo;online;2.0;Ida;2026-11-10
"""


class Office:
    """A vendor's register and the machines of customers, from day to day."""

    def __init__(self, folder: Path, backend: str) -> None:
        self.folder, self.now, self.home = folder, NOW, make_home(backend, folder / "home")
        self.machines: dict[str, Machine] = {}
        self.settings: dict[str, str] = {}
        with self.life() as life:
            life.prepare().add_baseline("2.0")
            files = [changed("a.txt", FILES["a.txt"], b"mended\n")]
            mends = {"files": files, "fixes": [fix("BUG-1", cve=[CVE])], "severity": "critical"}
            self.hotfix = life.published(wanted={"title": "Mend BUG-1"}, **mends)
            with life.register.read() as session:
                self.listed = session.scalars(select(Baseline.files).where(Baseline.label == "1.0")).one()
        self.ask("person", "add", "sue", "--role", "support", by="rita")

    def begin(self) -> None:
        """Support takes in its spreadsheet on the first day: customers, sites, and two levels that people told."""
        path = self.folder / "customers.csv"
        path.write_text(SPREADSHEET)
        self.ask("customer", "import", path)
        before = self.answer("site", "list")
        self.ask("customer", "import", path)
        assert self.answer("site", "list") == before

    @contextmanager
    def life(self) -> Iterator[Life]:
        """The engineers and approvers, of whom this is not about."""
        (self.folder / "life").mkdir(exist_ok=True)
        with opened(self.home) as register:
            yield Life(register, self.folder / "life", self.now)

    @contextmanager
    def clock(self) -> Iterator[None]:
        """Let all programs say that it is now."""
        now = self.now

        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:
                return now

        with clock_at(now), patch.object(options, "datetime", Clock):
            yield

    def later(self, **passed: float) -> str:
        """Let time pass; returns the day that it is then."""
        self.now += timedelta(**passed)
        return f"{self.now:%Y-%m-%d}"

    def ask(self, *line: object, by: str = "sue", expect: int = 0) -> Outcome:
        """Type a command of the register."""
        environment = {"PATCHLINE_HOME": str(self.home), "PATCHLINE_PERSON": by, **self.settings}
        with self.clock():
            return run("patchline", *line, cwd=self.folder, environment=environment, expect=expect)

    def answer(self, *line: object, by: str = "sue") -> Any:
        return self.ask(*line, "--json", by=by).document

    def install(self, site: str) -> None:
        trust = trust_document(product="demo", root=channels.root(), policy=vendor.policy_envelope())
        machine = self.machines[site] = Machine(self.folder / "sites" / site, "demo", "1.0")
        machine.install(FILES, trust, self.listed, self.now)

    def at(self, site: str, *line: object, expect: int = 0) -> Outcome:
        """Type a command at a customer's site."""
        machine = self.machines[site]
        with self.clock():
            where = ("--root", machine.root, "--state", machine.state)
            return run("patchline-site", *line, *where, cwd=self.folder, expect=expect)

    def enrol(self, site: str) -> None:
        """A code goes out, a file comes back, and its fingerprint is heard by phone."""
        code = self.answer("site", "enrol", site)["code"]
        heard = self.at(site, "enrol", code, "--out", f"{site}.enrolment", "--json").document["fingerprint"]
        self.ask("site", "enrol", site, "--take", f"{site}.enrolment")
        self.ask("site", "enrol", site, "--fingerprint", heard)

    def apply(self, site: str) -> None:
        offers = self.at(site, "fetch", "--from", self.home / "channel", "--json").document["offers"]
        [found] = [offer["path"] for offer in offers if offer["standing"] == "new"]
        self.at(site, "apply", found, "--reference", "CHG-4711")

    def mail(self, site: str) -> Path:
        """What the customer's person mails, as the mail program sends it."""
        name = f"{site}.{self.now:%d}.report"
        self.at(site, "report", "--out", name)
        text = (self.folder / name).read_text().strip()
        lines = [f"> {text[start : start + 70]}" for start in range(0, len(text), 70)]
        path = self.folder / f"{site}.mail"
        path.write_text("\n".join(["Hi Sue, here is what you asked for:", *lines, "", "-- ", "Eve Ops, Acme Ltd", ""]))
        return path

    def level(self, site: str, *more: str) -> tuple[str | None, str]:
        """Level and evidence of a site, as `patchline level` answers."""
        [found] = self.answer("level", site, *more)["sites"]
        return found["level"], found["known"]["evidence"]


@pytest.fixture(params=BACKENDS)
def office(request, tmp_path) -> Office:
    return Office(tmp_path, request.param)


def totals(answer: dict[str, Any]) -> tuple[int, int, int, int]:
    told = answer["totals"]
    return told["has"], told["lacks"], told["unknown"], told["not_applicable"]


def test_support_answers_every_call(office):
    label = f"1.0+{office.hotfix}-r1"

    # Day one: what is known already.
    office.begin()
    assert office.level("globex-plant") == ("1.0", "told")
    assert office.level("globex-lab") == (None, "never-reported")

    # A code read out by phone; one misheard does not count.
    office.install("globex-plant")
    code = office.at("globex-plant", "inventory", "--json").document["level"]["code"]
    told = ("site", "tell", "globex-plant", "--level", "1.0", "--by", "Gil", "--code")
    office.ask(*told, code[:-1] + ("0" if code[-1] != "0" else "1"), expect=21)
    office.ask(*told, code)
    assert office.level("globex-plant") == ("1.0", "told-with-code")

    # What must they take?
    lacking = office.answer("who", "lacks", "--cve", CVE)
    assert [(row["site"], row["take"]) for row in lacking["sites"]] == [("globex-plant", [f"{office.hotfix}-r1"])]
    assert totals(lacking) == (0, 1, 3, 0)

    # Acme applies it; the mail about it comes a week later.
    office.install("acme-main")
    office.enrol("acme-main")
    applied = office.later(days=2)
    office.apply("acme-main")
    mail = office.mail("acme-main")
    between = office.later(days=1)
    office.later(days=6)
    office.ask("report", "import", mail)
    assert office.level("acme-main") == (label, "signed-by-hand")
    assert office.level("acme-main", "--at", between) == (label, "signed-by-hand")
    assert office.level("acme-main", "--known-at", between) == (None, "never-reported")
    assert f"as of {applied}, signed report carried by hand" in office.ask("level", "acme-main").out

    # The same mail again, and one that was altered on its way, move nothing.
    office.ask("report", "import", mail)
    office.ask("event", "add", "acme-main", "--kind", "load-balancer", "--at", f"{between} 22:15", "--zone",
               "Europe/Berlin", "--text", "moved to the new balancer", "--reference", "CHG-4800", "--told-by", "Eve")  # fmt: skip
    assert totals(office.answer("who", "has", "--cve", CVE)) == (1, 1, 2, 0)

    # What did we do there?
    page = office.ask("history", "acme-main", "--from", f"{NOW:%Y-%m-%d}").out
    for told in (f"{office.hotfix}-r1", "moved to the new balancer", "CHG-4800", "Europe/Berlin"):
        assert told in page, page
    assert "Acme" not in page

    # What would they lose?
    lost = office.answer("loses", "acme-main", "--to", "2.0")
    assert [(one["fix"], one["by"]) for one in lost["fixes"]] == [("BUG-1", [f"{office.hotfix}-r1"])]
    assert lost["fixes"][0]["fate"] in ("lost", "unknown")

    # It is recalled: who still runs it?
    with office.life() as life:
        life.recall(office.hotfix, life.recall_file(office.hotfix, "ada", "ben"))
    assert [row["site"] for row in office.answer("who", "recalled")["sites"]] == ["acme-main"]
    assert totals(office.answer("who", "has", "--cve", CVE)) == (1, 1, 2, 0)
    office.at("acme-main", "rollback", office.hotfix)
    office.later(hours=2)
    office.ask("report", "import", office.mail("acme-main"))
    assert office.answer("who", "recalled")["sites"] == []
    assert totals(office.answer("who", "has", "--cve", CVE)) == (0, 2, 2, 0)


def test_account_manager_knows_every_exposed_customer_and_what_each_needs(office):
    office.begin()
    for customer in ("acme", "globex"):
        office.ask("entitlement", "add", customer, "--product", "demo", "--line", "1.*", by="rita")
    office.install("acme-main")
    office.enrol("acme-main")
    office.later(days=1)
    office.ask("report", "import", office.mail("acme-main"))

    # Every customer exposed, how we know, what each needs; of whom nothing is known is told apart.
    told = office.answer("who", "exposed", "--cve", CVE)
    found = {one["customer"]: one for one in told["customers"]}
    needs = {row["site"]: (row["take"], row["evidence"]) for one in found.values() for row in one["sites"]}
    take = [f"{office.hotfix}-r1"]
    assert needs["acme-main"] == (take, "signed-by-hand") and needs["globex-plant"] == (take, "told")
    assert (found["acme"]["exposed"], found["globex"]["exposed"]) == (1, 1)
    assert (told["exposed_sites"], told["exposed_customers"]) == (2, 2)
    assert "initech" not in found or found["initech"]["exposed"] == 0
    table = office.ask("who", "exposed", "--cve", CVE, "--csv").out.splitlines()
    assert table[0].startswith("customer,site,") and any(line.startswith("acme,acme-main,") for line in table)

    # They are told, each of its own sites alone; who was told is not told twice.
    with serving(Postbox()) as box:
        office.settings = {
            "PATCHLINE_SMTP_HOST": "127.0.0.1",
            "PATCHLINE_SMTP_PORT": str(box.port),
            "PATCHLINE_SMTP_STARTTLS": "false",
            "PATCHLINE_SMTP_FROM": "Demo support <support@vendor.example>",
        }
        assert "2 messages to send" in office.ask("notify", office.hotfix).out and not box.messages
        for _ in range(2):
            office.ask("notify", office.hotfix, "--send", "--yes")
    assert box.recipients == ["eve@acme.example", "gil@globex.example"]
    letters = [message.get_content() for message in box.messages]
    assert f"- acme-main: you run 1.0 (as of {office.now:%Y-%m-%d}, signed report carried by hand);" in letters[0]
    assert "- globex-plant: you run 1.0 (as of 2026-11-02, told by support);" in letters[1]
    assert all(f"you need {office.hotfix}-r1" in letter for letter in letters)
    assert "globex" not in letters[0] and "acme" not in letters[1]
    told = office.answer("notify", office.hotfix, "--told")
    assert [(one["address"], one["outcome"]) for one in told] == [(address, "sent") for address in box.recipients]

    # Acme takes it: exposed no more, as soon as its report is there and not before.
    office.apply("acme-main")
    office.later(hours=2)
    assert office.answer("who", "exposed", "--cve", CVE)["exposed_customers"] == 2
    office.later(days=1)
    office.ask("report", "import", office.mail("acme-main"))
    told = office.answer("who", "exposed", "--cve", CVE)
    assert (told["exposed_sites"], told["exposed_customers"]) == (1, 1)
