"""The basic login of HTTP: it counts only where without it nobody comes in, and anything else is said to be untried."""

import base64
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from patchline.releaser.setups.logins import Outcome, Target
from patchline.vault.setups import Login

PASSWORD = "canary-of-the-lab"


class Guarded(BaseHTTPRequestHandler):
    def do_GET(self):
        wish = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
        given = self.headers.get("Authorization")
        status = {"/form": 302, "/open": 200, "/token": 401, "/broken": 500 if given else 401}.get(self.path)
        self.send_response(status or (200 if given == f"Basic {wish}" else 401))
        self.send_header("WWW-Authenticate", "Bearer" if self.path == "/token" else 'Basic realm="lab"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def port():
    server = HTTPServer(("127.0.0.1", 0), Guarded)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def tried(address, password=PASSWORD):
    return Target("lab-1 ui", "http", address, None).try_login(Login("admin", password))


def test_http_login_counts_only_where_without_it_nobody_comes_in(port):
    assert tried(f"http://127.0.0.1:{port}/") is Outcome.WORKS
    assert tried(f"http://127.0.0.1:{port}/", "wrong") is Outcome.REFUSED
    assert tried(f"http://127.0.0.1:{port}/broken") is Outcome.UNCLEAR


@pytest.mark.parametrize("page", ["open", "form", "token"])
def test_login_by_form_or_token_cannot_be_tried_from_here(port, page):
    assert tried(f"http://127.0.0.1:{port}/{page}") is Outcome.UNTRIED


def test_password_does_not_travel_in_clear_to_another_machine(port):
    assert tried("http://lab.example/") is Outcome.UNPROVED
    assert tried(f"https://127.0.0.1:{port}/") in (Outcome.UNPROVED, Outcome.UNREACHABLE)
    assert tried("http://127.0.0.1:9/") is Outcome.UNREACHABLE
