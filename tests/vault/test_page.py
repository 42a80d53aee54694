"""The page of Vault is played, command by command, against a real OpenBao."""

import json
import os
from pathlib import Path

import pytest

from patchline.releaser.register import opened
from tests.bao import PROGRAM, started
from tests.fleets import Fleet
from tests.lending import MAKERS_PASSWORD, maker
from tests.registers import make_home
from tests.setups import Account, target_address
from tests.transcripts import Play

PAGE = Path(__file__).parents[2] / "docs" / "vault.md"


class People(Play):
    """The page's people have shells of their own: what one exports stays theirs."""

    def _command(self, line, expected):
        file = self.folder / "homes" / f"{self.person}.sh"
        file.parent.mkdir(exist_ok=True)
        file.touch()
        super()._command(f"source {file}\n{line}", expected)
        if line.startswith("export"):
            with file.open("a") as kept:
                kept.write(f"{line}\n")


@pytest.fixture(scope="module")
def server():
    with started() as bao:
        yield bao


def test_page_of_vault_shows_what_is_printed(server, tmp_path):
    (tmp_path / "vera.token").write_text(server.root)
    places = {"BAO_ADDR": server.address, "PATCHLINE_VAULT_ADDRESS": server.address}
    path = f"{PROGRAM.parent}:{os.environ['PATH']}"
    account = lab(tmp_path)
    play = People(tmp_path, **places, PATH=path)
    assert play.page(PAGE) > 20
    given = ("vera.token", "wiki.csv", "maker.json")
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file() and file.name not in given)
    for secret in (server.root, account.password, MAKERS_PASSWORD):
        assert secret.encode() not in kept
    assert not account.opens(account.password)


def lab(folder):
    """A home with a site of a test environment, whose passwords stand in a wiki; returns its real account."""
    with opened(make_home("sqlite", folder / "home")) as register:
        fleet = Fleet(register).product("shop")
        fleet.site("lab-1", fleet.customer("own"), "shop", environment="test")
        fleet.site("lab-2", "own", "shop", environment="test")
    account = Account.made("from-the-wiki")
    lines = (
        "setup,team,endpoint,kind,address,username,password,source",
        f"lab-1,platform,db,database,{target_address()},{account.name},{account.password},https://wiki.example/lab-1",
        "lab-1,platform,stock,database,oracle://lab-1.example/stock,system,from-the-wiki,https://wiki.example/lab-1",
    )
    (folder / "wiki.csv").write_text("\n".join(lines) + "\n")
    (folder / "by-hand").write_text("made by hand\n")
    (folder / "lab-2.address").write_text(target_address())
    name, group = maker()
    (folder / "maker.json").write_text(json.dumps({"username": name, "password": MAKERS_PASSWORD, "group": group}))
    return account
