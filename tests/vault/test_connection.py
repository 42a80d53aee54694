"""The connection to Vault against a real OpenBao, and against servers that misbehave."""

import inspect
import logging
import os
import resource
import signal
import socket
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from hvac import exceptions

from patchline.patches.errors import PatchlineError, VaultError
from patchline.vault import failures, names, session
from patchline.vault.connection import Connection, Server, health
from patchline.vault.failures import failure
from patchline.vault.login import AppRole, OwnToken, found_login
from tests.bao import free_port, started

CANARY = "canary-5f1e7c0a"


def refused(function, *arguments, **options):
    with pytest.raises(PatchlineError) as caught:
        function(*arguments, **options)
    assert caught.value.hint and caught.value.exit_code == 30
    return caught.value.code


def ask_self(connection):
    return connection.ask("a look at the login", lambda vault: vault.adapter.get("/v1/auth/token/lookup-self")["data"])


def mounts(connection):
    return connection.ask("the list of mounts", lambda vault: vault.adapter.get("/v1/sys/mounts")["data"], safe=True)


# What is raised


def test_every_exception_of_hvac_is_told_as_an_error_of_ours():
    found = [kind for _, kind in inspect.getmembers(exceptions, inspect.isclass)]
    assert len(found) > 10
    codes = {kind.__name__: failure(kind("said by the server"), "asked") for kind in found}
    assert all(isinstance(error, VaultError) for error in codes.values())
    own = set(found) - {exceptions.VaultError}
    assert own <= {kind for kind, _, _ in failures._KINDS}, "an exception without an entry of its own"


def test_every_exception_of_requests_is_told_as_an_error_of_ours():
    found = [kind for _, kind in inspect.getmembers(requests.exceptions, inspect.isclass)]
    told = [kind for kind in found if issubclass(kind, requests.exceptions.RequestException)]
    assert len(told) > 15
    for kind in told:
        error = kind("", "", 0) if kind is requests.exceptions.JSONDecodeError else kind(f"x {CANARY}")
        assert CANARY not in str(failure(error, "asked"))


def test_every_code_has_words_and_a_hint():
    codes = {code for _, code, _ in failures._KINDS} | {code for _, code, _ in failures._SAID}
    assert codes <= set(VaultError.hints)


def test_a_bug_of_ours_is_not_told_as_a_failure_of_vault(space):
    with pytest.raises(ZeroDivisionError):
        space.admin.ask("a bug", lambda vault: 1 // 0)


def test_what_the_server_says_is_never_repeated():
    for kind in (exceptions.InvalidRequest, exceptions.InternalServerError, exceptions.InvalidPath):
        error = failure(kind(CANARY, errors=[CANARY], text=CANARY, url=f"http://x/{CANARY}"), "asked")
        assert CANARY not in f"{error} {error.hint} {error.as_document()}"


# Names and addresses


@pytest.mark.parametrize(
    "text",
    ["", "a/../b", "..", "A", "a_b", "a?b", "a#b", "a b", "-a", "ü", "a" * 64, "a%2fb", "a\n", "a\x00", ".", "a//b"],
)
def test_names_that_could_mean_another_path_are_refused(text):
    assert refused(names.name, text) == "vault.path"


def test_mounts_have_several_names():
    assert names.path("team/signing") == "team/signing"
    for text in ("/a", "a/", "a//b", "a/../b", "", "/".join("abcdefgh")):
        assert refused(names.path, text) == "vault.path"


@pytest.mark.parametrize(
    "address",
    [
        "http://vault.example",
        "vault.example:8200",
        "",
        "ftp://x",
        "https://",
        "https://u:p@x",
        "https://x/v1",
        "https://x?a",
    ],
)
def test_addresses_that_would_show_tokens_or_are_none_are_refused(address):
    assert refused(Server, address) == "vault.address"


def test_namespace_and_authority_are_checked(tmp_path):
    assert refused(Server, "https://x", "a/../b") == "vault.path"
    assert refused(Server, "https://x", None, tmp_path / "none.pem") == "vault.ca"


def test_token_of_the_environment_is_never_taken(monkeypatch, home):
    monkeypatch.setenv("VAULT_TOKEN", "somebodys")
    (home / ".vault-token").write_text("somebodys")
    assert Server("https://x").client().token == ""
    assert not Server("https://x").client().session.trust_env


# Logins


@pytest.fixture
def role(space):
    space.policy(
        "reader",
        'path "auth/token/*" { capabilities = ["read", "update"] }\npath "sys/mounts" { capabilities = ["read"] }',
    )
    return space.approle("builder", ["reader"], token_no_default_policy=True)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def logged_in(space, role, *wrapped, clock=time.monotonic):
    given = iter([*wrapped, None])
    return Connection(space.server, AppRole(role, lambda: next(given)), clock)


def test_wrapped_secret_id_opens_one_session(space, role):
    connection = logged_in(space, role, space.wrapped("builder"))
    assert ask_self(connection)["policies"] == ["reader"]
    assert "signing/" not in mounts(connection)


def test_used_wrapping_token_is_an_alarm(space, role):
    wrapped = space.wrapped("builder")
    space.bao.client(wrapped, space.name).sys.unwrap()
    with pytest.raises(VaultError, match="opened already") as caught:
        ask_self(logged_in(space, role, wrapped))
    assert caught.value.code == "vault.wrapping-used" and "stolen" in caught.value.hint


def test_wrapping_that_approle_did_not_make_is_not_opened(space, role):
    forged = space.root.adapter.post("/v1/sys/wrapping/wrap", json={"secret_id": CANARY}, wrap_ttl="60s")["wrap_info"][
        "token"
    ]
    assert refused(ask_self, logged_in(space, role, forged)) == "vault.wrapping-other"
    assert space.bao.client(forged, space.name).sys.unwrap()["data"], "it was not opened"


def test_secret_id_of_another_role_and_no_token_at_all_are_refused(space, role):
    space.approle("other", ["reader"])
    assert refused(ask_self, logged_in(space, role, space.wrapped("other"))) == "vault.login"
    assert refused(ask_self, logged_in(space, role)) == "vault.no-login"
    assert refused(ask_self, logged_in(space, role, "no token")) == "vault.no-login"


def test_login_in_a_namespace_without_one_says_so(space, role):
    wrapped = space.wrapped("builder")
    connection = Connection(Server(space.bao.address), AppRole(role, lambda: wrapped))
    assert refused(ask_self, connection) == "vault.login"


def test_login_is_renewed_at_two_thirds_of_its_life(space, role):
    space.approle("builder", ["reader"], token_ttl="60s", token_max_ttl="1h", token_no_default_policy=True)
    clock = Clock()
    connection = logged_in(space, role, space.wrapped("builder"), clock=clock)
    accessor = ask_self(connection)["accessor"]
    renewals = space_audit(space, "renew-self")
    clock.now = 39
    ask_self(connection)
    assert space_audit(space, "renew-self") == renewals
    clock.now = 41
    assert ask_self(connection)["accessor"] == accessor
    assert space_audit(space, "renew-self") > renewals


def space_audit(space, words):
    return sum(words in line for line in space.bao.audit_log.read_text().splitlines())


def test_login_that_cannot_live_longer_is_made_anew_or_used_to_its_end(space, role):
    space.approle("builder", ["reader"], token_ttl="60s", token_type="batch", token_no_default_policy=True)
    clock = Clock()
    connection = logged_in(space, role, space.wrapped("builder"), space.wrapped("builder"), clock=clock)
    ask_self(connection)
    first = connection._token.text
    clock.now = 45
    ask_self(connection)
    second = connection._token.text
    assert second != first
    clock.now = 45 + 45
    assert ask_self(connection) and connection._token.text == second, "no third secret id, and some of its life is left"


def test_revoked_token_is_replaced_by_a_new_login_once(space, role):
    connection = logged_in(space, role, space.wrapped("builder"), space.wrapped("builder"))
    for _ in range(2):
        accessor = ask_self(connection)["accessor"]
        space.root.auth.token.revoke_accessor(accessor)
        connection.renew()
    assert refused(ask_self, connection) == "vault.no-login"


def test_secret_id_that_was_used_is_said_to_be_spent(space, role):
    wrapped = space.wrapped("builder")
    connection = Connection(space.server, AppRole(role, lambda: wrapped))
    space.root.auth.token.revoke_accessor(ask_self(connection)["accessor"])
    assert refused(ask_self, connection) == "vault.login-spent"


def test_persons_own_token_that_was_revoked_is_not_called_a_missing_right(space):
    token = space.root.auth.token.create(policies=["default"], ttl="1h")["auth"]["client_token"]
    connection = Connection(space.server, OwnToken(token))
    assert refused(mounts, connection) == "vault.denied"
    connection.end()
    assert ask_self(connection), "a person's own login is not ended by us"
    space.root.auth.token.revoke(token)
    assert refused(ask_self, connection) == "vault.token"


def test_ended_login_is_revoked(space, role):
    connection = logged_in(space, role, space.wrapped("builder"))
    accessor = ask_self(connection)["accessor"]
    connection.end()
    with pytest.raises(exceptions.VaultError):
        space.root.auth.token.lookup_accessor(accessor)


def test_login_is_found_where_it_was_given_and_leaves_the_environment(space, role, monkeypatch, home, tmp_path):
    assert refused(found_login, None) == "vault.no-login"
    monkeypatch.setenv("PATCHLINE_VAULT_WRAPPED", "hvs.x")
    assert refused(found_login, None) == "vault.no-login"
    monkeypatch.setenv("PATCHLINE_VAULT_WRAPPED", space.wrapped("builder"))
    found = found_login(role)
    assert "PATCHLINE_VAULT_WRAPPED" not in os.environ
    assert ask_self(Connection(space.server, found))
    (tmp_path / "patchline-vault-wrapped").write_text(space.wrapped("builder") + "\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    connection = Connection(space.server, found_login(role))
    space.root.auth.token.revoke_accessor(ask_self(connection)["accessor"])
    (tmp_path / "patchline-vault-wrapped").write_text(space.wrapped("builder"))
    assert ask_self(connection), "a new secret id in the credential's file opens a new session"
    (home / ".vault-token").write_text(space.bao.root + "\n")
    assert mounts(Connection(space.server, found_login(None)))


# What Vault says


def test_unknown_namespace_missing_path_and_conflict_have_their_own_codes(space):
    lost = Connection(Server(space.bao.address, "nowhere"), OwnToken(space.bao.root))
    assert refused(mounts, lost) == "vault.namespace"
    space.root.adapter.post("/v1/sys/mounts/kv", json={"type": "kv", "options": {"version": "2"}})

    def write(vault, value="x", cas=0):
        return vault.adapter.post("/v1/kv/data/a", json={"data": {"value": value}, "options": {"cas": cas}})

    space.bao.until(lambda: space.admin.ask("a secret", write))
    assert refused(space.admin.ask, "a secret", write) == "vault.conflict"
    assert refused(space.admin.ask, "a secret", lambda vault: vault.adapter.get("/v1/kv/data/b")) == "vault.missing"
    assert refused(space.admin.ask, "an engine", lambda vault: vault.adapter.get("/v1/nothing/b")) == "vault.missing"
    large = lambda vault: write(vault, "s" * (40 << 20), 1)
    assert refused(space.admin.ask, "a secret", large) == "vault.too-large"


def test_secret_of_a_mebibyte_is_stored_or_refused_in_our_words(space):
    space.root.adapter.post("/v1/sys/mounts/kv", json={"type": "kv"})
    value = CANARY * ((1 << 20) // len(CANARY))
    try:
        space.admin.ask("a secret", lambda vault: vault.adapter.post("/v1/kv/a", json={"value": value}))
    except VaultError as error:
        assert error.code in ("vault.too-large", "vault.failed") and CANARY not in str(error)


def test_canary_secrets_stand_in_no_error_log_or_repr(space, caplog):
    caplog.set_level(logging.DEBUG)
    space.root.adapter.post("/v1/sys/mounts/kv", json={"type": "kv", "options": {"version": "2"}})
    write = {"data": {"value": CANARY}, "options": {"cas": 0}}
    connection = space.admin
    space.bao.until(lambda: connection.ask("s", lambda vault: vault.adapter.post("/v1/kv/data/a", json=write)))
    texts = [repr(connection), repr(connection._token), str(vars(OwnToken("hvs.abcd")).keys())]
    for question in (
        lambda vault: vault.adapter.post("/v1/kv/data/a", json=write),
        lambda vault: vault.adapter.post("/v1/kv/config/no", json=write),
        lambda vault: vault.adapter.get("/v1/kv/data/a")["data"]["data"][CANARY],
    ):
        with pytest.raises(VaultError) as caught:
            connection.ask("a secret", question)
        texts += [str(caught.value), caught.value.hint, str(caught.value.as_document())]
    shown = "\n".join([*texts, caplog.text])
    assert CANARY not in shown and space.bao.root not in shown
    assert CANARY not in space.bao.audit_log.read_text()


# Servers that fail


@contextmanager
def answering(answer):
    """A server that does what `answer` does with each connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        asked, held = [], []

        def serve():
            while True:
                try:
                    found, _ = listener.accept()
                except OSError:
                    return
                held.append(found)
                asked.append(1)
                try:
                    answer(found)
                except OSError:
                    pass

        threading.Thread(target=serve, daemon=True).start()
        yield Server(f"http://127.0.0.1:{listener.getsockname()[1]}"), asked
        for found in held:
            found.close()


def said(status, body=b"{}", *headers):
    def answer(found):
        found.recv(65536)
        head = [
            f"HTTP/1.1 {status} X",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "Connection: close",
        ]
        found.sendall("\r\n".join([*head, *headers, "", ""]).encode() + body)
        found.close()

    return answer


def failing(answer, safe=False):
    with answering(answer) as (server, asked):
        connection = Connection(server, OwnToken("hvs.abcd"))
        code = refused(connection.ask, "x", lambda vault: vault.adapter.get("/v1/x"), safe=safe)
        return code, len(asked)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr("patchline.vault.connection.TIMEOUTS", (0.5, 0.4))
    monkeypatch.setattr(session, "LONGEST", 0.5)
    monkeypatch.setattr("patchline.vault.connection._PAUSES", (0.01, 0.01, 0.01))


def test_time_is_short():
    assert session.TIMEOUTS == (2.0, 5.0)


def test_server_that_takes_connections_and_never_answers_is_frozen(short):
    assert failing(lambda found: None)[0] == "vault.frozen"


def test_server_that_answers_byte_by_byte_is_slow(short):
    def drip(found):
        found.recv(65536)
        found.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(40):
            found.sendall(b" ")
            time.sleep(0.05)

    assert failing(drip)[0] == "vault.slow"


def test_unreachable_server_has_its_own_code(short):
    connection = Connection(Server(f"http://127.0.0.1:{free_port()}"), OwnToken("hvs.abcd"))
    assert refused(mounts, connection) == "vault.unreachable"
    assert refused(health, connection.server) == "vault.unreachable"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (said(200, b"<html>sign in</html>"), "vault.answer"),
        (said(200, b"[]"), "vault.answer"),
        (said(200, b'{"data": {}}'), "vault.answer"),
        (said(307, b"", "Location: http://attacker.example/v1/x"), "vault.standby"),
        (said(429), "vault.busy"),
        (said(502), "vault.gateway"),
        (said(501), "vault.uninitialised"),
        (said(500, b'{"errors": ["local node not active but active cluster node not found"]}'), "vault.standby"),
        (said(418), "vault.unexpected"),
        (
            lambda found: (
                found.recv(9999),
                found.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"),
                found.close(),
            ),
            "vault.unreachable",
        ),
        (said(200, b" " * (5 << 20)), "vault.answer"),
    ],
    ids=["page", "list", "empty", "redirect", "busy", "gateway", "uninitialised", "standby", "odd", "cut", "large"],
)
def test_every_odd_answer_is_one_clear_error(short, answer, code):
    found = failing(answer)[0]
    assert found == code or (code == "vault.unreachable" and found == "vault.answer")


def test_only_what_is_safe_is_asked_again(short):
    assert failing(said(502), safe=True) == ("vault.gateway", 4)
    assert failing(said(502)) == ("vault.gateway", 1)
    assert failing(said(403), safe=True)[1] == 1


def test_sealed_frozen_or_choked_server_is_named_and_works_again_afterwards():
    with started() as bao:
        connection = Connection(bao.server, OwnToken(bao.root))
        assert mounts(connection) and health(bao.server).state == "active"
        bao.client(bao.root).sys.seal()
        assert refused(mounts, connection) == "vault.sealed"
        assert health(bao.server).state == "sealed"
        bao.unseal()
        assert mounts(connection)
        frozen(bao, connection)
        assert mounts(connection)
        full_audit_log(bao, connection)


def frozen(bao, connection):
    """The machine takes connections, and the server's process answers nobody."""
    bao.process.send_signal(signal.SIGSTOP)
    state = Path(f"/proc/{bao.process.pid}/stat")
    while state.read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.01)
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("patchline.vault.connection.TIMEOUTS", (0.5, 0.4))
            connection._asking = None
            assert refused(mounts, connection) == "vault.frozen"
    finally:
        connection._asking = None
        bao.process.send_signal(signal.SIGCONT)


def full_audit_log(bao, connection):
    """A full disk of the audit log: the server refuses everything, and goes on when there is space again."""
    size, no = bao.audit_log.stat().st_size, resource.RLIM_INFINITY
    resource.prlimit(bao.process.pid, resource.RLIMIT_FSIZE, (size, no))
    with pytest.raises(VaultError) as caught:
        mounts(connection)
    assert caught.value.code == "vault.failed" and "full disk of the audit log" in caught.value.hint
    resource.prlimit(bao.process.pid, resource.RLIMIT_FSIZE, (no, no))
    assert mounts(connection)


def test_tls_is_checked_against_the_authority_named(tmp_path):
    pem, key = tmp_path / "ca.pem", tmp_path / "ca.key"
    line = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    names_of = ["-subj", "/CN=vault", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", pem]
    subprocess.run([*line, *names_of], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    body = b'{"initialized":true,"sealed":false,"standby":false,"version":"9","server_time_utc":1}'

    def over_tls(found):
        with context.wrap_socket(found, server_side=True) as wrapped:
            said(200, body)(wrapped)

    with answering(over_tls) as (server, _):
        address = server.address.replace("http", "https")
        assert health(Server(address, ca=pem)).version == "9"
        assert refused(health, Server(address)) == "vault.tls"
