"""The page of Vault is played, command by command, against a real OpenBao."""

import os
from pathlib import Path

import pytest

from tests.bao import PROGRAM, started
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
    play = People(tmp_path, **places, PATH=path)
    assert play.page(PAGE) > 20
    assert server.root not in "".join(
        file.read_text() for file in tmp_path.rglob("*") if file.is_file() and file.name not in ("vera.token",)
    )
