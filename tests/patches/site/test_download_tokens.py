"""A site's token: read from a file of its own, sent to the channel's origin alone, shown nowhere."""

import json
import os
import threading
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from patchline.patches.errors import PatchlineError, SourceError
from patchline.patches.site.download_tokens import DownloadToken, read_token
from patchline.patches.site.web import Web
from tests.channel_worlds import Shop
from tests.programs import run
from tests.servers import serving

SECRET = "plt_abcdefgh_" + "A1b2-_" * 7 + "x"
TOKEN = DownloadToken(SECRET)
FILE = "targets/hotfixes/demo/HF-2026-0001/x.r1.zip"


class Handler(BaseHTTPRequestHandler):
    """Answers everything with one status, body and headers, and remembers what came."""

    def __init__(self, seen, answer, *arguments):
        self.seen, self.given = seen, answer
        super().__init__(*arguments)

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self.seen.append((self.path, self.headers.get("Authorization")))
        status, body, headers = self.given
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, "".join(value))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def answering(status, body=b"data", **headers):
    """A server; yields its address, and path and token of each request."""
    seen = []
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, seen, (status, body, named)))
    server.daemon_threads = True
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.02), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def problem(status, **fields):
    return answering(status, json.dumps(fields).encode(), Content_Type="application/problem+json")


def asked(address, path=FILE, token=TOKEN):
    web = Web(address, token=token)
    try:
        return web.read(path, 1000)
    finally:
        web.close()


def refused(address, path=FILE, token=TOKEN):
    with pytest.raises(SourceError) as caught:
        asked(address, path, token)
    assert SECRET not in f"{caught.value.message}{caught.value.hint}"
    return caught.value


def token_file(folder, data=SECRET, mode=0o600):
    path = folder / "token"
    path.write_text(data)
    path.chmod(mode)
    return path


# The file


@pytest.mark.parametrize(
    "text",
    [SECRET, f"{SECRET}\n", f"Authorization: Bearer {SECRET}\n", f"authorization:bearer {SECRET}\r\n"],
)
def test_the_token_and_the_header_line_of_the_portal_are_the_same(tmp_path, text):
    assert read_token(token_file(tmp_path, text)) == TOKEN


def test_a_token_is_not_in_what_python_shows_of_it():
    assert SECRET not in repr(TOKEN)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620])
def test_a_file_that_others_can_read_or_write_is_refused(tmp_path, mode):
    with pytest.raises(PatchlineError) as caught:
        read_token(token_file(tmp_path, mode=mode))
    assert caught.value.code == "refused.token-file" and "chmod 600" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    ["", "\n", "short", f"{SECRET} {SECRET}", f"{SECRET}\nX-More: 1", f"Authorization: Basic {SECRET}", "x" * 5000],
)
def test_a_file_without_a_token_is_refused_and_not_repeated(tmp_path, text):
    with pytest.raises(PatchlineError) as caught:
        read_token(token_file(tmp_path, text))
    assert caught.value.code == "usage.download-token" and SECRET not in caught.value.message


def test_what_is_no_file_is_told(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name, code in (("none", "not-found.file"), ("pipe", "malformed.not-a-file")):
        with pytest.raises(PatchlineError) as caught:
            read_token(tmp_path / name)
        assert caught.value.code == code


# Where it goes


def test_it_goes_with_every_request_to_the_channel():
    with answering(200) as (address, seen):
        assert asked(address) == asked(address, "metadata/timestamp.json") == b"data"
        assert {token for _, token in seen} == {f"Bearer {SECRET}"}


def test_a_redirect_to_elsewhere_does_not_take_it_along():
    with answering(200) as (other, there), answering(302, Location=f"{other}/it") as (address, here):
        assert asked(address) == b"data"
    assert here == [(f"/{FILE}", f"Bearer {SECRET}")]
    assert there == [("/it", None)]


def test_it_does_not_come_back_by_a_redirect_from_elsewhere():
    place = []
    with (
        answering(302, Location=place) as (address, here),
        answering(302, Location=f"{address}/back") as (other, there),
    ):
        place.append(f"{other}/it")
        assert refused(address).code == "source.unreachable"
    assert [token for _, token in here] == [f"Bearer {SECRET}", None]
    assert {token for _, token in there} == {None}


@pytest.mark.parametrize(
    "address", ["http://vendor.example/channel", "http://127.0.0.1.vendor.example", "http://10.0.0.1"]
)
def test_plain_http_to_another_machine_is_refused_before_anything_is_sent(address):
    with pytest.raises(PatchlineError) as caught:
        Web(address, token=TOKEN)
    assert caught.value.code == "usage.server-plain" and SECRET not in caught.value.message


def test_no_proxy_hears_it_in_plain(monkeypatch):
    with answering(200, b"proxy") as (proxy, heard), answering(200) as (address, _):
        for name in ("http_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy)
        monkeypatch.setenv("no_proxy", "")
        assert asked(address, token=None) == b"proxy"
        heard.clear()
        assert asked(address) == b"data"
        assert heard == []


# What the server says


def test_a_refusal_has_the_reason_and_the_hint_of_the_server():
    with problem(403, detail="acme is not entitled to demo", hint="Renew the contract.") as (address, _):
        error = refused(address)
    assert error.code == "source.forbidden" and error.exit_code == 13
    assert "acme is not entitled to demo" in error.message
    assert error.hint.startswith("Renew the contract. Ask the vendor")


def test_who_has_no_token_hears_how_to_give_one():
    with problem(401, detail="this address wants a token", hint="Send it.") as (address, _):
        error = refused(address, token=None)
    assert error.code == "source.unauthorized" and "wants a token" in error.message and "--token-file" in error.hint


def test_what_a_server_says_is_bounded_printable_and_never_the_token():
    said = f"\x1b[2J\n{SECRET} " + "no " * 1000
    with problem(401, detail=said, hint=said) as (address, _):
        error = refused(address)
    assert len(error.message) < 600 and len(error.hint) < 600
    assert error.message.isprintable() and "…" in error.message


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"detail": 7}', b"[" * 20_000, b"\xff"])
def test_a_broken_problem_is_told_by_its_status(body):
    with answering(401, body, Content_Type="application/problem+json") as (address, _):
        assert refused(address).message.endswith(": HTTP 401")


def test_a_store_that_hides_what_is_missing_is_still_understood():
    with answering(403, b"<Error/>") as (address, _):
        assert refused(address, "metadata/2.root.json").code == "source.missing"
        assert refused(address, token=None).code == "source.missing"
        assert refused(address).code == "source.forbidden"
        with answering(302, Location=address) as (first, _):
            assert refused(first).code == "source.missing"


# The command


def test_the_command_takes_the_file_from_an_option_or_the_environment(tmp_path):
    shop = Shop(tmp_path)
    shop.publish(shop.hotfix())
    path = token_file(tmp_path)
    with serving(shop.channel.folder) as server:
        assert shop.fetch(server.url, "--token-file", path)["offers"][0]["standing"] == "new"
        path.chmod(0o644)
        server.asked.clear()
        given = ("fetch", "--from", server.url, "--json")
        told = shop.site(*given, expect=12, environment={"PATCHLINE_TOKEN_FILE": str(path)})
        assert told.document["error"] == "refused.token-file" and not server.asked
        assert SECRET not in told.out + told.err


def test_what_one_hotfix_is_refused_does_not_keep_the_others_away(tmp_path):
    shop = Shop(tmp_path)
    shop.publish(shop.hotfix(), shop.hotfix("HF-2026-0002", "b.txt"))
    path = token_file(tmp_path)
    with serving(shop.channel.folder, "deny", "HF-2026-0001") as server:
        found = shop.fetch(server.url, "--token-file", path)
    assert {one["release"]: (one["standing"], one["error"]) for one in found["offers"]} == {
        "HF-2026-0001-r1": ("set-aside", "source.forbidden"),
        "HF-2026-0002-r1": ("new", None),
    }


def test_what_was_fetched_before_stays_when_it_is_refused(tmp_path):
    shop = Shop(tmp_path)
    shop.publish(shop.hotfix())
    path = token_file(tmp_path)
    with serving(shop.channel.folder) as server:
        zip_path = shop.fetch(server.url, "--token-file", path)["offers"][0]["path"]
    with serving(shop.channel.folder, "deny", "hotfixes") as server:
        told = shop.fetch(server.url, "--token-file", path, expect=13)
    assert told["error"] == "source.forbidden"
    shop.site("plan", zip_path)


def test_help_names_the_option():
    assert "--token-file" in run("patchline-site", "fetch", "--help").out
