from datetime import UTC, datetime, timedelta

import pytest

from patchline.releaser import doctor
from patchline.releaser.access import links, tokens
from patchline.releaser.access.tokens import NewToken, Scope
from patchline.releaser.access.web_key import web_key
from patchline.releaser.register import Register
from patchline.releaser.tables.access import VENDOR, Account
from patchline.releaser.tables.tokens import PERSON
from patchline.releaser.tables.webhooks import Webhook
from patchline.releaser.webhooks.keeping import REMOVED
from tests.certificates import certificate
from tests.registers import NOW, embedded

__all__ = ["embedded"]
DAY = timedelta(days=1)
WEB = {"web-url", "web-plain", "certificate", "link", "token", "rights", "webhook"}


def found(register, now=NOW, **settings):
    changed = Register(register.home, register.settings.model_copy(update=settings), register.database)
    findings = doctor.examine(changed, now).findings
    return [finding for finding in findings if finding.code in WEB and "settings.toml" not in finding.message]


def codes(register, now=NOW, **settings):
    return [finding.code for finding in found(register, now, **settings)]


@pytest.fixture
def register(embedded):
    embedded.home.chmod(0o700)
    return embedded


def test_a_home_whose_pages_were_never_served_needs_no_address(register):
    assert codes(register) == []


def test_pages_that_are_served_need_an_address_with_tls(register):
    web_key(register.home)
    assert codes(register) == ["web-url"]
    assert codes(register, web_url="http://patches.example") == ["web-plain"]
    assert codes(register, web_url="http://localhost:8080") == []
    assert codes(register, web_url="https://patches.example") == []
    assert codes(register, trial=True) == []


def test_private_keys_of_the_pages_that_others_can_read_are_told(register, tmp_path):
    web_key(register.home)
    (register.home / "web.key").chmod(0o640)
    _, key = certificate(tmp_path, "ours")
    key.chmod(0o644)
    told = found(register, web_url="https://x.example", web_private_key=key)
    assert [finding.message.rsplit("/", 1)[1] for finding in told] == ["web.key", "tls.key"]


def test_certificates_that_expire_soon_are_told(register, tmp_path):
    now = datetime.now(UTC)
    pem, _ = certificate(tmp_path, "ours", days=30)
    assert codes(register, now, web_certificate=pem) == []
    [soon] = found(register, now + 10 * DAY, web_certificate=pem)
    assert "expires in 19 days" in soon.message
    [late] = found(register, now + 40 * DAY, web_certificate=pem)
    assert "has expired" in late.message
    [gone] = found(register, now, web_certificate=tmp_path / "none.pem")
    assert gone.code == "certificate" and gone.hint


def test_a_link_that_was_never_used_is_told_once_it_is_too_old(register):
    with register.database.write() as session:
        links.make(session, VENDOR, "ben", "rita", NOW - 3 * DAY)
        links.make(session, VENDOR, "ben", "rita", NOW - 2 * DAY)
        links.make(session, VENDOR, "ada", "rita", NOW)
    [told] = found(register)
    assert told.code == "link" and told.message.startswith("ben ") and "person link ben" in told.hint
    with register.database.write() as session:
        session.add(Account(audience=VENDOR, subject="ben", password="x", changed=NOW))
    assert found(register) == []


def test_a_token_in_use_that_expires_soon_is_told(register):
    with register.change("ben", NOW) as change:
        for name in ("used", "unused"):
            made = tokens.make(change, NewToken(PERSON, name, (Scope.READ,), person="ben", life=10 * DAY))
            if name == "used":
                used = made
    with register.read() as session:
        bearer = tokens.check(session, used.secret, NOW)
    tokens.note_use(register, bearer, NOW)
    assert codes(register, NOW + DAY) == []
    [told] = found(register, NOW + 5 * DAY)
    assert told.code == "token" and "(used)" in told.message and "5 days" in told.message
    assert codes(register, NOW + 11 * DAY) == []


def test_a_webhook_that_was_disabled_is_told_and_one_that_was_removed_is_not(register):
    common = {"url": "https://chat.vendor.example/in", "events": ["hotfix.publish"], "made": NOW, "made_by": "rita"}
    common |= {"sequence": 0, "attempts": 0, "due": NOW, "given_up": 0}
    with register.database.write() as session:
        session.add(Webhook(**common, disabled=None, why=None))
        session.add(Webhook(**common, disabled=NOW, why=REMOVED))
        session.add(Webhook(**common, disabled=NOW, why="10 events could not be delivered"))
    [told] = found(register)
    assert told.code == "webhook" and told.message.endswith("was disabled: 10 events could not be delivered")
    assert told.hint.endswith("webhook resume 3")
