"""Webhooks with a receiver that is a real server on this machine."""

import hashlib
import hmac
import json
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from sqlalchemy import select, text

from patchline.patches.errors import NotFoundError, PatchlineError, RefusedError, StateError, UsageError
from patchline.releaser.register import opened
from patchline.releaser.tables.audit import AuditEvent
from patchline.releaser.tables.webhooks import Webhook, WebhookAttempt
from patchline.releaser.webhooks import keeping, secrets
from patchline.releaser.webhooks.delivering import MOST_GIVEN_UP, PAUSES, deliver, ping
from patchline.releaser.webhooks.sending import Message, check_url, send
from patchline.releaser.work.jobs import Workshop
from patchline.releaser.work.working import Worker
from tests.programs import run
from tests.registers import BACKENDS, NOW, make_home


@pytest.fixture(params=BACKENDS)
def register(request, tmp_path, monkeypatch):
    monkeypatch.setenv("PATCHLINE_WEBHOOK_PRIVATE", "true")
    with opened(make_home(request.param, tmp_path / "home")) as found:
        yield found


@contextmanager
def receiver(*statuses):
    """Yield the address of a server, and what it was sent; it answers with these, the last one for ever."""
    heard, left = [], list(statuses or (200,))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((self.path, dict(self.headers), body))
            status = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *of):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/in?room=7", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def add(register, url, *events, by="rita"):
    with register.change(by, NOW) as change:
        made = keeping.add(change, register, url, events or ("person.*",))
        return made.hook.id, made.secret


def happen(register, action="person.add", subject="dora", **facts):
    with register.change("rita", NOW) as change:
        change.record(action, subject, facts)


def hook(register):
    with register.read() as session:
        return session.scalars(select(Webhook)).one()


def outcomes(register):
    with register.read() as session:
        return [
            (one.outcome, one.status) for one in session.scalars(select(WebhookAttempt).order_by(WebhookAttempt.id))
        ]


def test_events_that_are_wanted_arrive_signed_and_in_their_order(register):
    happen(register, subject="before")
    with receiver() as (url, heard):
        _, secret = add(register, url, "person.*", "hotfix.publish")
        for action, subject in (
            ("person.add", "dora"),
            ("site.add", "acme-main"),
            ("hotfix.publish", "HF-2026-0001-r1"),
        ):
            happen(register, action, subject, title="ä")
        assert deliver(register, lambda: NOW) == 2 and deliver(register, lambda: NOW) == 0
    assert [json.loads(body)["subject"] for _, _, body in heard] == ["dora", "HF-2026-0001-r1"]
    path, headers, body = heard[0]
    assert path == "/in?room=7" and json.loads(body)["facts"] == {"title": "ä"}
    told = dict(part.split("=", 1) for part in headers["Patchline-Signature"].split(","))
    signed = f"{told['t']}.{headers['Patchline-Id']}.".encode() + body
    assert told["v1"] == hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    assert int(told["t"]) == int(NOW.timestamp()) and json.loads(body)["id"] == headers["Patchline-Id"]
    assert outcomes(register) == [("delivered", 200)] * 2


def test_receiver_that_fails_is_tried_again_after_growing_pauses_with_the_same_id(register):
    now = NOW
    with receiver(500, 503, 200) as (url, heard):
        add(register, url)
        happen(register, subject="one")
        happen(register, subject="two")
        for pause in PAUSES[:2]:
            assert deliver(register, lambda now=now: now) == 1
            assert deliver(register, lambda now=now, pause=pause: now + pause - timedelta(seconds=1)) == 0
            now += pause
        assert deliver(register, lambda: now) == 2
    subjects = [json.loads(body)["subject"] for _, _, body in heard]
    assert subjects == ["one", "one", "one", "two"]
    assert len({headers["Patchline-Id"] for _, headers, _ in heard[:3]}) == 1
    assert outcomes(register) == [("later", 500), ("later", 503), ("delivered", 200), ("delivered", 200)]


def test_hook_whose_receiver_wants_nothing_is_disabled_and_can_go_on(register):
    with receiver(*[404] * (MOST_GIVEN_UP + 1), 200) as (url, _):
        number, _ = add(register, url)
        for one in range(MOST_GIVEN_UP + 2):
            happen(register, subject=f"p{one}")
        assert deliver(register, lambda: NOW) == MOST_GIVEN_UP and deliver(register, lambda: NOW) == 0
        assert hook(register).disabled == NOW and outcomes(register)[-1] == ("given-up", 404)
        with register.change("rita", NOW) as change:
            keeping.resume(change, number)
        assert deliver(register, lambda: NOW) == 2
    assert outcomes(register)[-2:] == [("given-up", 404), ("delivered", 200)]
    with register.read() as session:
        told = [event for event in session.scalars(select(AuditEvent.body)) if b"webhook.disable" in event]
    assert len(told) == 1


def test_event_is_given_up_after_the_last_pause(register):
    now = NOW
    add(register, "http://127.0.0.1:9/")
    happen(register)
    for pause in (*PAUSES, timedelta(0)):
        assert deliver(register, lambda now=now: now) == 1
        now += pause
    assert [outcome for outcome, _ in outcomes(register)] == ["later"] * len(PAUSES) + ["given-up"]
    assert hook(register).disabled is None


def test_process_that_died_leaves_the_event_to_the_next(register):
    with receiver() as (url, heard):
        number, _ = add(register, url)
        happen(register)
        with register.database.write() as session:
            session.execute(text("UPDATE webhook SET due = :due"), {"due": (NOW + timedelta(minutes=2)).isoformat(" ")})
        assert deliver(register, lambda: NOW) == 0
        assert deliver(register, lambda: NOW + timedelta(minutes=3)) == 1
    assert len(heard) == 1 and number


def test_no_redirect_is_followed(register):
    with receiver(302) as (url, heard):
        number, _ = add(register, url)
        assert ping(register, number, NOW).told == "answered 302"
    assert [path for path, _, _ in heard] == ["/in?room=7"]


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://localhost/",
        "https://[::1]/",
        "https://10.0.0.7/",
        "https://192.168.1.1:8443/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1]/",
        "https://0.0.0.0/",
        "https://2130706433/",
        "https://224.0.0.1/",
    ],
)
def test_nothing_is_sent_into_the_vendors_own_network(url):
    check_url(url, private=False)
    result = send(url, Message("x", "ping", b"{}", 0), b"secret", private=False)
    assert result.status is None and "no address that messages may go to" in result.told


@pytest.mark.parametrize(
    "url",
    ["http://example.com/", "ftp://example.com/", "https://a:b@example.com/", "https://", "https://exämple/", "https://x/#y",
     "https://x/\r\nX: y", "https://x y/", "x" * 3000],
)  # fmt: skip
def test_what_is_no_address_is_refused(url):
    with pytest.raises(UsageError):
        check_url(url, private=False)


def test_secret_lies_in_a_file_of_its_own_and_nowhere_else(register):
    number, secret = add(register, "http://127.0.0.1:9/")
    path = register.home / "webhooks" / f"{number}.secret"
    assert path.stat().st_mode & 0o077 == 0 and path.parent.stat().st_mode & 0o077 == 0
    with register.read() as session:
        for table in ("webhook", "audit_event"):
            assert secret not in str(session.execute(text(f"SELECT * FROM {table}")).all())
    path.chmod(0o644)
    with pytest.raises(RefusedError):
        secrets.of(register, number)
    with register.change("rita", NOW) as change:
        keeping.remove(change, register, number)
    assert not path.exists() and deliver(register, lambda: NOW) == 0
    for again in (keeping.remove, lambda change, register, number: keeping.resume(change, number)):
        with pytest.raises(StateError), register.change("rita", NOW) as change:
            again(change, register, number)


@pytest.mark.parametrize("events", [(), ("*.publish",), ("Hotfix.publish",), ("hotfix.publish; x",), ("",)])
def test_what_names_no_events_is_refused(events, register):
    with pytest.raises(UsageError), register.change("rita", NOW) as change:
        keeping.add(change, register, "http://127.0.0.1:9/", events)


def test_only_release_managers_keep_hooks(register):
    with pytest.raises(RefusedError):
        add(register, "http://127.0.0.1:9/", by="ada")
    with pytest.raises(NotFoundError), register.change("rita", NOW) as change:
        keeping.remove(change, register, 7)


def test_attempts_stand(register):
    with receiver() as (url, _):
        add(register, url)
        happen(register)
        deliver(register, lambda: NOW)
    for statement in ("DELETE FROM webhook_attempt", "UPDATE webhook_attempt SET outcome = 'given-up'"):
        with pytest.raises(PatchlineError), register.database.write() as session:
            session.execute(text(statement))


def test_worker_delivers_and_commands_tell(register):
    def webhook(*line, expect=0):
        where = ("--home", register.home, "--as", "rita", "--json")
        return run("patchline", "webhook", *line, *where, expect=expect).document

    with receiver(200) as (url, heard):
        made = webhook("add", url, "--event", "person.add")
        number = made["webhook"]
        assert made["secret"].startswith("plw_") and "secret" not in webhook("list")[0]
        assert webhook("test", number)["status"] == 200
        happen(register)
        told = []
        Worker(Workshop(register, lambda name: b""), lambda: NOW + timedelta(days=3650), told.append).work(once=True)
        assert told == ["webhooks: 1 attempt"]
        assert [one["outcome"] for one in webhook("deliveries", number)["deliveries"]] == ["delivered"]
        assert [headers["Patchline-Event"] for _, headers, _ in heard] == ["ping", "person.add"]
    assert webhook("test", number, expect=13)["error"] == "source.webhook"
    assert webhook("resume", number, expect=13)["error"] == "state.webhook-removed"
    assert webhook("remove", number)["disabled"] and webhook("list") == []
    assert webhook("test", 99, expect=11)["error"] == "not-found.webhook"
