import io
import json
import logging
import re

import pytest

from patchline.releaser.access import accounts
from patchline.releaser.register import opened
from patchline.web import access, logs
from tests.pages import Visitor, make_app
from tests.registers import NOW, make_home
from tests.served import served

TOKEN = "KN4ANS3pQ0-x_81aZ9bW7cE5dF2gH6iJ4kL1mN0oPqR"
DIGEST = "ab12" * 16


@pytest.fixture
def lines():
    """What is logged in this process, as lines; the loggers are as before afterwards."""
    logger, out = logging.getLogger("patchline"), io.StringIO()
    before = (logger.handlers[:], logger.level, logger.propagate)
    logs.write_to(out)
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"GET /sign-in/link/{TOKEN} HTTP/1.1", TOKEN),
        (f"/portal/link/{TOKEN}", TOKEN),
        ("/portal/link/short", "short"),
        ("Authorization: Bearer plt_abcdefgh_0123456789", "0123456789"),
        ("plt_abcdefgh_hGfE0123456789", "hGfE0123456789"),
        ("/back?code=abc&state=def", "abc"),
        ("/back?code=abc&state=def", "def"),
        ("{'password': 'four words'}", "four"),
        ("csrf_token=IjEyMzQ1Njc4OTAi", "IjEyMzQ1Njc4OTAi"),
        (f"it said {TOKEN}", TOKEN),
    ],
)
def test_what_could_let_somebody_in_is_made_unreadable(text, secret):
    hidden = logs.hide(text)
    assert secret not in hidden and logs.HIDDEN in hidden


def test_what_people_look_for_in_a_log_stays():
    for text in (f"bundle {DIGEST}", "HF-2026-0012-r1 to acme-main", "/support/customers/acme", "plt_abcdefgh"):
        assert logs.hide(text) == text


def test_a_request_leaves_one_line_without_what_was_sent(lines, embedded):
    visitor = Visitor(make_app(embedded), embedded).signed_in("rita")
    visitor.get(f"/audit/?subject={TOKEN}", headers={"Authorization": "Bearer plt_abcdefgh_x", "X-Y": TOKEN})
    visitor.get(f"/sign-in/link/{TOKEN}")
    visitor.get("/static/patchline.css")
    visitor.get('/nowhere/\n{"forged": true}')
    told = lines()
    assert [one["status"] for one in told] == [200, 403, 404]
    assert {"time", "level", "event", "method", "path", "page", "ms", "person", "address"} <= set(told[0])
    assert told[0]["person"] == "rita" and told[0]["path"] == "/audit/" and told[0]["event"] == "request"
    assert told[1]["path"] == "/sign-in/link/***" and "page" not in told[2]
    assert TOKEN not in json.dumps(told) and visitor.cookie["value"] not in json.dumps(told)


def test_a_bug_is_told_with_its_trace_and_without_the_values_of_variables(lines, embedded):
    app = make_app(embedded)

    def broken():
        password = "never to be seen"
        raise ValueError(f"nobody has {len(password)}: token={TOKEN}")

    app.view_functions["sign_in.form"] = access.anyone(broken)
    assert app.test_client().get("/sign-in/").status_code == 500
    bug = lines()[0]
    assert bug["level"] == "error" and "ValueError" in bug["exception"] and re.search(r"bug [0-9a-f]{8}", bug["event"])
    assert TOKEN not in bug["exception"]


def test_keys_that_name_secrets_have_no_values(lines):
    facts = {"api_token": "x1", "facts": {"Cookie": "x2", "list": ["password: x3"]}, "count": 7}
    logging.getLogger("patchline.web").warning("told %s", f"token={TOKEN}", extra=facts)
    [line] = lines()
    assert line["count"] == 7 and not any(word in json.dumps(line) for word in ("x1", "x2", "x3", TOKEN))


def test_the_real_server_writes_json_and_no_secret(tmp_path):
    home = make_home("sqlite", tmp_path / "home")
    with opened(home) as register, register.change("rita", NOW) as change:
        token = accounts.offer_link(change, "ada").token
    with served(home, "--workers", 1, "--threads", 4) as running:
        for path in (f"/sign-in/link/{token}", f"/nowhere?code={token}", f"/sign-in/?to=/x%3Ftoken={token}"):
            running.ask(path, Cookie=f"patchline-vendor={token}", Authorization=f"Bearer {token}")
        running.ask(
            "/sign-in/", "POST", f"name=ada&password={token}".encode(), content_type="application/x-www-form-urlencoded"
        )
        running.stop()
        text = running.log.read_text()
    told = [json.loads(line) for line in text.splitlines()]
    assert [one["status"] for one in told if one["event"] == "request"] == [403, 404, 200, 400]
    assert token not in text
