"""What goes wrong while setups are lent: one clear answer each, nothing lent twice, nothing left alive."""

import signal
import socket
import socketserver
import threading
import time
import uuid
from contextlib import contextmanager, suppress
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import text

from patchline.patches.errors import LockedError, PatchlineError
from patchline.releaser.fleet import reports
from patchline.releaser.loans import handing
from patchline.releaser.loans.brokering import Rounds, sweep, tend
from patchline.releaser.loans.caring import look_after
from patchline.releaser.loans.cases import Hands
from patchline.releaser.loans.findings import of_loans
from patchline.releaser.loans.holding import held
from patchline.releaser.loans.lending import extend
from patchline.releaser.loans.sealing import SealingKey, seal
from patchline.releaser.register import opened
from patchline.vault.connection import Connection
from patchline.vault.loan_credentials import LARGEST, open_wrapping
from patchline.vault.loans import LoanVault
from patchline.vault.login import OwnToken
from tests import lending, setups
from tests.bao import Space, started
from tests.fleets import Fleet, layer
from tests.lending import HOUR, opens, roles_like
from tests.programs import run
from tests.registers import make_home
from tests.setups import endpoint, target_address


@pytest.fixture
def lent(lab):
    lab.lend_users()
    return lab


@pytest.fixture(scope="module")
def own_bao():
    """A server that this module may seal and freeze."""
    with started() as bao:
        yield bao


@pytest.fixture
def own(own_bao, tmp_path):
    name = f"t{uuid.uuid4().hex[:12]}"
    own_bao.client(own_bao.root).adapter.post(f"/v1/sys/namespaces/{name}", json={})
    with opened(make_home("sqlite", tmp_path / "own")) as register:
        setups.site(register, "lab-1")
        setups.setup(register, "lab-1", endpoint("db", target_address()))
        lab = lending.prepared(register, Space(own_bao, name))
        lab.lend_users()
        yield lab


def findings(lab):
    with lab.register.read() as session:
        return [finding.code for finding in of_loans(session, lab.clock.now)]


# Vault


def test_sealed_vault_lets_returns_wait_and_they_are_replayed(own):
    broker = own.broker()
    loan = own.lent(broker)
    login = own.login(loan)
    own.space.bao.client(own.space.bao.root).sys.seal()
    own.give_back(loan)
    told = Rounds(broker).make()
    assert any("Vault is sealed" in words for words in told) and own.state(loan) == "revoking"
    assert opens(login), "what was borrowed goes on working"
    own.space.bao.unseal()
    assert tend(broker).told == [(loan, "is back, proved")] and not opens(login)


def test_frozen_vault_is_told_within_seconds_and_what_was_begun_is_cleared_away(own):
    broker = own.broker()
    broker.vault.connection.renew()
    loan = own.approve(own.ask())
    own.space.bao.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    try:
        with pytest.raises(PatchlineError) as told:
            look_after(broker, loan)
    finally:
        own.space.bao.process.send_signal(signal.SIGCONT)
    assert told.value.code == "vault.frozen" and time.monotonic() - began < 60
    tend(broker)
    assert own.state(loan) == "reserved" and list(broker.vault.tokens()) == []
    own.approve(loan)
    assert look_after(broker, loan) == "is on loan"
    own.give_back(loan)
    look_after(broker, loan)


def test_token_revoked_in_mid_loan_ends_the_login_and_the_return_is_proved(lent):
    broker = lent.broker()
    loan = lent.lent(broker)
    login = lent.login(loan)
    broker.vault.end_token(lent.seen(loan).loan.accessor)
    lent.give_back(loan)
    assert look_after(broker, loan) == "is back, proved" and not opens(login)


def test_quota_of_vault_is_told_and_the_loan_can_be_lent_again(lent):
    root = lent.space.bao.client(lent.space.bao.root).adapter
    path = f"{lent.space.name}/auth/token/create/loan"
    name = f"patchline-{path}".replace("/", "-")
    root.post(f"/v1/sys/quotas/rate-limit/{name}", json={"path": path, "rate": 0.001, "interval": 60})
    broker, loan = lent.broker(), lent.approve(lent.ask())
    lent.space.root.adapter.post("/v1/auth/token/create/loan", json={})
    with pytest.raises(PatchlineError) as told:
        look_after(broker, loan)
    assert told.value.code == "vault.busy" and lent.state(loan) == "reserved"
    root.delete(f"/v1/sys/quotas/rate-limit/{name}")
    lent.approve(loan)
    assert look_after(broker, loan) == "is on loan"


def test_secret_of_a_megabyte_is_refused_at_64_kib(lent):
    broker = lent.broker()
    with pytest.raises(PatchlineError) as told:
        broker.vault.write("lab-1", "l0abcdef", {"db": {"username": "x", "password": "y" * (1 << 20)}}, 0)
    assert told.value.code == "vault.too-large" and LARGEST == 64 << 10
    lent.put("lab-1/lending/db", username="x", password="y" * (1 << 19))
    with pytest.raises(PatchlineError) as told:
        broker.vault.maker("lab-1", "db")
    assert told.value.code == "vault.too-large" and "yyy" not in told.value.message


@pytest.mark.parametrize("trick", ["../team", "a/b", "", "L1", "x" * 64, "lab-1/../lab-2", "%2e%2e", "a\nb"])
def test_names_with_tricks_in_them_build_no_path(lent, trick):
    broker = lent.broker()
    for ask in (
        lambda: broker.vault.read(trick, "l0abcdef"),
        lambda: broker.vault.read("lab-1", trick),
        lambda: broker.vault.maker("lab-1", trick),
        lambda: broker.vault.sign_ssh(trick, "ssh-ed25519 AAAA", 60),
    ):
        with pytest.raises(PatchlineError) as told:
            ask()
        assert told.value.code == "vault.path"


def test_broker_and_a_loans_own_token_read_nothing_that_a_team_uses(lent):
    lent.put("lab-1/team/db", username="shop", password="canary-of-the-team")
    lent.put("lab-2/team/db", username="shop", password="canary-of-the-team")
    broker = lent.broker()
    token = broker.vault.make_token("lab-1", "l0abcdef", 600)
    as_loan = broker.vault.connection.server.client(token.text)
    as_broker = broker.vault.connection
    for path in ("setups/data/lab-1/team/db", "setups/data/lab-2/team/db"):
        with pytest.raises(PatchlineError) as told:
            as_broker.ask("x", lambda vault, path=path: vault.adapter.get(f"/v1/{path}"))
        assert told.value.code == "vault.denied"
    for path in ("setups/data/lab-1/team/db", "setups/data/lab-2/loan/l0abcdef", "database/creds/lab-10.db"):
        with pytest.raises(Exception, match="permission denied"):
            as_loan.adapter.get(f"/v1/{path}")
    with pytest.raises(Exception, match="permission denied"):
        as_loan.adapter.post("/v1/auth/token/create", json={})
    broker.vault.end_token(token.accessor)


# Targets


class _Way(socketserver.ThreadingTCPServer):
    """A way to the embedded PostgreSQL that can be closed, as when the machine is down."""

    daemon_threads, allow_reuse_address = True, True

    def __init__(self, *given):
        super().__init__(*given)
        self.open = []


class _Through(socketserver.BaseRequestHandler):
    def handle(self):
        place = parse_qs(urlsplit(target_address()).query)["host"][0]
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(f"{place}/.s.PGSQL.5432")
            self.server.open += [self.request, other]
            back = threading.Thread(target=_carry, args=(other, self.request), daemon=True)
            back.start()
            _carry(self.request, other)
            back.join(5)


def _carry(one, other):
    try:
        while data := one.recv(1 << 16):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
    except OSError:
        return


@contextmanager
def way(port=0):
    with _Way(("127.0.0.1", port), _Through) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()
        for one in server.open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def test_target_that_is_down_keeps_the_loan_revoking_until_it_is_back_and_proved_dead(lab):
    with way() as port:
        address = f"postgresql://127.0.0.1:{port}/postgres?sslmode=disable"
        setups.setup(lab.register, "lab-2", endpoint("db", address))
        lab.lend_users("lab-2", address=address)
        broker = lab.broker()
        loan = lab.lent(broker, setup="lab-2")
        login = lab.login(loan, setup="lab-2")
    lab.give_back(loan)
    assert "not reached" in look_after(broker, loan)
    assert lab.state(loan) == "revoking" and "not reached" in lab.seen(loan).loan.trouble and opens(login)
    began = time.monotonic()
    with way(port):
        while lab.state(loan) != "returned":
            tend(broker)
            assert time.monotonic() - began < 60
    assert not opens(login) and roles_like(login.username) == []


def test_login_that_cannot_be_proved_dead_in_a_day_puts_the_setup_into_quarantine_until_somebody_answers_for_it(lab):
    with way() as port:
        address = f"postgresql://127.0.0.1:{port}/postgres?sslmode=disable"
        setups.setup(lab.register, "lab-2", endpoint("db", address))
        lab.lend_users("lab-2", address=address)
        broker = lab.broker()
        loan = lab.lent(broker, setup="lab-2")
    lab.give_back(loan)
    look_after(broker, loan)
    with pytest.raises(PatchlineError) as told:
        lab.give_back(loan, by="ada", done={"db": "dropped by hand"})
    assert told.value.code == "refused.loan-provable"
    lab.later(25, broker)
    assert lab.state(loan) == "quarantined" and findings(lab) == ["loan-quarantined"]
    with pytest.raises(PatchlineError) as told:
        lab.ask(setup="lab-2")
    assert told.value.code == "state.loan-taken"
    lab.give_back(loan, by="ada", done={"db": "dropped by hand"})
    assert look_after(broker, loan) == "is back, partly as somebody says"
    lab.ask(setup="lab-2")


def test_vault_restored_from_before_the_loan_leaves_no_user_alive_and_claims_no_proof_that_it_lost(lab):
    with way() as port:
        address = f"postgresql://127.0.0.1:{port}/postgres?sslmode=disable"
        setups.setup(lab.register, "lab-2", endpoint("db", address))
        lab.lend_users("lab-2", address=address)
        broker = lab.broker()
        loan = lab.lent(broker, setup="lab-2")
        login, accessor = lab.login(loan, setup="lab-2"), lab.seen(loan).loan.accessor
    lab.space.root.adapter.post("/v1/sys/leases/revoke-force/database/creds/lab-2.db")
    broker.vault.end_token(accessor)
    lab.give_back(loan)
    with way(port):
        assert opens(login) and look_after(broker, loan) == "is back, proved"
        assert not opens(login) and roles_like(login.username) == []
        loan = lab.lent(broker, setup="lab-2")
        broker.vault.forget("lab-2", loan)
        lab.give_back(loan)
        assert "Vault has lost the login" in look_after(broker, loan) and lab.state(loan) == "revoking"


# People and clocks


def test_two_who_lend_at_once_lend_it_once(lent):
    loan = lent.approve(lent.ask())
    with held(lent.register, loan), pytest.raises(LockedError):
        look_after(lent.broker(), loan)
    results = []

    def work():
        try:
            results.append(look_after(lent.broker(), loan))
        except PatchlineError as error:
            results.append(error.code)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(results) <= {"is on loan", "locked.loan"} and "is on loan" in results
    assert [of for _, of in lent.broker().vault.tokens()] == [loan]


def test_loan_that_is_due_is_ended_by_the_broker_and_people_are_reminded_before(lent):
    broker = lent.broker()
    loan = lent.lent(broker, hours=48)
    login = lent.login(loan)
    lent.later(25, broker)
    lent.later(0.1, broker)
    assert lent.state(loan) == "due-soon"
    lent.later(21.5, broker)
    assert [event.action for event in lent.seen(loan).events].count("remind") == 2
    assert opens(login)
    lent.later(2, broker)
    assert lent.state(loan) == "returned" and not opens(login)
    assert lent.seen(loan).loan.ending_by is None


def test_vault_itself_ends_a_loan_whatever_becomes_of_the_broker(lent):
    broker = lent.broker()
    loan = lent.approve(lent.ask(hours=1))
    lent.clock.now += 3600 * (HOUR / 3600) - HOUR / 1800  # Two seconds before it is due.
    look_after(broker, loan)
    seen = lent.seen(loan)
    found = lent.space.root.adapter.post("/v1/auth/token/lookup-accessor", json={"accessor": seen.loan.accessor})[
        "data"
    ]
    assert 295 < found["ttl"] <= 302 and found["orphan"] and found["explicit_max_ttl"] == 31 * 86_400
    lease = lent.space.root.adapter.post("/v1/sys/leases/lookup", json={"lease_id": seen.parts[0][0].lease})["data"]
    assert 295 < lease["ttl"] <= 302
    broker.vault.renew_token(seen.loan.accessor, 1)
    broker.vault.renew_lease(seen.parts[0][0].lease, 1)
    end = time.monotonic() + 30
    while roles_like(seen.parts[0][0].username):
        assert time.monotonic() < end
        time.sleep(0.1)


def test_extended_loan_lives_longer_at_vault_and_target_too_but_not_into_another_booking(lent):
    broker = lent.broker()
    loan = lent.lent(broker, hours=24)
    starts = lent.clock.now + 72 * HOUR
    lent.ask(hours=96, by="cleo", starts=starts)
    with pytest.raises(PatchlineError) as told, lent.register.change("ada", lent.clock()) as change:
        extend(change, loan, starts + HOUR)
    assert told.value.code == "state.loan-taken"
    with pytest.raises(PatchlineError) as told, lent.register.change("bob", lent.clock()) as change:
        extend(change, loan, starts)
    assert told.value.code == "refused.loan-self"
    with lent.register.change("ada", lent.clock()) as change:
        extend(change, loan, starts)
    look_after(broker, loan)
    lease = lent.space.root.adapter.post("/v1/sys/leases/lookup", json={"lease_id": lent.seen(loan).parts[0][0].lease})
    assert lease["data"]["ttl"] > 71 * 3600 and lent.seen(loan).parts[0][0].expires > starts


def test_booking_begins_when_its_time_comes_and_waits_for_who_is_late(lent):
    broker = lent.broker()
    first = lent.lent(broker, hours=24)
    later = lent.approve(lent.ask(hours=72, by="cleo", starts=lent.clock.now + 24 * HOUR))
    assert lent.state(later) == "reserved"
    lent.later(24.1, broker)
    assert lent.state(first) == "returned"
    lent.later(0.1, broker)
    assert lent.state(later) == "on-loan"
    forgotten = lent.ask(hours=120, by="ben", starts=lent.clock.now + 60 * HOUR)
    lent.later(130, broker)
    assert lent.state(forgotten) == "cancelled"


def test_borrower_who_never_opens_is_seen_and_a_stolen_wrapping_raises_the_alarm(lent):
    broker = lent.broker()
    loan = lent.lent(broker)
    with lent.register.change("ada", lent.clock()) as change:
        row = handing.ask(change, loan, None)
    token = handing.make_now(broker, lent.seen(loan), row)
    assert lent.seen(loan).handed(lent.clock.now) == "delivered"
    tend(broker)
    assert lent.seen(loan).handed(lent.clock.now) == "delivered" and findings(lent) == []
    assert lent.seen(loan).handed(lent.clock.now + HOUR) == "never opened"
    open_wrapping(lent.space.server, token, "lab-1", loan)
    tend(broker)
    assert lent.seen(loan).handed(lent.clock.now) == "alarm" and findings(lent) == ["loan-alarm"]
    assert "loan.alarm" in run("patchline", "audit", "export", "--home", lent.register.home).out


def test_hand_over_in_the_register_opens_for_the_borrowers_command_alone(lent):
    broker, key = lent.broker(), SealingKey()
    loan = lent.lent(broker)
    with lent.register.change("bob", lent.clock()) as change:
        handing.ask(change, loan, key.public)
    look_after(broker, loan)
    (row,) = lent.seen(loan).handovers
    token = key.unseal(row.sealed, loan)
    assert token.encode() not in row.sealed and open_wrapping(lent.space.server, token, "lab-1", loan)
    for other, sealed, of in (
        (SealingKey(), row.sealed, loan),
        (key, row.sealed[:-1] + b"x", loan),
        (key, row.sealed, "l1"),
    ):
        with pytest.raises(PatchlineError) as told:
            other.unseal(sealed, of)
        assert told.value.code == "refused.loan-sealed"
    with pytest.raises(PatchlineError) as told:
        seal("not a key", token, loan)
    assert told.value.code == "refused.loan-sealed"
    for none in ("0" * 64, "x", "0" * 62):
        with pytest.raises(PatchlineError) as told, lent.register.change("bob", lent.clock()) as change:
            handing.ask(change, loan, none)
        assert told.value.code == "refused.loan-sealed"
    with pytest.raises(PatchlineError) as told, lent.register.change("cleo", lent.clock()) as change:
        handing.ask(change, loan, key.public)
    assert told.value.code == "refused.loan-borrower"


def test_sweeper_ends_what_no_loan_on_record_holds_and_leaves_the_others(lent):
    broker = lent.broker()
    loan = lent.lent(broker)
    stray = broker.vault.make_token("lab-1", "l0strayx", 600)
    broker.vault.make_database_user(stray, "lab-1", "db")
    broker.vault.write("lab-1", "l0strayy", {"db": {"username": "x", "password": "y"}}, 0)
    assert sorted(sweep(broker)) == ["credentials of loan l0strayy", "token of loan l0strayx"]
    assert not broker.vault.lives("token", stray.accessor) and opens(lent.login(loan)) and sweep(broker) == []


def test_lender_who_left_keeps_no_loan_from_ending(lent):
    broker = lent.broker()
    loan = lent.lent(broker)
    with lent.register.database.write() as session:
        session.execute(text("UPDATE person SET disabled = '2026-01-01 00:00:00' WHERE id = 'ada'"))
    lent.later(49, broker)
    assert lent.state(loan) == "returned"


def test_reset_hook_of_the_owner_runs_when_a_loan_is_back_and_says_how_it_ended(lent, tmp_path):
    hook = lent.register.home / "setups" / "lab-1" / "_reset"
    hook.parent.mkdir(parents=True)
    hook.write_text(f"#!/bin/sh\ncat > {tmp_path}/told\n")
    hook.chmod(0o755)
    broker = lent.broker()
    loan = lent.lent(broker)
    lent.give_back(loan)
    look_after(broker, loan)
    assert lent.seen(loan).loan.reset == "done" and loan in (tmp_path / "told").read_text()
    hook.write_text("#!/bin/sh\nexit 1\n")
    loan = lent.lent(broker)
    lent.give_back(loan)
    look_after(broker, loan)
    assert lent.seen(loan).loan.reset == "failed" and lent.state(loan) == "returned"


def test_level_and_drift_of_the_setup_are_shown_as_they_were_when_lent_and_when_back(lent):
    fleet = Fleet(lent.register, now=lent.clock.now)
    fleet.enrolled("lab-1")
    reports.receive(lent.register, fleet.report("lab-1", "1.0"), reports.HAND, "rita", fleet.now)
    broker = lent.broker()
    loan = lent.lent(broker)
    edited = fleet.report("lab-1", "1.0", layers=[layer("HF-2026-0001", 1, "0" * 64)], drift=[["1" * 64, "baseline"]])
    reports.receive(lent.register, edited, reports.HAND, "rita", fleet.now)
    lent.give_back(loan)
    look_after(broker, loan)
    shown = run("patchline", "loan", "show", loan, "--home", lent.register.home)
    assert "  level: 1.0 when lent, 1.0+HF-2026-0001-r1 when back" in shown.out
    assert "  drift: 0 files not as expected when lent, 1 file not as expected when back" in shown.out
    document = run("patchline", "loan", "show", loan, "--home", lent.register.home, "--json").document
    assert document["level"] == {"before": "1.0", "after": "1.0+HF-2026-0001-r1"} and document["drift"]["after"] == 1


def test_no_secret_of_a_loan_stands_in_the_database_or_the_home(lent):
    broker = lent.broker()
    loan = lent.lent(broker)
    login = lent.login(loan)
    with lent.register.change("ada", lent.clock()) as change:
        row = handing.ask(change, loan, None)
    token = handing.make_now(broker, lent.seen(loan), row)
    lent.give_back(loan)
    look_after(broker, loan)
    lent.register.database.close()
    kept = b"".join(file.read_bytes() for file in lent.register.home.rglob("*") if file.is_file())
    for secret in (login.password, token, lending.MAKERS_PASSWORD):
        assert secret.encode() not in kept
    assert login.username.encode() in kept, "what is looked for would be found"


def test_hands_show_no_secret_when_they_are_printed(lent):
    token = lent.broker().vault.make_token("lab-1", "l0abcdef", 60)
    hands = Hands(lent.register, LoanVault(Connection(lent.space.server, OwnToken(lent.space.bao.root))), lent.clock)
    assert token.text not in repr(token) and lent.space.bao.root not in repr(hands)
