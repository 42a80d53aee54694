import json
import os
import signal
import socket
import time

import pytest

from patchline.releaser.database import Database
from tests.certificates import certificate
from tests.programs import run
from tests.registers import make_home
from tests.served import served, trusting, within

FEW = ("--workers", 1, "--threads", 4)
PATIENCE_S = 6
"""So long an answer may take on a machine that is busy; fifty who hold a thread each hold it for longer."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_home("sqlite", tmp_path_factory.mktemp("served") / "home")


@pytest.fixture(scope="module")
def server(folder):
    with served(folder, *FEW) as running:
        yield running


def test_pages_are_served_by_the_real_program_until_it_is_told_to_stop(folder, tmp_path):
    run_folders, home = tmp_path / "run", tmp_path / "user"
    run_folders.mkdir()
    home.mkdir()
    surroundings = {"RUNTIME_DIRECTORY": str(run_folders), "HOME": str(home)}
    with served(folder, *FEW, environment=surroundings) as running:
        assert running.told["browsers_can_sign"] is True and running.told["pages"] == running.address
        status, headers, body = running.ask()
        assert status == 200 and b"<h1" in body and headers["X-Frame-Options"] == "DENY"
        [private] = run_folders.iterdir()
        assert private.stat().st_mode & 0o077 == 0
        with running.connect(b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n12") as asking:
            time.sleep(0.5)
            running.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            asking.sendall(b"34")
            assert asking.recv(9) == b"HTTP/1.1 "  # What is under way is answered.
        assert running.process.wait(45) == 0
        told = [json.loads(line) for line in running.log.read_text().splitlines()]
        assert [(one["level"], one["event"], one["status"]) for one in told] == [
            ("info", "request", 200),
            ("info", "request", 404),
        ]
    assert list(run_folders.iterdir()) == [] and list(home.rglob("*")) == []


def test_another_worker_takes_the_place_of_one_that_died(server):
    assert server.ask()[0] == 200
    [first] = children(server.process.pid)
    os.kill(first, signal.SIGKILL)
    assert server.ask()[0] == 200
    [second] = children(server.process.pid)
    assert second != first


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as listed:
        return [int(child) for child in listed.read().split()]


@pytest.mark.parametrize(
    ("sent", "why"),
    [(b"", "silent"), (b"GET /sign-in/ HTTP/1.1\r\nHost: loc", "in the middle of the head")],
    ids=["silent", "half a head"],
)
def test_fifty_slow_clients_hold_nobody_up(server, sent, why):
    slow = [server.connect(sent) for _ in range(50)]
    try:
        for _ in range(5):
            assert within(PATIENCE_S, server.ask)[0] == 200, why
            for one in slow if sent else ():
                one.sendall(b"a")
        if sent:
            slow[0].sendall(b"alhost\r\n\r\n")  # It is slow, and gets its answer nevertheless.
            assert slow[0].recv(12) == b"HTTP/1.1 400"
    finally:
        for one in slow:
            one.close()


def test_fifty_requests_that_dribble_in_leave_threads_for_others_whichever_worker_has_them(folder):
    head = b"POST /sign-in/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx"
    with served(folder, "--workers", 2, "--threads", 26, "--bind", "0.0.0.0:0") as running:
        assert running.told["browsers_can_sign"] is False
        told = running.log.read_text().splitlines()
        assert [line.split(" ", 1)[0] for line in told] == ["warning:", "warning:"] and "cannot sign" in told[0]
        slow = [running.connect(head) for _ in range(50)]
        for _ in range(4):
            assert within(PATIENCE_S, running.ask)[0] == 200
        for one in slow:
            one.close()


def test_requests_in_one_packet_are_all_answered(server):
    one = b"GET /static/icon.svg HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with server.connect(one + one + one[:20]) as connection:
        got = b""
        while got.count(b"HTTP/1.1 200") < 2:
            got += connection.recv(65536)
        connection.sendall(one[20:])
        while got.count(b"HTTP/1.1 200") < 3:
            got += connection.recv(65536)


def test_nobody_is_believed_who_says_that_a_proxy_sent_them(server):
    _, headers, _ = server.ask(X_Forwarded_Proto="https", X_Forwarded_For="1.2.3.4", Script_Name="/x")
    assert "Strict-Transport-Security" not in headers
    assert server.ask("/sign-in/", X_Forwarded_Host="evil.example")[0] == 200


def test_a_head_that_is_too_long_is_refused(server):
    assert server.ask("/" + "a" * 9000)[0] == 414
    with server.connect(b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000) as connection:
        assert connection.recv(12) == b"HTTP/1.1 431"


def test_tls_without_a_proxy_takes_a_renewed_certificate_at_once(folder, tmp_path):
    pem, key = certificate(tmp_path, "first")
    with served(folder, *FEW, "--certificate", pem, "--private-key", key) as running:
        assert running.address.startswith("https://") and running.told["browsers_can_sign"] is True
        status, headers, _ = running.ask()
        assert status == 200 and "Strict-Transport-Security" in headers
        silent = [running.connect() for _ in range(50)]
        assert within(PATIENCE_S, running.ask)[0] == 200
        certificate(tmp_path, "second")
        assert b"second" in presented(running) and b"first" not in presented(running)
        for one in silent:
            one.close()
        assert running.stop() == 0


def presented(running):
    with trusting().wrap_socket(running.connect()) as connection:
        return connection.getpeercert(binary_form=True)


def test_a_socket_for_a_proxy_is_not_open_to_everybody(folder, tmp_path):
    named = {"PATCHLINE_WEB_URL": "https://patches.example"}
    with served(folder, *FEW, "--bind", f"unix:{tmp_path}/web.sock", environment=named) as running:
        assert running.told["browsers_can_sign"] is True and running.told["pages"] == "https://patches.example"
        assert (tmp_path / "web.sock").stat().st_mode & 0o007 == 0
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(f"{tmp_path}/web.sock")
            connection.sendall(b"GET /sign-in/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(12) == b"HTTP/1.1 200"
        assert running.stop() == 0
    assert not (tmp_path / "web.sock").exists()


# What it refuses to start with


def refused(*options, expect):
    return run("patchline", "serve", *options, "--json", expect=expect).document["error"]


def test_it_does_not_start_without_what_it_needs(folder, tmp_path):
    assert refused("--home", tmp_path, expect=10) == "settings.no-home"
    home = make_home("sqlite", tmp_path / "home")
    assert refused("--home", home, "--bind", "8080", expect=2) == "usage.bind"
    assert refused("--home", home, "--bind", "localhost:http", expect=2) == "usage.bind"
    assert refused("--home", home, "--bind", f"unix:{tmp_path}/no/web.sock", expect=2) == "usage.bind"
    assert refused("--home", home, "--private-key", "k.pem", expect=2) == "usage.options"
    assert refused("--home", home, "--certificate", tmp_path / "none.pem", expect=11) == "not-found.file"
    (home / "web.key").write_bytes(bytes(32))
    (home / "web.key").chmod(0o644)
    assert refused("--home", home, expect=12) == "refused.web-key"


def test_it_does_not_start_with_a_certificate_that_is_none_or_a_key_that_lies_open(folder, tmp_path):
    pem, key = certificate(tmp_path, "ours")
    both = ("--home", folder, "--certificate", pem, "--private-key", key)
    key.chmod(0o644)
    assert refused(*both, expect=12) == "refused.tls-key"
    key.chmod(0o600)
    pem.write_text("no certificate")
    assert refused(*both, expect=2) == "usage.certificate"


def test_it_does_not_start_where_somebody_else_serves(folder, server):
    assert refused("--home", folder, "--bind", f"127.0.0.1:{server.place[1]}", expect=25) == "locked.address"


def test_it_does_not_start_on_an_older_schema(tmp_path):
    (tmp_path / "settings.toml").write_text("")
    database = Database(f"sqlite:///{tmp_path}/register.db")
    database.upgrade("0003")
    database.close()
    assert refused("--home", tmp_path, expect=10) == "database.schema-older"
