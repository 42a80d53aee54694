"""The pages that tell a story are played, command by command."""

import subprocess
from pathlib import Path

import pytest

from tests import shop
from tests.programs import run
from tests.transcripts import Play

ROOT = Path(__file__).parent.parent
TUTORIAL = ROOT / "docs" / "tutorial"


class People(Play):
    """Everybody's passphrase is their name."""

    def page(self, page):
        self.environment["PATCHLINE_STATE"] = str(self.folder / "state")
        return super().page(page)

    def _command(self, line, expected):
        self.environment["PATCHLINE_PASSPHRASE"] = self.person
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
    assert People(folder).page(TUTORIAL / "engineer.md") > 10


def test_approvers_and_customers_pages_show_what_is_printed(folder):
    people = People(folder)
    assert people.page(TUTORIAL / "approver.md") > 20
    assert people.page(TUTORIAL / "customer.md") > 10
