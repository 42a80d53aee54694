"""One hotfix from git to a customer's site and back, by the two real programs as processes, each person at home."""

import json
import os
from pathlib import Path

import pytest

from patchline.patches.envelopes import Envelope
from patchline.releaser.checkout import write_tree
from patchline.releaser.git_store import GitStore
from patchline.releaser.narration import Narrator
from patchline.releaser.trial import APPROVERS, BUILDER, Customer, Release, Stage, Vendor
from tests.repositories import Executable, LinkTo, Repository

HOTFIX = "HF-2026-0012"
BASE = {
    "bin/shop": Executable(b"#!/bin/sh\necho 4.1.2\n"),
    "conf/shop.ini": b"port = 8080\n",
    "conf/more.ini": b"more = 1\n",
    "lib/cart.py": b"cart = 1\n",
    "lib/old/gone.py": b"gone\n",
    "lib/kept.py": b"kept\n",
    "current": LinkTo(b"lib/cart.py"),
}
HEAD = {
    "bin/shop": Executable(b"#!/bin/sh\necho 4.1.3\n"),
    "conf/shop.ini": b"port = 8443\n",
    "conf/more.ini": b"more = 2\n",
    "lib/cart.py": Executable(b"cart = 2\n"),
    "lib/old/gone.py": None,
    "lib/new/deep/mail.py": b"mail = 1\n" * 2000,
    "current": LinkTo(b"lib/new/deep/mail.py"),
}
RECIPE = """\
title = "Totals and mails are right again"
severity = "important"
guidance = ["restart-service:shop"]

[classes]
config = ["conf/*.ini"]

[[fixes]]
id = "BUG-7"
title = "The total counts every item"
paths = ["lib/cart.py", "bin/**", "current", "lib/old/**"]

[[fixes]]
id = "BUG-8"
title = "Mails go out over TLS"
paths = ["conf/**", "lib/new/**"]
"""


class Journey:
    def __init__(self, folder: Path) -> None:
        self.stage = Stage(folder, Narrator(lambda text: None))
        self.vendor = Vendor(self.stage, "shop", (*APPROVERS, "erin"))
        self.bob = self.vendor[BUILDER]
        repository = Repository(self.stage.folder / "git" / "shop.git", bare=True)
        repository.commit(BASE, tag="4.1.2")
        repository.commit(HEAD, "Mend totals and mails", author="erin@example.com")
        self.origin = repository.path
        self.hotfix = self.vendor.shared(f"{HOTFIX}-r1.hotfix")
        self.people = self.vendor.shared("people.toml")
        mails = {"erin": "erin@example.com", "carl": "committer@example.com"}
        persons = "".join(f'{name} = ["{mail}"]\n' for name, mail in mails.items())
        self.people.write_text(f'key = "{"k" * 32}"\n[people]\n{persons}')
        self.customer = Customer.on(self.stage, "shop", "shop")
        with GitStore(self.origin) as store:
            write_tree(store, store.resolve("4.1.2"), self.customer.root)
            write_tree(store, store.resolve("main"), self.stage.folder / "head")
        self.base = Release.of("4.1.2", self.customer.root)
        self.head = Release.of("main", self.stage.folder / "head")

    def make_trust(self) -> None:
        self.vendor.make_keys()
        listed = self.vendor.list_baseline("4.1.2", "--repo", self.origin, "--ref", "4.1.2")
        assert listed is not None
        self.listed = listed
        self.vendor.make_trust([listed])

    def build(self, *more: str | Path) -> None:
        clone = self.bob.home / "shop"
        self.bob.run("git", "clone", "--quiet", self.origin, clone)
        self.bob.run("patchline", "bundle", "recipe", "--repo", clone, "--base", "4.1.2", "--head", "main",
                     "--out", self.bob.home / "draft.toml")  # fmt: skip
        assert "conf/shop.ini" in (self.bob.home / "draft.toml").read_text()
        (self.bob.home / "hotfix.toml").write_text(RECIPE)
        self.bob.run("patchline", "bundle", "build", "--repo", clone, "--base", "4.1.2", "--head", "main",
                     "--id", HOTFIX, "--product", "shop", "--baseline", "4.1.2", "--people", self.people,
                     "--recipe", self.bob.home / "hotfix.toml", "--out", self.hotfix, *more)  # fmt: skip
        self.bob.run("patchline", "bundle", "sign", self.hotfix, "--key", BUILDER)


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Journey:
    made = Journey(tmp_path_factory.mktemp("journey"))
    made.make_trust()
    made.build()
    return made


def test_a_hotfix_travels_from_git_to_a_customer_and_back(journey):
    vendor, customer, hotfix = journey.vendor, journey.customer, journey.hotfix

    refused = vendor.approve("erin", hotfix, expect=21)
    assert "erin, who contributed" in refused.error
    alone = vendor["release"].run(
        "patchline", "bundle", "release", hotfix, "--key", "release", "--trust", vendor.trust, expect=21
    )
    assert alone.hint
    clone = vendor["ada"].home / "shop"
    vendor["ada"].run("git", "clone", "--quiet", journey.origin, clone)
    rebuilt = vendor.approve("ada", hotfix, "--repo", clone, "--people", journey.people)
    assert "rebuilt from your clone: the manifest is the same" in rebuilt.err
    vendor.approve("ben", hotfix, "--out", vendor.shared("ben.approval"))
    with hotfix.with_name(f"{hotfix.name}.approvals.jsonl").open("ab") as sidecar:
        sidecar.write(vendor.shared("ben.approval").read_bytes())
    vendor.release(hotfix)

    customer.init("4.1.2", vendor.trust, journey.listed)
    assert "approved by ada, ben" in customer.say("verify", hotfix).out
    (customer.root / "conf" / "shop.ini").write_text("port = 9999\n")
    edited = Release.of("4.1.2 with an edit", customer.root)
    plan = customer.person.home / "plan.json"
    customer.say("plan", hotfix, "--out", plan)
    customer.must_be(edited)
    told = customer.say("apply", hotfix, "--plan", plan, "--reference", "CHG-1")
    assert "do now: restart-service:shop" in told.out
    assert (customer.root / "conf" / "shop.ini").read_text() == "port = 9999\n"
    assert (customer.root / "conf" / "shop.ini.patchline-new").read_text() == "port = 8443\n"
    assert (customer.root / "conf" / "more.ini").read_text() == "more = 2\n"
    assert os.readlink(customer.root / "current") == "lib/new/deep/mail.py"
    assert not (customer.root / "lib" / "old").exists()
    assert customer.say("inventory", "--check", "--json").code == 0

    applied_again = customer.say("apply", hotfix)
    assert "nothing to do" in applied_again.out
    customer.say("rollback", HOTFIX)
    customer.must_be(edited)

    (customer.root / "conf" / "shop.ini").write_text("port = 8080\n")
    customer.must_be(journey.base)
    killed, recovered = customer.survive_a_kill(hotfix, journey.base, journey.head)
    assert 0 < killed.changed <= killed.paths == len(HEAD)
    assert recovered in (journey.base, journey.head)

    out = vendor.shared("report.json")
    customer.say("report", "--out", out)
    report = Envelope.from_document(json.loads(out.read_text()), "report")
    found = json.loads(report.payload)
    assert found["level"]["label"] == f"4.1.2+{HOTFIX}-r1" and found["drift"] == []
    assert len(report.signatures) == 1
    customer.say("rollback", "--to", "baseline")
    customer.must_be(journey.base)
    rows = json.loads(customer.say("history", "--json").out)["rows"]
    assert [row["row"] for row in rows if row["row"] != "undone"][:2] == ["apply", "rollback"]
