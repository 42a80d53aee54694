"""The pages that tell a story are played, command by command."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests import office, shop
from tests.programs import run
from tests.servers import serving
from tests.transcripts import Play

ROOT = Path(__file__).parent.parent
TUTORIAL = ROOT / "docs" / "tutorial"


class People(Play):
    """Everybody's passphrase is their name."""

    def page(self, page, **parts):
        self.environment["PATCHLINE_STATE"] = str(self.folder / "state")
        return super().page(page, **parts)

    def _command(self, line, expected):
        self.environment |= {"PATCHLINE_PASSPHRASE": self.person, "PATCHLINE_PERSON": self.person}
        super()._command(line, expected)


@pytest.fixture
def folder(tmp_path):
    shop.repository(tmp_path / "shop")
    (tmp_path / "people.toml").write_text(shop.PEOPLE)
    released = tmp_path / "app"
    subprocess.run(["git", "clone", "-q", "--branch", "v4.1.2", tmp_path / "shop", released], check=True)
    subprocess.run(["rm", "-r", released / ".git"], check=True)
    return tmp_path


def test_readme_shows_what_is_printed(folder, monkeypatch):
    shop.ceremony(folder)
    monkeypatch.setenv("PATCHLINE_STATE", str(folder / "state"))
    heard = shop.person(folder, "ada", "trust", "show", "shop.trust", "--json").document["fingerprint"]
    options = ["--product", "shop", "--baseline", "4.1.2", "--trust", folder / "shop.trust", "--fingerprint", heard]
    run("patchline-site", "init", "--root", folder / "app", *options)
    assert People(folder).page(ROOT / "README.md") > 10


def test_engineers_page_shows_what_is_printed(folder):
    assert People(folder).page(TUTORIAL / "engineer.md", until=ENGINEER) > 10


def test_approvers_and_customers_pages_show_what_is_printed(folder):
    people = People(folder)
    assert people.page(TUTORIAL / "approver.md", until=APPROVER) > 20
    assert people.page(TUTORIAL / "customer.md", until=CUSTOMER) > 10


# With a register and a channel

ENGINEER, APPROVER, CUSTOMER = "With the register", "With the register and a channel", "With the vendor's channel"


@pytest.fixture
def vendor(folder):
    shop.ceremony(folder)
    return folder


def test_servers_page_shows_what_is_printed(vendor):
    (vendor / "shop.trust").unlink()
    assert People(vendor, **office.environment(vendor)).page(TUTORIAL / "server.md") > 25


def test_page_of_running_the_server_shows_what_is_printed(vendor):
    for name in ("root.json", "kit-root.json", "targets.json"):
        (vendor / name).unlink(missing_ok=True)
    try:
        assert People(vendor, **office.environment(vendor)).page(ROOT / "docs" / "operate.md") > 10
    finally:  # Where the page stops before it stops its server.
        served = vendor / "served.pid"
        with suppress(ProcessLookupError, FileNotFoundError):
            os.kill(int(served.read_text()), signal.SIGTERM)


def test_supports_page_shows_what_is_printed(vendor):
    office.next_release(vendor)
    office.found(vendor)
    office.in_review(vendor)
    office.server(vendor, "sam", "baseline", "add", "4.2.0", "--product", "shop", "--tag", "v4.2.0")
    office.published(vendor)
    trust = shop.person(vendor, "ada", "trust", "show", "shop.trust", "--json").document["fingerprint"]
    options = ["--product", "shop", "--baseline", "4.1.2", "--trust", vendor / "shop.trust", "--fingerprint", trust]
    run(
        "patchline-site",
        "init",
        "--root",
        vendor / "app",
        *options,
        environment={"PATCHLINE_STATE": str(vendor / "state")},
    )
    assert People(vendor, **office.environment(vendor)).page(TUTORIAL / "support.md") > 20


def test_engineers_page_of_the_register_shows_what_is_printed(vendor):
    office.java_releases(vendor)
    office.found(vendor)
    office.server(vendor, "sam", "baseline", "add", "4.1.2", "--product", "shop", "--tag", "v4.1.2")
    assert People(vendor, **office.environment(vendor)).page(TUTORIAL / "engineer.md", after=ENGINEER) > 10


def test_approvers_page_of_the_register_shows_what_is_printed(vendor):
    office.found(vendor)
    office.in_review(vendor)
    assert People(vendor, **office.environment(vendor)).page(TUTORIAL / "approver.md", after=APPROVER) > 15


def test_customers_page_of_the_channel_shows_what_is_printed(vendor):
    with serving(vendor / "register" / "channel") as server:
        office.found(vendor, server.url)
        office.in_review(vendor)
        office.published(vendor)
        trust = shop.person(vendor, "ada", "trust", "show", "shop.trust", "--json").document["fingerprint"]
        options = ["--product", "shop", "--baseline", "4.1.2", "--trust", vendor / "shop.trust", "--fingerprint", trust]
        state = {"PATCHLINE_STATE": str(vendor / "state")}
        run("patchline-site", "init", "--root", vendor / "app", *options, environment=state)
        assert People(vendor, **office.environment(vendor)).page(TUTORIAL / "customer.md", after=CUSTOMER) > 10
