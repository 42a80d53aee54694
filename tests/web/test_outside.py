from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from joserfc.jwk import RSAKey

from patchline.patches.errors import RefusedError, SettingsError
from patchline.releaser.access import accounts, binding
from patchline.releaser.access.binding import Somebody
from patchline.releaser.access.outside import Provider
from patchline.releaser.register import opened
from patchline.releaser.settings import Settings
from patchline.releaser.tables.access import VENDOR, Account
from tests.browser import serving
from tests.identity_provider import CLIENT, SECRET, provided
from tests.pages import Clock, Visitor, make_app, text_of
from tests.programs import run
from tests.registers import make_home

BACK = "http://localhost:8080/sign-in/outside/back"


@pytest.fixture
def provider(monkeypatch):
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    with provided(BACK) as found:
        yield found


@pytest.fixture
def register(provider, tmp_path):
    home = make_home("sqlite", tmp_path / "home")
    secret = tmp_path / "oidc"
    secret.write_text(f"{SECRET}\n")
    secret.chmod(0o600)
    with (home / "settings.toml").open("a") as settings:
        settings.write(f'oidc_issuer = "{provider.issuer}"\noidc_client = "{CLIENT}"\n')
        settings.write(f'oidc_secret_file = "{secret}"\noidc_name = "Example ID"\n')
    with opened(home) as found:
        yield found


@pytest.fixture
def visitor(register):
    return Visitor(make_app(register, Clock(datetime.now(UTC))), register)


def bound(register, person="ada", subject="248289761001"):
    with register.change("rita", datetime.now(UTC)) as change:
        binding.bind(change, person, Somebody(register.settings.oidc_issuer, subject))


def link_for(register, person):
    with register.change("rita", datetime.now(UTC)) as change:
        return f"/sign-in/link/{accounts.offer_link(change, person).token}"


def to_provider(begun):
    """Follow a browser to the provider and return where that sends it back."""
    assert begun.status_code == 303, begun.text
    answer = requests.get(begun.location, allow_redirects=False, timeout=10)
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"].removeprefix("http://localhost:8080")


def test_who_is_bound_signs_in_and_goes_on_where_they_wanted(visitor, register, provider):
    bound(register)
    assert "Sign in with Example ID" in text_of(visitor.get("/sign-in/"))
    begun = visitor.get("/sign-in/outside/?to=/me/")
    asked = parse_qs(urlsplit(begun.location).query)
    assert asked["code_challenge_method"] == ["S256"] and len(asked["nonce"][0]) == 32 and asked["scope"] == ["openid"]
    done = visitor.get(to_provider(begun))
    assert (done.status_code, done.location) == (303, "/me/")
    assert "by oidc" not in text_of(visitor.get("/")) and "Ada" in text_of(visitor.get("/me/"))
    assert provider.challenged == [True]


def test_nobody_is_led_elsewhere_by_way_of_the_provider(visitor, register):
    bound(register)
    assert visitor.get(to_provider(visitor.get("/sign-in/outside/?to=//evil.example"))).location == "/"


def test_an_account_is_bound_by_a_link_once_and_never_by_its_address(visitor, register, provider):
    unknown = visitor.get(to_provider(visitor.get("/sign-in/outside/")))
    assert unknown.status_code == 401 and "bound to nobody here" in text_of(unknown)
    link = link_for(register, "rita")
    visitor.get(link)
    page = visitor.get("/sign-in/link/")
    assert f"form-action 'self' {provider.issuer};" in page.headers["Content-Security-Policy"]
    begun = visitor.send("/sign-in/link/", "/sign-in/outside/bind")
    done = visitor.get(to_provider(begun))
    assert (done.status_code, done.location) == (303, "/me/")
    other = Visitor(visitor.app, register)
    assert other.get(link).status_code == 403
    other.get(link_for(register, "ben"))
    taken = other.get(to_provider(other.send("/sign-in/link/", "/sign-in/outside/bind")))
    assert taken.status_code == 401 and "bound to somebody else" in text_of(taken)
    with register.read() as session:
        assert session.get(Account, (VENDOR, "ben")) is None


@pytest.mark.parametrize("fault", ["issuer", "expired", "nonce", "audience", "nobody", "key", "none"])
def test_what_the_provider_says_counts_only_as_it_must_be(visitor, register, provider, fault):
    bound(register)
    back = to_provider(visitor.get("/sign-in/outside/"))
    provider.fault = fault
    answer = visitor.get(back)
    assert answer.status_code == 401 and "outside.token" in text_of(answer)
    assert "248289761001" not in answer.text and visitor.get("/me/").status_code == 302


def test_an_answer_counts_once_and_in_the_browser_that_asked(visitor, register):
    bound(register)
    back = to_provider(visitor.get("/sign-in/outside/"))
    thief = Visitor(visitor.app, register)
    assert thief.get(back).status_code == 401
    thief.get("/sign-in/outside/")
    assert "did not begin" in text_of(thief.get(back))
    assert visitor.get(back).status_code == 303
    assert visitor.get(back).status_code == 401
    for wrong in ("?error=access_denied&state=x", "?code=x", "?state=\0&code=x", ""):
        visitor.get("/sign-in/outside/")
        assert visitor.get(f"/sign-in/outside/back{wrong}").status_code == 401, wrong


def test_keys_of_the_provider_may_change(visitor, register, provider):
    bound(register)
    assert visitor.get(to_provider(visitor.get("/sign-in/outside/"))).status_code == 303
    provider.keys[:] = [RSAKey.generate_key(2048, {"kid": "two"})]
    assert visitor.get(to_provider(visitor.get("/sign-in/outside/"))).status_code == 303


def test_a_provider_that_is_down_or_another_is_told_and_passwords_go_on(visitor, register, provider):
    back = to_provider(visitor.get("/sign-in/outside/"))
    provider.http.shutdown()
    provider.http.server_close()
    answer = visitor.get(back)
    assert answer.status_code == 503 and "does not answer" in text_of(answer)
    assert visitor.get("/sign-in/").status_code == 200


def test_a_provider_that_calls_itself_otherwise_is_not_asked(visitor, provider):
    provider.fault = "metadata"
    answer = visitor.get("/sign-in/outside/")
    assert answer.status_code == 503 and "calls itself otherwise" in text_of(answer)


def test_who_was_disabled_does_not_come_in_by_the_provider_either(visitor, register):
    bound(register)
    with register.database.write() as session:
        session.connection().exec_driver_sql("UPDATE person SET disabled = added WHERE id = 'ada'")
    assert visitor.get(to_provider(visitor.get("/sign-in/outside/"))).status_code == 403
    with register.change("rita", datetime.now(UTC)) as change, pytest.raises(RefusedError, match="was disabled"):
        binding.bind(change, "ada", Somebody("x", "y"))


def test_the_command_binds_an_account(register):
    run("patchline", "person", "outside", "ben", "4711", "--home", register.home, "--as", "rita")
    with register.read() as session:
        assert session.get(Account, (VENDOR, "ben")).outside == "4711"
    refused = run("patchline", "person", "outside", "ben", "4711", "--home", register.home, "--as", "ada", expect=12)
    assert "release-manager" in refused.err


def test_settings_that_name_a_provider_in_part_are_refused_at_once(tmp_path):
    open_to_others = tmp_path / "secret"
    open_to_others.write_text("secret")
    open_to_others.chmod(0o644)
    for more in (
        {},
        {"oidc_client": "patchline"},
        {"oidc_client": "patchline", "oidc_secret_file": str(open_to_others)},
        {"oidc_client": "patchline", "oidc_issuer": "http://id.example"},
    ):
        with pytest.raises(SettingsError):
            Provider.of(Settings(**{"oidc_issuer": "https://id.example", **more}))
    assert Provider.of(Settings()) is None


def test_a_person_binds_their_account_in_a_browser(browser, provider, register):
    app = make_app(register, Clock(datetime.now(UTC)))
    with serving(app) as address:
        provider.back = f"{address}/sign-in/outside/back"
        object.__setattr__(register, "settings", register.settings.model_copy(update={"web_url": address}))
        with browser.reader(address) as reader:
            page = reader.open(link_for(register, "ada"))
            page.get_by_role("button", name="Sign in with Example ID").click()
            page.wait_for_url(f"{address}/me/")
            page.get_by_role("button", name="Sign out everywhere").click()
            reader.look("sign-in-outside")
            page.get_by_role("button", name="Sign in with Example ID").click()
            page.wait_for_url(f"{address}/")
