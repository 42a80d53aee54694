"""A product's own admin login, lent by its owner's program: the product is a Patchline server that runs."""

import json
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from patchline.releaser.loans import handing
from patchline.releaser.loans.caring import look_after
from patchline.releaser.setups import keeping
from patchline.vault.setups import Login, TeamSecrets
from tests import product_login
from tests.product_login import DONE, REFUSED, TROUBLE, Browser
from tests.programs import BIN, run
from tests.registers import NOW, make_home
from tests.served import served
from tests.setups import endpoint

TEAM = Login("rita", "canary of the team in its own product")
ADMINISTRATION = "/administration/"


class Product:
    """A product that runs, and how its owner lends it."""

    def __init__(self, home, running):
        self.home, self.running, self.address = home, running, f"{running.address}/"

    def person(self, *words):
        return run("patchline", "person", *words, "--home", self.home, "--json").document

    def roles(self):
        return {one["id"]: (one["roles"], one["disabled"] is not None) for one in self.person("list")}

    def signed_in(self, login):
        """A browser that is signed in to the product, None when it lets nobody in so."""
        browser = Browser(self.address)
        return browser if browser.sign_in(login.username, login.password) == 200 else None

    def _noting(self):
        """The product's command, which notes how it is called: what a list of processes shows of it."""
        path = self.home / "patchline"
        path.write_text(f'#!/bin/sh\necho "$*" >> {self.home}/lines\nexec {BIN}/patchline "$@"\n')
        path.chmod(0o755)
        return path

    def lines(self):
        return (self.home / "lines").read_text().splitlines()

    def put_program(self, home, setup="lab-2", name="ui"):
        """Put the owner's program in place, and beside it what it needs to know."""
        path = home / "setups" / setup / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(product_login.__file__, path)
        path.chmod(0o755)
        known = {"program": str(self._noting()), "home": str(self.home), "by": "rita", "role": "release-manager"}
        path.with_name(f"{name}.toml").write_text("".join(f"{key} = {json.dumps(known[key])}\n" for key in known))
        return path


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    """A product whose team administers it as Rita."""
    home = make_home("sqlite", tmp_path_factory.mktemp("product") / "home")
    with served(home, "--workers", 1, "--threads", 4) as running:
        found = Product(home, running)
        browser = Browser(found.address)
        browser.open(urlsplit(found.person("link", "rita", "--as", "rita")["link"]).path)
        assert browser.send("/sign-in/link/", password=TEAM.password, again=TEAM.password) == 200
        yield found


def opened_by_the_borrower(lab, broker, loan, tmp_path):
    """The login as the borrower's own command writes it down."""
    with lab.register.change("ada", lab.clock()) as change:
        row = handing.ask(change, loan, None)
    wrapped, out = tmp_path / "wrapped", tmp_path / "lab.json"
    wrapped.write_text(handing.make_now(broker, lab.seen(loan), row))
    line = ("patchline", "loan", "open", loan, "--wrapped", wrapped, "--out", out, "--as", "bob")
    environment = {**lab.space.environment(), "VAULT_TOKEN": ""}
    run(*line, "--home", lab.register.home, environment=environment)
    found = json.loads(out.read_text())["logins"]["ui"]
    return Login(found["username"], found["password"])


def test_admin_login_of_a_real_product_is_lent_used_and_proved_dead(lab, product, tmp_path):
    with lab.register.change("ada", NOW) as change:
        keeping.add(change, keeping.NewSetup("lab-2", "platform", endpoints=(endpoint("ui", product.address, "http"),)))
    TeamSecrets(lab.space.admin).write("lab-2/team/ui", TEAM, 0)
    product.put_program(lab.register.home)
    broker = lab.broker()
    loan = lab.lent(broker, setup="lab-2")
    lent = opened_by_the_borrower(lab, broker, loan, tmp_path)
    assert lent.username == f"loan-{loan}" and lent.password != TEAM.password
    assert product.roles()[lent.username] == (["release-manager"], False)
    borrower, team = product.signed_in(lent), product.signed_in(TEAM)
    assert borrower.open(ADMINISTRATION) == 200 and borrower.where == ADMINISTRATION and lent.username in borrower.page

    lab.give_back(loan)
    assert look_after(broker, loan) == "is back, proved"
    assert lab.state(loan) == "returned" and [part.state for part, _ in lab.seen(loan).parts] == ["dead"]
    assert product.signed_in(lent) is None and product.roles()[lent.username][1]
    assert borrower.open(ADMINISTRATION) == 200 and borrower.where == "/sign-in/"
    assert team.open(ADMINISTRATION) == 200 and team.where == ADMINISTRATION and product.signed_in(TEAM)
    # What processes were called is among the files of the product.
    assert f"person add {lent.username}" in str(product.lines())
    for written in (product.home, lab.register.home):
        for path in filter(Path.is_file, written.rglob("*")):
            assert lent.password.encode() not in path.read_bytes(), path


def test_program_says_no_only_when_the_product_does_and_touches_nobody_but_its_loans(product, tmp_path):
    program = product.put_program(tmp_path)
    login, wrong = Login("loan-l0again", "canary-one-of-its-own"), Login("loan-l0again", "canary-another")

    def ask(task, login, address=product.address):
        asked = {"address": address, "username": login.username, "password": login.password}
        done = subprocess.run([program, task], check=False, input=json.dumps(asked).encode(), capture_output=True)
        assert (done.stdout, done.stderr) == (b"", b"")
        return done.returncode

    assert ask("delete", login) == DONE and login.username not in product.roles()
    product.person("add", login.username, "--as", "rita")  # As when making it was cut off.
    assert (ask("create", login), ask("check", login), ask("check", wrong)) == (DONE, DONE, REFUSED)
    assert ask("check", login, "http://127.0.0.1:9/") == TROUBLE
    assert (ask("create", TEAM), ask("delete", TEAM)) == (TROUBLE, TROUBLE)
    assert product.signed_in(TEAM) and not product.roles()["rita"][1]
    assert (ask("delete", login), ask("create", login)) == (DONE, TROUBLE)
    assert product.signed_in(login) is None
    lines = product.lines()
    assert {line.split()[1] for line in lines} == {"add", "link", "disable"}
    assert "canary" not in str(lines) and "/sign-in/" not in str(lines)
