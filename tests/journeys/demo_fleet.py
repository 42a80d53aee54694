"""The third chapter: who has what. Two customers with four sites: one online, one behind an air gap, one whose files
somebody edited, and one of which nobody ever heard.

It goes on where the second chapter ends: the hotfix was recalled, one site still has it and one took it back.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from patchline.patches.errors import TrialError
from patchline.releaser.acting import Outcome, Person
from patchline.releaser.trial import Customer
from tests.journeys.demo_channel import ChannelDemo

SUPPORT = "sue"
CUSTOMERS = {"acme": "Acme Ltd", "globex": "Globex Corp"}
SITES = {
    "acme-main": ("acme",),
    "acme-vault": ("acme", "--air-gapped"),
    "globex-plant": ("globex", "--air-gapped"),
    "globex-lab": ("globex",),
}


@dataclass
class FleetDemo:
    """The chapters about the fleet, in order, after those of the channel."""

    channel: ChannelDemo

    def __post_init__(self) -> None:
        self.demo, self.tell, self.shared = self.channel.demo, self.channel.tell, self.channel.shared
        self.chapter, self.hotfix, self.heard = self.channel.chapter, "", 0
        settings = {"PATCHLINE_PERSON": SUPPORT, "PATCHLINE_HOME": str(self.channel.home)}
        stage = self.demo.stage
        self.support = Person(SUPPORT, stage.folder / SUPPORT, stage.folder, stage.narrator, settings)
        self.plant = Customer.on(stage, "app", self.channel.product, "plant")

    def play(self) -> None:
        self.hotfix = self.channel.hotfix
        self.chapter("Two customers with four sites, of which nothing was heard yet")
        self.add_sites()
        self.must_know(unknown=4)
        self.chapter("Two of them report: one has the hotfix that was recalled, one took it back")
        self.hear_acme()
        self.must_know(has=1, lacks=1, unknown=2)
        self.must_run_recalled("acme-main")
        self.chapter("A third one reports; somebody edited a file there")
        self.hear_plant()
        self.must_know(has=1, lacks=2, unknown=1)
        self.chapter("The recalled one goes; what happened there stays on record")
        self.take_back()
        self.must_know(lacks=3, unknown=1)
        self.must_run_recalled()
        self.look_back()

    def on_register(self, *line: str | Path, lines: int = 6, expect: int = 0) -> Outcome:
        return self.support.run("patchline", *line, lines=lines, expect=expect)

    def add_sites(self) -> None:
        self.channel.on_server("person", "add", SUPPORT, "--role", "support")
        for customer, title in CUSTOMERS.items():
            self.on_register("customer", "add", customer, "--title", title)
        for site, (customer, *more) in SITES.items():
            self.on_register("site", "add", site, "--customer", customer, "--product", self.channel.product, *more)

    def hear_acme(self) -> None:
        self.enrol("acme-main", self.channel.online)
        self.hear("acme-main", self.channel.online)
        self.tell("Of the other one no key is known, so what it says counts as somebody's word:")
        self.hear("acme-vault", self.channel.gapped, "--site", "acme-vault")
        self.on_register("level", "acme")

    def enrol(self, site: str, customer: Customer) -> None:
        """Let a site's key be known: a code goes out, a file comes back, its fingerprint is read out by phone."""
        enrolment = self.shared(f"fleet/{site}.enrolment.json")
        enrolment.parent.mkdir(exist_ok=True)
        code = json.loads(self.on_register("site", "enrol", site, "--json", lines=0).out)["code"]
        told = customer.say("enrol", code, "--out", enrolment, "--json", lines=2)
        self.on_register("site", "enrol", site, "--take", enrolment)
        self.on_register("site", "enrol", site, "--fingerprint", json.loads(told.out)["fingerprint"])

    def hear(self, site: str, customer: Customer, *more: str) -> None:
        self.heard += 1
        report = self.shared(f"fleet/{site}.report-{self.heard}.json")
        customer.say("report", "--out", report, lines=1)
        self.on_register("report", "import", report, *more)

    def hear_plant(self) -> None:
        self.demo.install(self.plant)
        edited = self.plant.root / self.a_file()
        edited.write_text(f"{edited.read_text()}\n# we need this here\n")
        self.tell(f"    {edited.name} was edited by the customer's own people")
        self.enrol("globex-plant", self.plant)
        self.hear("globex-plant", self.plant)
        self.on_register("level", "globex-plant")
        self.on_register("level", "globex")

    def a_file(self) -> str:
        files = self.demo.releases[self.demo.story.base].rglob("*.py")
        return min(str(path.relative_to(self.demo.releases[self.demo.story.base])) for path in files)

    def take_back(self) -> None:
        self.channel.online.say("rollback", self.hotfix)
        self.hear("acme-main", self.channel.online)

    def look_back(self) -> None:
        self.on_register("history", "acme-main", lines=12)
        self.on_register("level", "acme")
        self.on_register("level", "globex")

    # What must be right

    def must_know(self, has: int = 0, lacks: int = 0, unknown: int = 0) -> None:
        """Ask who has the hotfix, and insist on the answer."""
        self.on_register("who", "lacks", "--hotfix", self.hotfix)
        totals = self._asked("who", "has", "--hotfix", self.hotfix)["totals"]
        told = {name: totals[name] for name in ("has", "lacks", "unknown")}
        self._insist(told, {"has": has, "lacks": lacks, "unknown": unknown})
        self.tell(f"→ {has} have it, {lacks} lack it, {unknown} unknown: as it is")

    def must_run_recalled(self, *sites: str) -> None:
        """Ask who still runs what was recalled, and insist on the answer."""
        self.on_register("who", "recalled")
        self._insist([row["site"] for row in self._asked("who", "recalled")["sites"]], list(sites))

    def _asked(self, *line: str) -> Any:
        return json.loads(self.on_register(*line, "--json", lines=0).out)

    def _insist(self, told: object, right: object) -> None:
        if told != right:
            raise TrialError("tree", f"the register says {told}, and {right} is so")
