"""Passwords are put where setups keep, try, change and bring them in; then everything is searched that was printed or stored."""

import sqlite3
from contextlib import closing

import pytest

from patchline.vault.setups import Login
from tests.programs import process, run
from tests.setups import Account, target_address

IN_VAULT, IN_WIKI, SLIPPED, IN_ADDRESS = (f"canary-{where}-7d1f" for where in ("vault", "wiki", "slipped", "address"))

SCRIPT = """#!/usr/bin/env python3
import glob, json, os, pathlib, sys
kept, seen = pathlib.Path("{kept}"), pathlib.Path("{seen}")
asked = json.load(sys.stdin)
print(asked, file=sys.stderr)
with seen.open("ab") as file:
    file.write(repr(dict(os.environ)).encode())
    for name in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            file.write(pathlib.Path(name).read_bytes())
        except OSError:
            pass
if kept.read_text() != asked["password"]:
    sys.exit(1)
if sys.argv[1] == "change":
    kept.write_text(asked["new_password"])
"""


@pytest.fixture
def lab(home, vault, tmp_path):
    """A setup with a database, and a web page whose password a script of the owner's changes."""
    account = Account.made(IN_VAULT)
    vault.write("lab-1/team/db", Login(account.name, IN_VAULT), 0)
    vault.write("lab-1/team/ui", Login("admin", IN_VAULT), 0)
    script = home / "setups/lab-1/ui"
    script.parent.mkdir(parents=True)
    script.write_text(SCRIPT.format(kept=tmp_path / "kept", seen=tmp_path / "seen"))
    script.chmod(0o755)
    (tmp_path / "kept").write_text(IN_VAULT)
    return account


def wiki(folder):
    imported = Account.made(IN_WIKI)
    head = "setup,team,endpoint,kind,address,username,password,source\n"
    (folder / "wiki.csv").write_text(
        f"{head}lab-2,web,db,database,{target_address()},{imported.name},{IN_WIKI},https://wiki.example/lab-2\n"
    )
    (folder / "slipped.csv").write_text(
        f"{head}lab-2,{SLIPPED},db,{SLIPPED},{SLIPPED},x,{IN_WIKI},y\n{SLIPPED},web,db,database,a,b,c,d\nlab-2,web,e,http,https://u:{SLIPPED}@x/,a,b,c\n"
    )


def test_no_password_shows_in_what_is_printed_stored_backed_up_or_listed_as_a_process(
    home, space, vault, lab, tmp_path
):
    wiki(tmp_path)
    environment = {"VAULT_TOKEN": space.bao.root, "PATCHLINE_PERSON": "ada", "PATCHLINE_HOME": str(home)}
    address = f"db=database,postgresql://shop:{IN_ADDRESS}@lab/shop"
    said = []

    def runs(*line, expect=0, how=run):
        said.append(how("patchline", *line, environment=environment, expect=expect))

    runs("setup", "rotate", "lab-1", "ui", how=process)
    for more in ([], ["--json"]):
        runs("setup", "test", "lab-1", *more)
        runs("setup", "rotate", "lab-1", "db", *more)
        runs("setup", "import", tmp_path / "slipped.csv", *more, expect=2)
        runs("setup", "import", tmp_path / "wiki.csv", *more)
        runs("setup", "edit", "lab-1", "--endpoint", address, *more, expect=2)
        runs("setup", "show", "lab-1", *more)
        runs("setup", "list", *more)
        runs("setup", "rotate", "lab-1", "nothing", *more, expect=11)
    kept = [vault.read(path).login.password for path in ("lab-1/team/db", "lab-2/team/db", "lab-1/team/ui")]
    runs("setup", "edit", "lab-1", "--drop", "ui")
    runs("audit", "export")
    runs("backup", "--out", tmp_path / "backup")
    secret = {IN_VAULT, IN_WIKI, SLIPPED, IN_ADDRESS, space.bao.root, *kept}
    assert len(secret) == 8
    places = {"printed": "".join(one.out + one.err for one in said).encode()}
    files = [tmp_path / "seen", tmp_path / "backup", space.bao.audit_log, *home.rglob("*")]
    places |= {str(file): file.read_bytes() for file in files if file.is_file()}
    with closing(sqlite3.connect(home / "register.db")) as database:
        places["dump"] = "\n".join(database.iterdump()).encode()
    assert b"setup\0rotate\0lab-1\0ui" in places[str(tmp_path / "seen")], "the list of processes has the command"
    assert [(where, one) for where, data in places.items() for one in secret if one.encode() in data] == []
