"""Each way in which a loan gets a login of its own, at a real target: made, different from the team's, proved dead."""

import secrets
import stat
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from patchline.patches.errors import PatchlineError
from patchline.releaser.loans import handing, lending
from patchline.releaser.loans.caring import look_after
from patchline.releaser.setups import keeping
from patchline.releaser.setups.endpoints import Endpoint
from patchline.releaser.setups.logins import KeyLogin, Outcome, Target
from patchline.vault.loan_credentials import loan_path, open_wrapping
from patchline.vault.loans import LoanVault
from patchline.vault.setups import Login, TeamSecrets
from tests import ldap_server, ssh_server
from tests.ldap_server import directory, needs_slapd
from tests.lending import HOUR, opens, roles_like
from tests.registers import NOW
from tests.setups import Account, endpoint, target_address
from tests.ssh_server import make_key, needs_sshd

__all__ = ["directory"]


def setup(lab, *endpoints, name="lab-2", sensitive=False):
    with lab.register.change("ada", NOW) as change:
        keeping.add(change, keeping.NewSetup(name, "platform", sensitive, endpoints=endpoints))
    return name


def script(lab, name, text, setup="lab-2"):
    """Put an owner's program in place."""
    path = lab.register.home / "setups" / setup / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    assert stat.S_IMODE(path.stat().st_mode) == 0o755
    return path


def back(lab, loan, hands):
    lab.give_back(loan)
    assert look_after(hands, loan) == "is back, proved"
    assert lab.state(loan) == "returned" and [part.state for part, _ in lab.seen(loan).parts] == ["dead"]


def test_second_account_in_postgresql_may_what_its_group_may_and_goes_with_its_sessions(lab):
    setup(lab, endpoint("db", target_address(), strategy="second-account"))
    lab.put_maker("lab-2")
    broker = lab.broker()
    loan = lab.lent(broker, setup="lab-2")
    login = lab.login(loan, setup="lab-2")
    assert login.username == f"loan-{loan}" and opens(login)
    with psycopg.connect(target_address(), user=login.username, password=login.password) as session:
        until = session.execute("SELECT rolvaliduntil FROM pg_roles WHERE rolname = CURRENT_USER").fetchone()[0]
        assert until == lab.clock.now + timedelta(hours=48, minutes=5)
        session.execute("CREATE TEMPORARY TABLE mine (id int)")
        back(lab, loan, broker)
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    assert roles_like(f"loan-{loan}") == []


@needs_slapd
def test_second_account_in_a_directory_is_made_by_its_keeper_and_removed(lab, directory):
    setup(lab, endpoint("ldap", directory.address, "ldap"))
    keeper = {"username": ldap_server.KEEPER, "password": ldap_server.KEEPERS_PASSWORD}
    lab.put("lab-2/lending/ldap", **keeper, base="ou=people,dc=lab")
    broker = lab.broker()
    loan = lab.lent(broker, setup="lab-2")
    login, target = lab.login(loan, "ldap", "lab-2"), Target("", "ldap", directory.address, None)
    assert login.username == f"uid=loan-{loan},ou=people,dc=lab" and target.try_login(login) is Outcome.WORKS
    back(lab, loan, broker)
    assert target.try_login(login) is Outcome.REFUSED


PRODUCT = """\
#!/usr/bin/env python3
# The product keeps its administrators in a file: name and password, a line each.
import json, pathlib, sys
asked = json.loads(sys.stdin.readline())
file = pathlib.Path(__file__).with_name("admins.txt")
admins = dict(line.split("\\t") for line in file.read_text().splitlines()) if file.exists() else {}
name, password = asked["username"], asked["password"]
if sys.argv[1] == "check":
    sys.exit(0 if admins.get(name) == password else 1)
admins.pop(name, None)
if sys.argv[1] == "create":
    admins[name] = password
file.write_text("".join(f"{one}\\t{word}\\n" for one, word in admins.items()))
"""


def test_products_own_login_is_made_checked_and_deleted_by_the_owners_program(lab):
    setup(lab, endpoint("ui", "https://127.0.0.1:9/", "http"))
    program = script(lab, "ui", PRODUCT)
    broker = lab.broker()
    loan = lab.lent(broker, setup="lab-2")
    login, admins = lab.login(loan, "ui", "lab-2"), program.with_name("admins.txt")
    assert admins.read_text() == f"{login.username}\t{login.password}\n"
    back(lab, loan, broker)
    assert admins.read_text() == ""


def test_program_that_others_may_change_is_not_run_and_the_loan_is_not_made(lab):
    setup(lab, endpoint("ui", "https://127.0.0.1:9/", "http"))
    script(lab, "ui", PRODUCT).chmod(0o777)
    loan = lab.approve(lab.ask(setup="lab-2"))
    with pytest.raises(PatchlineError) as told:
        look_after(lab.broker(), loan)
    assert told.value.code == "refused.setup-script" and lab.state(loan) in ("issuing", "reserved")


PRINCIPALS = """\
#!/bin/sh
# The host lets in who stands in this file; one line for each loan.
read -r line
name=$(printf '%s' "$line" | sed 's/.*"username":"\\([^"]*\\)".*/\\1/')
case $1 in
  create) echo "$name" >> {file} ;;
  delete) sed -i "/^$name$/d" {file} ;;
esac
"""


@needs_sshd
def test_ssh_certificate_names_the_loan_and_the_host_stops_letting_it_in(lab, tmp_path):
    authority = tmp_path / "authority.pub"
    authority.write_text(lab.space.root.adapter.get("/v1/ssh/config/ca")["data"]["public_key"])
    key = make_key(tmp_path / "borrower")
    with ssh_server.serving({"tester": "canary"}, authority=authority) as host:
        principals = host.folder / "principals" / "tester"
        host.allow_principals("tester", "somebody")
        with lab.register.change("ada", NOW) as change:
            made = keeping.add(change, keeping.NewSetup("lab-2", "platform"))
            row = keeping.add_endpoint(
                change.session, made.site, Endpoint("shell", "ssh", host.address, "ssh-certificate")
            )
            row.host_fingerprint = host.fingerprint
        lab.put("lab-2/lending/shell", username="tester")
        script(lab, "shell", PRINCIPALS.format(file=principals))
        broker = lab.broker()
        loan = lab.lent(broker, setup="lab-2", ssh_key=Path(f"{key}.pub").read_text())
        kept = LoanVault(lab.space.admin).read("lab-2", loan).credentials["shell"]
        target = Target("", "ssh", host.address, None, host.fingerprint)
        login = KeyLogin("tester", key.read_text(), kept["certificate"])
        assert target.try_key(login) is Outcome.WORKS and f"loan-{loan}" in principals.read_text()
        expires = lab.seen(loan).parts[0][0].expires
        assert expires - lab.clock.now < timedelta(hours=8, minutes=1)
        lab.later(7.5, broker)
        renewed = LoanVault(lab.space.admin).read("lab-2", loan).credentials["shell"]["certificate"]
        assert renewed != kept["certificate"] and lab.seen(loan).parts[0][0].expires > expires
        back(lab, loan, broker)
        assert target.try_key(login) is Outcome.REFUSED
        assert target.try_key(KeyLogin("tester", key.read_text(), renewed)) is Outcome.REFUSED


TEAM = 'path "setups/data/lab-2/team/*" { capabilities = ["create", "read", "update"] }'


def shared(lab):
    setup(lab, endpoint("db", target_address(), strategy="shared-account"))
    account = Account.made("canary-of-the-team")
    lab.space.policy("team-platform", TEAM)
    team = TeamSecrets(lab.space.admin)
    team.write("lab-2/team/db", Login(account.name, account.password), 0)
    return account, team


def test_shared_account_is_rotated_before_and_after_and_bytes_handed_out_differ_from_every_team_version(lab):
    account, team = shared(lab)
    loan = lab.approve(lab.ask(setup="lab-2"))
    assert look_after(lab.broker(), loan) == "waits for a lender's own login to Vault: loan approve"
    look_after(lab.lender("team-platform"), loan)
    lent = lab.login(loan, setup="lab-2")
    assert account.opens(lent.password) and not account.opens(account.password)
    back(lab, loan, lab.broker())
    new = team.read("lab-2/team/db")
    assert account.opens(new.login.password) and not account.opens(lent.password)
    assert new.number == 3 and lent.password not in {account.password, new.login.password}
    with lab.register.read() as session:
        assert keeping.the_setup(session, "lab-2").endpoint("db")[1].number == 3


def test_password_that_a_team_has_or_had_is_never_handed_out(lab, monkeypatch):
    account, team = shared(lab)
    team.write("lab-2/team/db", Login(account.name, "had-before"), 1)
    team.write("lab-2/team/db", Login(account.name, account.password), 2)
    loan = lab.approve(lab.ask(setup="lab-2"))
    monkeypatch.setattr(secrets, "token_urlsafe", lambda _: "had-before")
    with pytest.raises(PatchlineError) as told:
        look_after(lab.lender("team-platform"), loan)
    assert told.value.code == "refused.loan-equal" and lab.state(loan) == "reserved" and account.opens(account.password)


def test_sensitive_setup_is_lent_by_the_lenders_own_login_and_never_by_the_broker(lab):
    setup(lab, endpoint("db", target_address(), strategy="second-account"), sensitive=True)
    lab.put_maker("lab-2")
    loan = lab.approve(lab.ask(setup="lab-2"))
    assert (
        look_after(lab.broker(), loan) == "waits for a lender's own login to Vault: loan approve"
        and lab.state(loan) == "issuing"
    )
    assert look_after(lab.lender(), loan) == "is on loan"
    back(lab, loan, lab.broker())


def test_sensitive_setup_that_was_booked_ahead_is_taken_up_by_a_lender_when_its_time_has_come(lab):
    setup(lab, endpoint("db", target_address(), strategy="second-account"), sensitive=True)
    lab.put_maker("lab-2")
    broker = lab.broker()
    loan = lab.approve(lab.ask(setup="lab-2", hours=72, starts=lab.clock.now + 24 * HOUR))
    lab.later(24.1, broker)
    assert lab.state(loan) == "issuing"
    with pytest.raises(PatchlineError) as told, lab.register.change("ada", lab.clock()) as change:
        lending.approve(change, loan, own=False)
    assert told.value.code == "state.loan-state"
    lab.approve(loan, by="cleo")
    assert look_after(lab.lender(), loan) == "is on loan" and lab.seen(loan).loan.lender == "cleo"
    with pytest.raises(PatchlineError) as told:
        lab.approve(loan)
    assert told.value.code == "state.loan-state"
    back(lab, loan, broker)


def test_loan_by_hand_is_shown_as_not_verifiable_and_ends_when_somebody_says_so(lab):
    setup(lab, endpoint("lb", "https://127.0.0.1:9/", "http", "by-hand"))
    broker = lab.broker()
    loan = lab.approve(lab.ask(setup="lab-2"), done={"lb": "account mobile made"})
    look_after(broker, loan)
    assert not lab.seen(loan).verifiable
    lab.give_back(loan)
    assert look_after(broker, loan).startswith("is not proved over: lab-2 lb: its keeper has to end it by hand")
    with pytest.raises(PatchlineError) as told:
        lab.give_back(loan, by="bob", done={"db": "gone"})
    assert told.value.code == "usage.loan-done"
    lab.give_back(loan, by="ada", done={"lb": "account mobile deleted"})
    assert look_after(broker, loan) == "is back, partly as somebody says"
    seen = lab.seen(loan)
    assert seen.parts[0][0].state == "stated" and not seen.verifiable and seen.loan.state == "returned"


def test_wrapping_opens_this_loan_alone_and_once(lab):
    lab.lend_users()
    broker = lab.broker()
    loan = lab.lent(broker)
    with lab.register.change("ada", lab.clock()) as change:
        row = handing.ask(change, loan, None)
    token = handing.make_now(broker, lab.seen(loan), row)
    server = lab.space.server
    for other in ("l0000000", loan):
        setup_name = "lab-1" if other != loan else "lab-2"
        with pytest.raises(PatchlineError) as told:
            open_wrapping(server, token, setup_name, other)
        assert told.value.code == "vault.loan-other"
    assert open_wrapping(server, token, "lab-1", loan)["db"]["password"] == lab.login(loan).password
    with pytest.raises(PatchlineError) as told:
        open_wrapping(server, token, "lab-1", loan)
    assert told.value.code == "vault.loan-opened"
    forged = lab.space.root.adapter.post("/v1/sys/wrapping/wrap", json={"db": {"password": "x"}}, wrap_ttl="60s")
    with pytest.raises(PatchlineError) as told:
        open_wrapping(server, forged["wrap_info"]["token"], "lab-1", loan)
    assert told.value.code == "vault.loan-other" and loan_path("lab-1", loan) == f"lab-1/loan/{loan}"
