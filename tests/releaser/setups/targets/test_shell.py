"""Logins to a real sshd: only at the host whose key was pinned, by password, key and certificate."""

import socket
import threading

import pytest

from patchline.releaser.setups.logins import KeyLogin, Outcome, Target
from patchline.vault.setups import Login
from tests.ssh_server import make_certificate, make_key, needs_sshd, serving

pytestmark = needs_sshd
PASSWORD = "canary-of-the-lab"
OTHER_HOST = f"SHA256:{'A' * 43}"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    return {name: make_key(folder / name) for name in ("authority", "other-authority", "borrower", "owner")}


@pytest.fixture(scope="module")
def shell(keys):
    with serving({"shop": PASSWORD}, authority=keys["authority"].with_suffix(".pub")) as running:
        running.allow_key("shop", keys["owner"].with_suffix(".pub").read_text())
        running.allow_principals("shop", "loan-7")
        yield running


def target(shell, pinned=None, address=None):
    return Target("lab-1 shell", "ssh", address or shell.address, None, pinned or shell.fingerprint)


def test_password_that_works_and_one_that_is_refused_are_told_apart(shell):
    assert target(shell).try_login(Login("shop", PASSWORD)) is Outcome.WORKS
    assert target(shell).try_login(Login("shop", "wrong")) is Outcome.REFUSED
    assert target(shell).try_login(Login("nobody-of-this-name", PASSWORD)) is Outcome.REFUSED


def test_host_whose_key_is_not_the_pinned_one_gets_no_password(shell):
    before = (shell.folder / "sshd.log").read_text()
    unpinned = Target("lab-1 shell", "ssh", shell.address, None)
    assert unpinned.try_login(Login("shop", PASSWORD)) is Outcome.UNPROVED
    assert target(shell, OTHER_HOST).try_login(Login("shop", PASSWORD)) is Outcome.UNPROVED
    assert "shop" not in (shell.folder / "sshd.log").read_text().removeprefix(before)
    assert unpinned.shown_fingerprint() == shell.fingerprint


def test_certificate_opens_for_its_principal_and_while_it_is_valid(shell, keys):
    private = keys["borrower"].read_text()

    def tried(*principals, authority="authority", **valid):
        certificate = make_certificate(keys[authority], keys["borrower"], *principals, **valid)
        return target(shell).try_key(KeyLogin("shop", private, certificate))

    assert tried("loan-7") is Outcome.WORKS
    assert tried("loan-8") is Outcome.REFUSED
    assert tried("loan-7", authority="other-authority") is Outcome.REFUSED
    assert tried("loan-7", valid="-2h:-1h") is Outcome.REFUSED
    assert target(shell).try_key(KeyLogin("shop", private)) is Outcome.REFUSED, "the key alone opens nothing"
    assert target(shell).try_key(KeyLogin("shop", keys["owner"].read_text())) is Outcome.WORKS
    shell.allow_principals("shop", "loan-9")
    assert tried("loan-7") is Outcome.REFUSED
    shell.allow_principals("shop", "loan-7")


def test_certificate_of_another_key_is_no_login(shell, keys):
    certificate = make_certificate(keys["authority"], keys["owner"], "loan-7")
    with pytest.raises(ValueError, match="another key"):
        target(shell).try_key(KeyLogin("shop", keys["borrower"].read_text(), certificate))
    with pytest.raises(ValueError):
        target(shell).try_key(KeyLogin("shop", "no key"))


def test_host_that_wants_a_second_proof_says_nothing_of_the_first(keys):
    with serving({"shop": PASSWORD}, more="AuthenticationMethods publickey,password") as double:
        double.allow_key("shop", keys["owner"].with_suffix(".pub").read_text())
        assert target(double).try_key(KeyLogin("shop", keys["owner"].read_text())) is Outcome.UNCLEAR
        assert target(double).try_login(Login("shop", PASSWORD)) is Outcome.UNCLEAR, "it asks for a key first"


def test_host_that_asks_for_nothing_proves_nothing():
    with serving({"shop": ""}, more="PermitEmptyPasswords yes") as open_to_all:
        assert target(open_to_all).try_login(Login("shop", "anything")) is Outcome.OPEN


def answer_otherwise(listening):
    with listening.accept()[0] as connection:
        connection.sendall(b"HTTP/1.1 400 no\r\n\r\n")


def test_host_that_is_gone_or_speaks_something_else_is_not_reached(shell):
    nowhere = target(shell, address="ssh://127.0.0.1:9")
    assert nowhere.try_login(Login("shop", PASSWORD)) is Outcome.UNREACHABLE and nowhere.shown_fingerprint() is None
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=answer_otherwise, args=(listening,), daemon=True).start()
        odd = target(shell, address=f"ssh://127.0.0.1:{listening.getsockname()[1]}")
        assert odd.try_login(Login("shop", PASSWORD)) is Outcome.UNREACHABLE


def test_host_that_takes_the_connection_and_is_silent_is_left_soon(monkeypatch, shell):
    monkeypatch.setattr("patchline.releaser.setups.targets.shell.SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        frozen = target(shell, address=f"ssh://127.0.0.1:{silent.getsockname()[1]}")
        assert frozen.try_login(Login("shop", PASSWORD)) is Outcome.UNREACHABLE
