"""The command line of somebody elsewhere: the same commands, asked of a real server over HTTP."""

import hashlib
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import ClassVar

import pytest

from patchline.releaser.hotfixes import find
from patchline.releaser.remote.doors import BY_WORDS
from tests.api import make_token
from tests.browser import serving
from tests.fleets import Fleet
from tests.hotfixes import Life
from tests.pages import make_app
from tests.programs import run

_HOTFIX = "HF-2026-0001"


@pytest.fixture
def fleet(embedded):
    made = Fleet(embedded).product("demo", "1.0")
    made.customer()
    made.site()
    made.enrolled()
    return made


@pytest.fixture
def server(embedded):
    with serving(make_app(embedded)) as address:
        yield address


@pytest.fixture
def far(embedded, server, tmp_path):
    def ask(*line, by="rita", expect=0, **more):
        environment = {
            "PATCHLINE_SERVER": server,
            "PATCHLINE_TOKEN": make_token(embedded, by),
            "PATCHLINE_HOME": "/nowhere",
        }
        return run("patchline", *line, expect=expect, cwd=tmp_path, environment={**environment, **more})

    return ask


@pytest.fixture
def both(embedded, far):
    """Ask here and there, and insist on the same answer."""

    def ask(*line, expect=0):
        here = run("patchline", *line, "--home", embedded.home, expect=expect)
        there = far(*line, expect=expect)
        assert (there.out, there.err) == (here.out, here.err)
        return json.loads(here.out) if "--json" in line else here.out

    return ask


def test_questions_have_the_same_answer_from_afar(both, fleet):
    for line in (
        ("customer", "list"),
        ("customer", "show", "acme"),
        ("site", "list", "--customer", "acme", "--limit", "1"),
        ("site", "show", "acme-main"),
        ("product", "list"),
        ("baseline", "list", "--product", "demo"),
        ("hotfix", "list", "--state", "published", "--state", "held"),
        ("person", "list"),
        ("who", "recalled", "--csv"),
        ("freeze", "list"),
    ):
        both(*line)
        if "--csv" not in line:
            both(*line, "--json")


def test_refusals_have_the_same_words_and_exit_code_from_afar(both, far):
    for line, code in (
        (("customer", "show", "nobody"), 11),
        (("hotfix", "show", "HF-2026-0099"), 11),
        (("level", "nobody"), 11),
        (("freeze", "end", "77", "--as", "rita"), 11),
    ):
        assert both(*line, "--json", expect=code)["exit_code"] == code
        both(*line, expect=code)
    assert "unknown-option" not in far("customer", "list", "--limit", "0", expect=2).err


def test_changes_are_made_by_the_person_of_the_token(far, fleet, embedded):
    added = json.loads(far("customer", "add", "umbrella", "--contact", "Ada Wong <ada@umbrella.example>", "--json").out)
    assert added["added_by"] == "rita" and added["contacts"]
    far("site", "add", "--customer", "umbrella", "--product", "demo", "umbrella-hive", "--air-gapped", "--as", "ben")
    assert "umbrella-hive" in run("patchline", "site", "list", "--home", embedded.home).out
    refused = far("customer", "add", "other", "--json", by="ada", expect=12).document
    assert refused["error"] == "refused.role" and refused["hint"]


def test_reports_are_sent_as_files_folders_and_text(far, fleet, tmp_path):
    (tmp_path / "inbox").mkdir()
    for number in range(3):
        (tmp_path / "inbox" / f"{number}.json").write_bytes(fleet.report("acme-main", "1.0"))
    found = json.loads(far("report", "import", "inbox", "--json").out)
    assert found["counts"] == {"accepted": 3} and found["reports"][0]["file"] == "inbox/0.json"
    (tmp_path / "broken.json").write_text("nothing")
    assert far("report", "import", "broken.json", "--json", expect=21).document["error"] == "report.text"
    assert far("report", "import", "missing.json", expect=11).err.startswith("error: ")
    mixed = far("report", "import", "inbox/0.json", "broken.json", expect=21)
    assert "broken.json: NOT TAKEN" in mixed.out


def test_approver_brings_the_bundle_signs_here_and_sends_the_approval(far, embedded, tmp_path):
    (tmp_path / "files").mkdir()
    life = Life(embedded, tmp_path / "files").prepare()
    identifier = life.reviewed()
    shown = far("hotfix", "show", identifier, "--save", ".")
    assert "saved as" in shown.out
    bundle = tmp_path / f"{identifier}-r1.hotfix"
    with embedded.read() as session:
        assert hashlib.sha256(bundle.read_bytes()).hexdigest() == find(session, identifier).container_sha256
    assert bundle.with_name(bundle.name + ".provenance.jsonl").exists()
    (tmp_path / "ada.jsonl").write_bytes(life.approval(identifier, "ada"))
    taken = json.loads(far("hotfix", "approve", identifier, "--statement", "ada.jsonl", "--json").out)
    assert taken["approved_by"] == ["ada"] and not taken["enough"]
    again = far("hotfix", "approve", identifier, "--statement", "ada.jsonl", "--json", expect=12).document
    assert again["error"] == "refused.voted"
    assert far("hotfix", "show", identifier, "--save", ".", expect=12).err.startswith("error: ")
    far("hotfix", "reject", identifier, "--reason", "the total is wrong")
    assert life.state(identifier) == "rejected"


def test_what_is_asked_is_asked_here_before_anything_is_sent(far):
    refused = far("rollout", "start", _HOTFIX, expect=2)
    assert "nobody is there to answer" in refused.err
    assert far("rollout", "start", _HOTFIX, "--yes", "--json", expect=11).document["error"].startswith("not-found.")


@pytest.mark.parametrize(
    ("line", "environment", "error"),
    [
        (["backup", "--out", "x"], {}, "usage.not-remote"),
        (["doctor"], {}, "usage.not-remote"),
        (["hotfix", "simulate", _HOTFIX, "--with", "HF-2026-0002"], {}, "usage.not-remote"),
        (["customer", "list", "--home", "here", "--server", "http://localhost:1"], {}, "usage.options"),
        (["customer", "list"], {"PATCHLINE_SERVER": "http://vendor.example"}, "usage.server-plain"),
        (["customer", "list"], {"PATCHLINE_SERVER": "ftp://vendor.example"}, "usage.server"),
        (["customer", "list"], {"PATCHLINE_SERVER": "https://a:b@vendor.example"}, "usage.server"),
        (["customer", "list"], {"PATCHLINE_TOKEN": ""}, "usage.no-token"),
        (["customer", "list"], {"PATCHLINE_TOKEN": "plt_" + "a" * 8 + "_" + "a" * 43}, "token.unknown"),
        (["customer", "list"], {"PATCHLINE_SERVER": "http://localhost:9"}, "source.unreachable"),
    ],
)
def test_what_cannot_be_asked_says_why(line, environment, error, far):
    code = {"source.unreachable": 13, "token.unknown": 12}.get(error, 2)
    assert far(*line, "--json", expect=code, **environment).document["error"] == error


def test_token_comes_from_a_file_that_its_owner_alone_reads(far, embedded, tmp_path):
    file = tmp_path / "token"
    file.write_text(make_token(embedded) + "\n")
    file.chmod(0o644)
    line = ("customer", "list", "--token-file", "token", "--json")
    assert far(*line, expect=12, PATCHLINE_TOKEN="").document["error"] == "refused.token-file"
    file.chmod(0o600)
    assert far(*line, PATCHLINE_TOKEN="").document["customers"] == []


class _Liar(BaseHTTPRequestHandler):
    answers: ClassVar = {}

    def do_GET(self):
        status, headers, body = self.answers["case"]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *of):
        pass


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((302, {"Location": "http://localhost:1/elsewhere"}, b""), "source.status"),
        ((200, {}, b"<html>a proxy's page</html>"), "source.status"),
        ((500, {}, b"oops"), "source.status"),
        ((200, {"Content-Length": "100"}, b'{"document"'), "source.cut"),
    ],
)
def test_server_that_is_none_of_ours_is_told_so(answer, error, far):
    _Liar.answers["case"] = answer
    liar = HTTPServer(("127.0.0.1", 0), _Liar)
    thread = Thread(target=liar.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        where = f"http://127.0.0.1:{liar.server_port}"
        assert far("customer", "list", "--json", expect=13, PATCHLINE_SERVER=where).document["error"] == error
    finally:
        liar.shutdown()
        thread.join()
        liar.server_close()


def test_new_tokens_are_made_from_afar_and_revoked(far):
    made = json.loads(far("token", "new", "nightly", "--scope", "read", "--json").out)
    assert made["secret"].startswith(made["token"])
    assert json.loads(far("token", "revoke", made["token"], "--json").out)["stands"] == "revoked"
    refused = far("customer", "list", "--json", expect=12, PATCHLINE_TOKEN=made["secret"]).document
    assert refused["error"] == "token.revoked" and made["secret"] not in json.dumps(refused)


def test_every_command_that_reports_files_here_says_how():
    assert {door.words for door in BY_WORDS.values() if door.local} == {"history", "hotfix show"}
