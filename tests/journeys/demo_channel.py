"""The second chapter: the same hotfix through the vendor's register and channel, to sites online and behind an air gap.

It goes on where `demo` has made releases, keys and trust. The vendor's server has a home of its own, and in it the two
online keys alone; everything that decides is signed on people's own machines.
"""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from patchline.patches.errors import TrialError
from patchline.releaser.acting import Outcome, Person
from patchline.releaser.policy_making import RELEASE_PERSON
from patchline.releaser.trial import BUILDER, OFFLINE, Customer
from tests.journeys.demo_bundle import AUTHOR, Demo

SERVER = "server"
MANAGER = "rita"
_PATIENCE = 20


@dataclass
class ChannelDemo:
    """The chapters about the channel, in order, after those of a demo."""

    demo: Demo
    number: int = 11

    def __post_init__(self) -> None:
        stage, vendor = self.demo.stage, self.demo.vendor
        self.tell, self.shared, self.vendor = stage.narrator.tell, vendor.shared, vendor
        self.product, self.base = self.demo.story.product, self.demo.story.base
        self.server = Person(SERVER, stage.folder / SERVER, stage.folder, stage.narrator, {"PATCHLINE_PERSON": MANAGER})
        self.home = self.server.home / "register"
        self.online = Customer.on(stage, "app", self.product, "online")
        self.gapped = Customer.on(stage, "app", self.product, "gapped")

    def chapter(self, title: str) -> None:
        self.demo.chapter(f"{self.number}. {title}")
        self.number += 1

    def play(self) -> None:
        self.chapter("The vendor's server: a register, and online keys that cannot approve anything")
        self.found()
        self.chapter("Two of the three offline holders say what the online keys may do")
        self.hold_ceremony()
        self.chapter(f"{self.product} {self.base} and its fix in the register")
        self.take_in()
        self.chapter(f"Approvals are taken in; {AUTHOR}'s own is refused")
        self.approve()
        self.chapter("Published, and found by a customer's site over HTTP")
        with self.web_server() as url:
            self.publish()
            self.fetch_online(url)
            self.chapter("A kit on a stick for the site behind the air gap")
            self.carry_kit("stick")
            self.chapter("Recalled by two persons: it reaches both sites")
            self.recall(url)

    def on_server(self, *line: str | Path, lines: int = 4, expect: int = 0) -> Outcome:
        return self.server.run("patchline", *line, "--home", self.home, lines=lines, expect=expect)

    def found(self) -> None:
        self.on_server("init", "--name", "Example Ltd", lines=3)
        for key in ("online", "kit"):
            self.server.run("cp", self.home / "keys" / f"{key}.pem", self.shared(f"{key}.pem"), lines=0)

    def hold_ceremony(self) -> None:
        first = self.vendor[OFFLINE[0]]
        offline = [word for name in OFFLINE for word in ("--key", self.shared(f"{name}.pem"))]
        root, kit_root, targets = (self.shared(f"{name}.json") for name in ("root-2", "kit-root", "targets"))
        made = ("patchline", "trust", "root", *offline, "--threshold", "2")
        online, kit = self.shared("online.pem"), self.shared("kit.pem")
        first.run(*made, "--online", online, "--previous", self.shared("root.json"), "--out", root, lines=0)
        first.run(*made, "--kit", kit, "--out", kit_root, lines=0)
        first.run(
            *("patchline", "trust", "targets", "--root", root, "--publisher", online, "--status", online),
            *("--out", targets),
            lines=0,
        )
        for name in OFFLINE[:2]:
            self.vendor.sign(name, root, ["online"])
            self.vendor.sign(name, kit_root, ["kit"])
            self.vendor.sign(name, targets, ["online"])
        self.on_server("channel", "root", self.shared("root.json"), root, kit_root, targets)

    def take_in(self) -> None:
        self.on_server("product", "add", self.product, "--name", self.product, "--repo", self.demo.repository)
        self.on_server("product", "policy", self.product, self.shared("policy.json"))
        self.on_server("baseline", "add", self.base, "--product", self.product, "--tag", self.base, lines=6)
        self.on_server("contains", self.demo.a_module(), lines=3)
        fixes = [word for fix in self.demo.story.fixes for word in ("--fix", f"{fix.id}={fix.title}")]
        mended = [word for fix in self.demo.story.fixes for word in ("--fix", fix.id)]
        named = (
            *("--product", self.product, "--baseline", self.base, "--severity", self.demo.story.severity),
            *("--title", self.demo.story.fixes[0].title),
        )
        made = self.on_server("hotfix", "new", *named, *mended, "--json", lines=0)
        self.hotfix = json.loads(made.out)["hotfix"]
        self.tell(f"    it is {self.hotfix}")
        self.bundle = self.shared(f"channel/{self.hotfix}-r1.hotfix")
        self.bundle.parent.mkdir()
        builder = self.vendor[BUILDER]
        clone = self.demo.clone_for(builder)
        builder.run(
            *("patchline", "bundle", "build", "--repo", clone),
            *("--base", self.base, "--head", self.demo.story.head, "--id", self.hotfix),
            *("--product", self.product, "--baseline", self.base),
            *("--severity", self.demo.story.severity, *fixes, "--people", self.demo.people, "--out", self.bundle),
            lines=3,
        )
        builder.run("patchline", "bundle", "sign", self.bundle, "--key", BUILDER)
        self.on_server("hotfix", "build", self.hotfix, "--bundle", self.bundle)
        self.on_server("hotfix", "submit", self.hotfix)

    def approve(self) -> None:
        self.vendor.approve(AUTHOR, self.bundle, expect=21)
        rebuilt = ("--repo", self.demo.clone_for(self.vendor["ada"]), "--people", self.demo.people)
        envelopes = {name: self.shared(f"channel/{name}.approval.jsonl") for name in ("ada", "ben")}
        for name, more in (("ada", rebuilt), ("ben", ())):
            envelope = envelopes[name]
            self.vendor.approve(name, self.bundle, *more, "--out", envelope)
            self.on_server("hotfix", "approve", self.hotfix, "--statement", envelope)
        approvals = self.shared(f"channel/{self.bundle.name}.approvals.jsonl")
        self.vendor[RELEASE_PERSON].run("cat", *envelopes.values(), into=approvals)
        self.vendor.release(self.bundle)

    def publish(self) -> None:
        line = self.shared(f"channel/{self.bundle.name}.sha256")
        self.on_server("hotfix", "publish", self.hotfix, "--release", line)
        self.on_server("hotfix", "show", self.hotfix, lines=8)

    def fetch_online(self, url: str) -> None:
        self.demo.install(self.online)
        self.online.say("fetch", "--from", url, lines=8)
        found = self.fetched(self.online)
        self.online.say("apply", found)
        self.online.must_be(self.demo.head)

    def fetched(self, customer: Customer) -> Path:
        (found,) = customer.state.rglob(f"{self.hotfix}*.zip")
        return found

    def carry_kit(self, name: str) -> None:
        if not (self.gapped.root / ".patchline").exists():
            self.demo.install(self.gapped)
        report = self.shared(f"channel/{name}-report.json")
        self.gapped.say("report", "--out", report, lines=1)
        stick = self.shared(name)
        self.on_server("kit", "make", "--report", report, "--out", stick, lines=4)
        self.server.run("ls", stick, lines=8)
        self.gapped.say("fetch", "--from", stick, lines=8)
        self.gapped.say("apply", stick)
        self.gapped.must_be(self.demo.head)

    def recall(self, url: str) -> None:
        statement = self.shared("channel/recall.jsonl")
        said = ("--reason", "breaks sign-in with single sign-on")
        self.vendor["ada"].run(
            *("patchline", "recall", "propose", self.bundle, *said, "--key", "ada"),
            *("--trust", self.vendor.trust, "--out", statement, "--yes"),
        )
        self.vendor["ben"].run(
            "patchline", "recall", "confirm", statement, "--key", "ben", "--trust", self.vendor.trust, "--yes"
        )
        self.on_server("hotfix", "recall", self.hotfix, "--statement", statement, "--yes")
        self.online.say("fetch", "--from", url, lines=6)
        self.online.say("inventory", lines=6)
        report = self.shared("channel/second-report.json")
        self.gapped.say("report", "--out", report, lines=1)
        stick = self.shared("second-stick")
        self.on_server("kit", "make", "--report", report, "--out", stick, lines=3)
        self.gapped.say("fetch", "--from", stick, lines=6)
        self.gapped.say("rollback", self.hotfix)
        self.gapped.must_be(self.demo.base)
        self.gapped.person.run("patchline-site", "apply", self.bundle, "--root", self.gapped.root, expect=27)

    @contextmanager
    def web_server(self) -> Iterator[str]:
        """Serve the channel's folder over HTTP, as any web server would."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        folder = self.home / "channel"
        process = subprocess.Popen(
            [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", folder],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def _wait_for(port: int) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TrialError("command", "the web server did not start")
