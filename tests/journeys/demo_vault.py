"""The part about Vault: a release key that never leaves it, and a setup lent with a login of its own, proved dead after.

Vault is a real OpenBao and the setup's database a real PostgreSQL; both are started for the demo and end with it.
"""

import json
import os
from contextlib import ExitStack
from dataclasses import dataclass

from patchline.patches.errors import TrialError
from patchline.releaser.acting import Person
from patchline.releaser.policy_making import RELEASE_PERSON
from patchline.releaser.setups.targets import postgresql
from patchline.vault.setups import Login
from tests import bao
from tests.journeys.demo_bundle import Demo
from tests.lending import MAKERS_PASSWORD, maker
from tests.setups import target_address

KEY = f"transit:signing/{RELEASE_PERSON}"
BORROWER, LENDER, ADMINISTRATOR = "mia", "bob", "vera"


@dataclass
class VaultDemo(Demo):
    """The bundle's first chapters with the release key in Vault, then a loan."""

    def play_all(self) -> None:
        with ExitStack() as stack:
            self.server = stack.enter_context(bao.started())
            self.chapter("0. Vault, made ready by who administers it")
            self.make_ready()
            self.prepare()
            self.chapter("4. A hotfix, approved by two people, and signed by a key that never leaves Vault")
            self.build()
            self.approve()
            self.chapter("5. A customer's site verifies it like any other")
            self.install(self.customer)
            self.customer.say("verify", self.hotfix)
            self.chapter("6. A setup of the team platform, and who may lend it")
            self.keep_setup()
            self.chapter(f"7. {BORROWER}, of another team, asks for it; {LENDER} lends it")
            self.lend()
            self.chapter(f"8. {BORROWER} opens it, once, and logs in by a login of the loan's own")
            self.open()
            self.chapter("9. It comes back: that login is dead, and everybody can see why we know")
            self.give_back()

    def who(self, name: str, token: str | None = None, **settings: str) -> Person:
        """Return somebody who knows where Vault is, logged in there or not."""
        settings |= {"PATCHLINE_VAULT_ADDRESS": self.server.address, "BAO_ADDR": self.server.address}
        settings |= {"VAULT_TOKEN": token, "BAO_TOKEN": token} if token else {}
        return self.stage.person(name, PATH=f"{bao.PROGRAM.parent}{os.pathsep}{os.environ['PATH']}", **settings)

    def make_ready(self) -> None:
        self.administrator = self.who(ADMINISTRATOR, self.server.root)
        self.administrator.run("patchline", "vault", "prepare", lines=8)
        self.administrator.run("patchline", "vault", "status", lines=4)

    def token(self, *policies: str) -> str:
        """Let the administrator make a login with some policies and no others."""
        file = self.vendor.shared(f"{policies[-1]}.token")
        named = [f"-policy={policy}" for policy in policies]
        self.administrator.run("bao", "token", "create", *named, "-field=token", into=file)
        text = file.read_text().strip()
        file.unlink()
        return text

    def make_keys(self) -> None:
        super().make_keys()
        self.tell("The release key is one in Vault; the policy names its public half:")
        self.releaser = self.who(RELEASE_PERSON, self.token("patchline-release"))
        self.releaser.run("patchline", "key", "public", KEY, into=self.vendor.shared(f"{RELEASE_PERSON}.pem"))

    def release(self) -> None:
        line = ("patchline", "bundle", "release", self.hotfix, "--key", KEY, "--trust", self.vendor.trust)
        self.releaser.run(*line)

    # The loan

    def keep_setup(self) -> None:
        self.home = self.stage.folder / "server" / "register"
        at_home = {"PATCHLINE_HOME": str(self.home), "PATCHLINE_PERSON": "rita"}
        manager = self.who("server", **at_home)
        manager.run("patchline", "init", "--name", "Example Ltd", lines=2)
        for name in (LENDER, BORROWER):
            manager.run("patchline", "person", "add", name, "--role", "engineer", lines=0)
        manager.run("patchline", "product", "add", self.story.product, "--name", self.story.product, lines=0)
        manager.run("patchline", "customer", "add", "own", "--title", "Our own", lines=0)
        named = ("--customer", "own", "--product", self.story.product, "--environment", "test")
        manager.run("patchline", "site", "add", "lab-1", *named, lines=0)
        self.lender = self.who(LENDER, self.token("patchline-lender"), **{**at_home, "PATCHLINE_PERSON": LENDER})
        self.borrower = self.who(BORROWER, **{**at_home, "PATCHLINE_PERSON": BORROWER})
        endpoint = f"db=database,{target_address()}"
        self.lender.run("patchline", "setup", "add", "lab-1", "--team", "platform", "--endpoint", endpoint)
        name, group = maker()
        file = self.vendor.shared("maker.json")
        file.write_text(json.dumps({"username": name, "password": MAKERS_PASSWORD, "group": group}))
        self.tell("Its owner puts the account by which others are made into Vault, and nowhere else:")
        at = ("-mount=setups", "-cas=0", "lab-1/lending/db")
        self.administrator.run("bao", "kv", "put", *at, f"@{self.administrator.typed(file)}", lines=0)
        file.unlink()
        prepared = self.who(ADMINISTRATOR, self.server.root, **at_home)
        prepared.run("patchline", "vault", "prepare", "--setup", "lab-1", "--json", lines=0)
        self.lender.run("patchline", "setup", "show", "lab-1", lines=5)

    def lend(self) -> None:
        until = self.stage.person("clock").run("date", "-ud", "+2 days", "+%FT%H:%M", lines=0).out.strip()
        asked = ("lab-1", "--team", "mobile", "--until", until, "--purpose", "CASE-4711")
        said = self.borrower.run("patchline", "loan", "request", *asked, lines=2)
        self.loan = said.out.split()[0]
        self.borrower.run("patchline", "loan", "approve", self.loan, expect=12, lines=2)
        handed = self.vendor.shared("handed-over")
        self.lender.run("patchline", "loan", "approve", self.loan, into=handed)
        handed.write_text(handed.read_text().splitlines()[-1])
        self.tell(f"→ {handed.name} opens once, within 15 minutes, and only what this loan has")
        self.handed = handed

    def open(self) -> None:
        out = self.borrower.home / "lab-1.json"
        self.borrower.run("patchline", "loan", "open", self.loan, "--wrapped", self.handed, "--out", out)
        found = json.loads(out.read_text())["logins"]["db"]
        self.login = Login(found["username"], found["password"])
        self.must_be("works")
        self.borrower.run("patchline", "loan", "open", self.loan, "--wrapped", self.handed, expect=30, lines=2)
        self.tell("→ a second opening is refused, and everybody is told:")
        self.lender.run("patchline", "loan", "list")

    def give_back(self) -> None:
        self.borrower.run("patchline", "loan", "return", self.loan, lines=1)
        self.tell("The borrower has no login to Vault; the broker ends it, here in one pass:")
        role = self.administrator.run("bao", "read", "-field=role_id", f"{_ROLE}/role-id", lines=0).out.strip()
        wrapped = self.vendor.shared("wrapped")
        made = ("-wrap-ttl=10m", "-field=wrapping_token", f"{_ROLE}/secret-id")
        self.administrator.run("bao", "write", "-f", *made, into=wrapped)
        broker = self.who(
            "broker",
            PATCHLINE_HOME=str(self.home),
            PATCHLINE_VAULT_ROLE_ID=role,
            PATCHLINE_VAULT_WRAPPED=wrapped.read_text().strip(),
        )
        broker.run("patchline", "worker", "--broker", "--once")
        self.must_be("refused")
        self.lender.run("patchline", "loan", "show", self.loan, lines=20)
        self.lender.run("patchline", "audit", "verify")

    def must_be(self, outcome: str) -> None:
        """Try the borrower's login at the database, and insist on what comes of it."""
        found = postgresql.try_login(target_address(), self.login)
        if found != outcome:
            raise TrialError("tree", f"the login of the loan: {found}")
        self.tell(f"→ PostgreSQL: {self.login.username} {'comes in' if outcome == 'works' else 'is refused'}")


_ROLE = "auth/approle/role/patchline-broker"
