"""The commands of loans, as lender, borrower and broker run them, on a real Vault and database."""

import json
import signal
from datetime import UTC, datetime, timedelta

import pytest

from patchline.patches.errors import VaultError
from patchline.releaser.register import opened
from patchline.vault.setups import Login
from tests import lending, setups
from tests.lending import opens
from tests.programs import process, run
from tests.registers import BACKENDS, make_home
from tests.setups import endpoint, target_address
from tests.workers import until, worker


def soon(hours=48):
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat(timespec="minutes")


class Shop:
    """A home with a setup, and the people who lend and borrow it."""

    def __init__(self, lab):
        self.lab, self.register = lab, lab.register
        self.broker_environment = {
            "PATCHLINE_VAULT_ROLE_ID": lab.space.role_id("patchline-broker"),
        }

    def loan(self, *line, by="ada", expect=0, own=False, **more):
        environment = self.lab.space.environment(more.pop("token", None))
        if not own:
            environment.pop("VAULT_TOKEN")
        line = ("patchline", "loan", *line, "--home", self.register.home)
        line += ("--as", by) if line[2] not in ("list", "show") else ()
        return run(*line, "--json", expect=expect, environment=environment, **more).document

    def ask(self, *more, by="bob"):
        line = ("request", "lab-1", "--team", "mobile", "--until", soon(), "--purpose", "CASE-7", *more)
        return self.loan(*line, by=by)["loan"]

    def wrapped(self):
        return {**self.broker_environment, "PATCHLINE_VAULT_WRAPPED": self.lab.space.wrapped("patchline-broker")}


@pytest.fixture
def shop(lab):
    lab.lend_users()
    return Shop(lab)


@pytest.fixture
def served(tmp_path, space):
    """The same on PostgreSQL, where a broker stays."""
    home = make_home("postgresql", tmp_path / "served")
    settings = home / "settings.toml"
    address = f'vault_address = "{space.bao.address}"\nvault_namespace = "{space.name}"\n'
    settings.write_text(settings.read_text() + address)
    with opened(home) as register:
        setups.site(register, "lab-1")
        setups.setup(register, "lab-1", endpoint("db", target_address()))
        lab = lending.prepared(register, space)
        lab.lend_users()
        yield Shop(lab)


def test_lender_lends_by_their_own_login_and_the_borrower_opens_it_once(shop, tmp_path):
    loan = shop.ask()
    lent = shop.loan("approve", loan, own=True)
    assert (lent["state"], lent["handover"], lent["logins"][0]["state"]) == ("on-loan", "delivered", "made")
    handed = tmp_path / "handed"
    handed.write_text(lent["wrapped"])
    out = tmp_path / "lab.json"
    assert shop.loan("open", loan, "--wrapped", handed, by="cleo", expect=12)["error"] == "refused.loan-borrower"
    shop.loan("open", loan, "--wrapped", handed, "--out", out, by="bob")
    assert out.stat().st_mode & 0o777 == 0o600
    found = json.loads(out.read_text())["logins"]["db"]
    login = Login(found["username"], found["password"])
    assert opens(login) and found["address"] == target_address()
    assert shop.loan("show", loan)["handover"] == "opened"
    again = shop.loan("open", loan, "--wrapped", handed, by="bob", expect=30)
    assert again["error"] == "vault.loan-opened" and "tell the lender" in again["hint"]
    assert shop.loan("show", loan)["handover"] == "alarm"
    back = shop.loan("return", loan, by="bob", own=True)
    assert back["state"] == "returned" and back["verifiable"] and not opens(login)
    everything = run("patchline", "audit", "export", "--home", shop.register.home).out
    for secret in (login.password, lent["wrapped"], lending.MAKERS_PASSWORD):
        assert secret not in everything + json.dumps(shop.loan("show", loan)) + json.dumps(shop.loan("list", "--ended"))
    for action in ("request", "approve", "issue", "delivered", "open", "open.refused", "alarm", "return", "prove"):
        assert f"loan.{action}" in everything, action


def test_lender_hands_over_anew_what_was_never_opened(shop, tmp_path):
    loan = shop.ask()
    assert shop.loan("approve", loan, "--again", own=True, expect=12)["error"] == "refused.loan-borrower"
    first = shop.loan("approve", loan, own=True)["wrapped"]
    assert shop.loan("approve", loan, "--again", own=True, by="cleo", expect=12)["error"] == "refused.loan-borrower"
    handed = tmp_path / "handed"
    handed.write_text(shop.loan("approve", loan, "--again", own=True)["wrapped"])
    assert handed.read_text() != first
    assert shop.loan("open", loan, "--wrapped", handed, by="bob")["logins"]["db"]["username"]


def test_embedded_broker_does_in_one_pass_what_was_left_to_it(shop):
    loan = shop.ask()
    assert shop.loan("approve", loan)["state"] == "issuing"
    line = ("patchline", "worker", "--broker", "--once", "--home", shop.register.home, "--json")
    assert run(*line, environment=shop.wrapped()).document == {"done": 1, "refused": 0, "waiting": 0}
    assert shop.loan("show", loan)["state"] == "on-loan"
    assert shop.loan("return", loan, by="bob")["state"] == "revoking"
    run(*line, environment=shop.wrapped())
    assert shop.loan("show", loan)["state"] == "returned"


def test_broker_stays_beside_an_embedded_register_too_and_ends_in_order(shop, tmp_path):
    environment = shop.wrapped()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        with worker(shop, "--broker", log=tmp_path / "broker.log") as process:
            for name in environment:
                patch.delenv(name)
            loan = shop.ask()
            shop.loan("approve", loan)
            until(lambda: shop.loan("show", loan)["state"] == "on-loan")
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 143


def test_broker_that_stays_lends_seals_the_hand_over_and_takes_back(served, tmp_path):
    environment = served.wrapped()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        with worker(served, "--broker", log=tmp_path / "broker.log"):
            for name in environment:
                patch.delenv(name)
            loan = served.ask()
            served.loan("approve", loan)
            until(lambda: served.loan("show", loan)["state"] == "on-loan")
            found = served.loan("open", loan, by="bob")["logins"]["db"]
            login = Login(found["username"], found["password"])
            assert opens(login) and served.loan("show", loan)["handover"] == "opened"
            served.loan("return", loan, by="bob")
            until(lambda: served.loan("show", loan)["state"] == "returned", seconds=5)
            assert not opens(login)
    assert login.password not in (tmp_path / "broker.log").read_text()


@pytest.mark.parametrize("backend", BACKENDS)
def test_sealed_vault_stops_lending_with_its_reason_and_nothing_else(backend, tmp_path):
    home = make_home(backend, tmp_path / "home")
    settings = home / "settings.toml"
    settings.write_text(settings.read_text() + 'vault_address = "http://127.0.0.1:9"\n')
    with opened(home) as register:
        setups.site(register, "lab-1")
        setups.setup(register, "lab-1", endpoint("db", target_address()))
    line = ("--home", home, "--json")
    ask = ("request", "lab-1", "--team", "mobile", "--until", soon(), "--purpose", "CASE-7", "--as", "bob")
    loan = run("patchline", "loan", *ask, *line).document["loan"]
    refused = run("patchline", "loan", "approve", loan, "--as", "ada", *line, expect=30).document
    assert refused["error"] == "vault.unreachable" and VaultError.http_status == 503
    assert run("patchline", "loan", "show", loan, *line).document["state"] == "reserved"
    assert run("patchline", "loan", "list", *line).document["loans"][0]["loan"] == loan
    assert run("patchline", "level", "own", *line).document


def test_ids_with_tricks_in_them_name_no_loan(shop):
    for trick in ("../../x", "l-x", "L7K3M9QZ", "l7k3m9q/", "l7k3m9qz\n", "%2e%2e"):
        for command in ("approve", "return", "open", "show"):
            assert shop.loan(command, trick, expect=11)["error"] == "not-found.loan"


def test_open_command_as_a_process_takes_the_wrapping_from_stdin_and_shows_nothing_in_its_line(shop):
    loan = shop.ask()
    token = shop.loan("approve", loan, own=True)["wrapped"]
    environment = {name: value for name, value in shop.lab.space.environment().items() if name != "VAULT_TOKEN"}
    line = ("loan", "open", loan, "--wrapped", "-", "--home", shop.register.home, "--as", "bob")
    told = process("patchline", *line, environment=environment, stdin=token.encode())
    assert f"  password: {shop.lab.login(loan).password}" in told.out.splitlines() and token not in told.out + told.err
