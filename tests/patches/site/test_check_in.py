"""Sites that check in, at a real server with a register; and at servers that lie."""

import json
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import ClassVar

import pytest
from sqlalchemy import select

from patchline.patches.errors import SourceError
from patchline.patches.plain import create_plain, open_plain
from patchline.patches.site.check_in import check_in, vendor_of
from patchline.patches.site.command_look import take
from patchline.patches.site.report import KEY
from patchline.patches.site.view import View
from patchline.patches.site.web import Patience, Web
from patchline.releaser.fleet import entitlements
from patchline.releaser.fleet.entitlements import NewEntitlement
from patchline.releaser.fleet.sites import the_site
from patchline.releaser.register import opened
from patchline.releaser.tables.customers import SiteKey
from patchline.releaser.tables.fleet import Report, SiteState
from tests.browser import serving
from tests.fleets import Fleet
from tests.hotfixes import Life
from tests.pages import Clock, make_app
from tests.programs import run
from tests.registers import NOW, make_home
from tests.worlds import World

PATIENT = Patience(connect=10, gap=30, request=60)


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path / "site", {"bin/shop": b"shop\n"})
    create_plain(world.state / KEY)
    return world


@pytest.fixture
def register(tmp_path):
    with opened(make_home("sqlite", tmp_path / "home")) as register:
        yield register


@pytest.fixture
def fleet(register, world):
    """A register that knows the site and its key."""
    fleet = Fleet(register).product("demo", "1.0")
    fleet.customer()
    fleet.site()
    enrol(fleet, world)
    return fleet


def enrol(fleet, world):
    public = open_plain(world.state / KEY).public
    with world.opened() as site, fleet.register.change("rita", NOW) as change:
        row = the_site(change.session, "acme-main")
        row.identity = site.id
        moments = {"enrolled": NOW, "confirmed": NOW, "confirmed_by": "rita"}
        change.session.add(SiteKey(keyid=public.keyid, site=row.id, pem=public.to_pem(), **moments))


def send(world, address, now=NOW):
    web = Web(address, PATIENT)
    try:
        with world.opened() as site:
            return check_in(site, take(site, check=False), View.of(site), web, now)
    finally:
        web.close()


def reports(register):
    with register.read() as session:
        return list(session.scalars(select(Report.counter).order_by(Report.counter)))


def test_site_is_heard_and_says_the_same_again_until_something_changes(world, fleet):
    with serving(make_app(fleet.register)) as address:
        first = send(world, address)
        assert (first.verdict, first.again, first.labels) == ("accepted", False, [])
        again = send(world, address, NOW + timedelta(hours=11))
        assert (again.verdict, again.again, again.news) == ("repeated", True, first.news)
        assert reports(fleet.register) == [1]
        later = send(world, address, NOW + timedelta(hours=12))
        assert not later.again and reports(fleet.register) == [1, 2]
    with fleet.register.read() as session:
        assert session.scalar(select(SiteState.evidence)) == "signed-online"


def test_command_sends_the_report_and_tells_what_is_new(world, register, tmp_path):
    (tmp_path / "files").mkdir()
    life = Life(register, tmp_path / "files").prepare()
    fleet = Fleet(register)
    fleet.customer()
    fleet.site()
    enrol(fleet, world)
    with register.change("rita", NOW) as change:
        entitlements.add(change, NewEntitlement("acme", "demo"))
    label = life.published() + "-r1"
    line = ("report", "--send", "--root", world.root, "--state", world.state)
    with serving(make_app(register, Clock(life.now + timedelta(days=365)))) as address:
        told = run("patchline-site", *line, "--json", environment={"PATCHLINE_VENDOR": address}).document
        assert [one["hotfix"] for one in told["news"]["new"]] == [label] and told["verdict"]
        words = run("patchline-site", *line, "--to", address).out
        assert f"for this site, says the server: {label}" in words and "the same as before" in words
        assert run("patchline-site", *line, "--out", "x", expect=2).err.startswith("error: ")
    assert run("patchline-site", *line, "--json", expect=13).document["error"] == "source.no-vendor"


def test_stranger_is_refused_with_the_servers_words(world, register):
    with (
        serving(make_app(register)) as address,
        pytest.raises(SourceError, match="no key that the register knows") as error,
    ):
        send(world, address)
    assert error.value.code == "source.refused"


def test_server_that_serves_the_channel_is_known_by_it():
    assert vendor_of("https://updates.example/channel/", None) == "https://updates.example"
    assert vendor_of("https://updates.example/channel", "https://other.example") == "https://other.example"
    for channel in (None, "https://updates.example/shop", "/srv/channel"):
        with pytest.raises(SourceError):
            vendor_of(channel, None)


class _Liar(BaseHTTPRequestHandler):
    answer: ClassVar = (200, {}, b"")

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        status, headers, body = self.answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *of):
        pass


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((200, {}, b"<html>"), "source.status"),
        ((200, {}, b"x" * (2 << 20)), "source.too-large"),
        ((302, {"Location": "http://127.0.0.1:9/"}, b""), "source.refused"),
        ((204, {}, b""), "source.refused"),
        ((500, {}, b"[]"), "source.refused"),
        ((422, {}, json.dumps({"detail": "\x1b[31mno"}).encode()), "source.refused"),
        ((200, {"Content-Length": "50"}, b"{"), "source.cut"),
    ],
)
def test_answer_that_is_none_is_believed_nothing_and_the_report_goes_again(answer, code, world, fleet):
    _Liar.answer = answer
    liar = HTTPServer(("127.0.0.1", 0), _Liar)
    thread = Thread(target=liar.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        with pytest.raises(SourceError) as error:
            send(world, f"http://127.0.0.1:{liar.server_port}")
        assert error.value.code == code
    finally:
        liar.shutdown()
        thread.join()
        liar.server_close()
    with serving(make_app(fleet.register)) as address:
        assert send(world, address).again
    assert reports(fleet.register) == [1]


def test_hostile_news_are_words_and_nothing_else(world, fleet):
    news = {"new": ["x", {"hotfix": "HF-2026-0001-r1"}, 7], "site": "x"}
    _Liar.answer = (
        200,
        {"ETag": '"../../x"', "Patchline-Verdict": "accepted"},
        json.dumps(news, separators=(",", ":")).encode(),
    )
    liar = HTTPServer(("127.0.0.1", 0), _Liar)
    thread = Thread(target=liar.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        assert send(world, f"http://127.0.0.1:{liar.server_port}").labels == ["HF-2026-0001-r1"]
    finally:
        liar.shutdown()
        thread.join()
        liar.server_close()
