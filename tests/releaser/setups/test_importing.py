"""Passwords of a wiki go into Vault, are replaced, and never show up in an answer."""

import pytest

from patchline.patches.errors import PatchlineError, ProblemsError
from patchline.releaser.setups import keeping
from patchline.releaser.setups.importing import Import
from patchline.vault.setups import Login, TeamSecrets
from tests.programs import run
from tests.registers import NOW
from tests.setups import Account, target_address

CANARY = "canary-hunter2"
HEADER = "setup;team;endpoint;kind;address;username;password;source\n"
WIKI = "https://wiki.example/lab"


def table(*rows):
    return (HEADER + "".join(";".join(row) + "\n" for row in rows)).encode()


def row(account, setup="lab-2", endpoint="db", address=None, kind="database", team="web"):
    return [setup, team, endpoint, kind, address or target_address(), account.name, account.password, WIKI]


def take(registry, vault, *rows):
    return Import(registry, vault, "ada", NOW).take(table(*rows))


def test_import_makes_setups_puts_passwords_into_vault_and_replaces_them(registry, vault):
    account = Account.made(CANARY)
    rows = row(account), row(account, "lab-1", "ui", "https://127.0.0.1:9/", "http", "platform")
    done = take(registry, vault, *rows)
    assert (done.new, done.rotated, done.by_hand) == (["lab-2 db", "lab-1 ui"], ["lab-2 db"], ["lab-1 ui"])
    assert done.sources == [WIKI] and not done.failed and not account.opens(CANARY)
    assert account.opens(vault.read("lab-2/team/db").login.password)
    with registry.read() as session:
        found = keeping.the_setup(session, "lab-2")
        assert found.setup.team == "web" and found.endpoint("db")[1].rotated == NOW
        assert keeping.the_setup(session, "lab-1").endpoint("ui")[1].rotated is None
    again = take(registry, vault, *rows)
    assert (again.new, again.already, again.rotated) == ([], ["lab-2 db", "lab-1 ui"], [])
    assert again.by_hand == ["lab-1 ui"], "until somebody has done it"
    assert vault.read("lab-2/team/db").number == 3 and not account.opens(CANARY), "the wiki's never comes back"
    ui = vault.read("lab-1/team/ui")
    vault.write("lab-1/team/ui", Login(account.name, "replaced by hand"), ui.number)
    assert take(registry, vault, *rows).by_hand == []


def test_all_that_is_wrong_with_rows_is_told_at_once_without_what_stands_in_them(registry, vault, space):
    account = Account.made(CANARY)
    vault.write("lab-1/team/db", Login("shop", "another"), 0)
    bad = [
        row(account, endpoint="Canary-hunter2"),
        row(account, setup=CANARY),
        row(account, kind=CANARY),
        row(account, address=CANARY),
        row(account, address=f"postgresql://x:{CANARY}@lab/shop"),
        row(account, team="Canary-hunter2"),
        row(account, "lab-1", team="web"),
        row(account, "lab-1", CANARY, "", "", ""),
        [*row(account, "lab-2", "web", "http://lab", "http")[:5], "shop", "", WIKI],
        [*row(account, "lab-2", "web", "http://lab", "http")[:5], CANARY, CANARY, "x" * 400],
        [*row(account, "lab-2", "ui"), CANARY],
        row(account, "lab-2"),
        row(account, "lab-2"),
    ]
    with pytest.raises(ProblemsError) as caught:
        take(registry, vault, *bad)
    told = [problem.message for problem in caught.value.problems]
    numbers = {int(message.split(":")[0].removeprefix("row ")) for message in told}
    assert numbers == set(range(2, len(bad) + 2)) - {len(bad)}
    assert CANARY not in "".join(told).lower() + space.bao.audit_log.read_text()
    assert vault.read("lab-2/team/db") is None and account.opens(CANARY), "nothing was taken in"
    with registry.read() as session, pytest.raises(PatchlineError):
        keeping.the_setup(session, "lab-2")


@pytest.mark.parametrize(
    "data", [b"lab-1;db;ann;canary-hunter2\n", b'setup;endpoint;username;password\nx;"canary-hunter2']
)
def test_file_that_is_no_table_is_refused_without_what_stands_in_it(registry, vault, data):
    with pytest.raises(PatchlineError) as caught:
        Import(registry, vault, "ada", NOW).take(data)
    assert CANARY not in caught.value.message


class CutOff(Exception):
    """The process ends here."""


@pytest.mark.parametrize("writes", [0, 1, 2, 3])
def test_import_cut_off_anywhere_goes_on_when_it_is_run_again(registry, vault, monkeypatch, writes):
    accounts = [Account.made(CANARY), Account.made(CANARY)]
    rows = [row(account, endpoint=f"db-{number}") for number, account in enumerate(accounts)]
    whole, done = TeamSecrets.write, []

    def counting(*arguments):
        if len(done) == writes:
            raise CutOff
        done.append(arguments)
        return whole(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(TeamSecrets, "write", counting)
        with pytest.raises(CutOff):
            take(registry, vault, *rows)
    again = take(registry, vault, *rows)
    assert len(again.new) == max(2 - writes, 0) and again.rotated == ["lab-2 db-0", "lab-2 db-1"]
    assert not any(account.opens(CANARY) for account in accounts)


def test_target_that_is_down_leaves_the_password_in_vault_and_the_next_run_replaces_it(registry, vault):
    account = Account.made(CANARY)
    gone = row(account, address="postgresql://127.0.0.1:9/shop")
    done = take(registry, vault, gone)
    assert done.new == ["lab-2 db"] and [(name, error.code) for name, error in done.failed] == [
        ("lab-2 db", "state.setup-login")
    ]
    assert vault.read("lab-2/team/db").pending is None
    assert [name for name, _ in take(registry, vault, gone).failed] == ["lab-2 db"]


def test_command_imports_names_what_to_destroy_and_prints_no_secret(home, space, vault, tmp_path):
    account = Account.made(CANARY)
    environment = {"VAULT_TOKEN": space.bao.root, "PATCHLINE_PERSON": "ada", "PATCHLINE_HOME": str(home)}
    (tmp_path / "wiki.csv").write_bytes(table(row(account, setup="lab-9")))
    said = [run("patchline", "setup", "import", tmp_path / "wiki.csv", environment=environment, expect=11)]
    (tmp_path / "wiki.csv").write_bytes(table(row(account)))
    said += [run("patchline", "setup", "import", tmp_path / "wiki.csv", environment=environment)]
    assert said[1].out.splitlines() == [
        "1 credential put into Vault, 0 there already",
        "replaced      lab-2 db",
        f"destroy       {WIKI}, and its earlier versions",
        "destroy       wiki.csv, and its earlier versions",
    ]
    (tmp_path / "wiki.csv").write_bytes(table(row(account, address="postgresql://127.0.0.1:9/shop")))
    said += [run("patchline", "setup", "import", tmp_path / "wiki.csv", "--json", environment=environment, expect=13)]
    kept = b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file()).decode("latin-1")
    kept += space.bao.audit_log.read_text() + "".join(one.out + one.err for one in said)
    assert CANARY not in kept and vault.read("lab-2/team/db").login.password not in kept
    denied = {**environment, "VAULT_TOKEN": "hvs.nobodys"}
    told = run("patchline", "setup", "import", tmp_path / "wiki.csv", "--json", environment=denied, expect=30)
    assert told.document["error"] == "vault.token"
