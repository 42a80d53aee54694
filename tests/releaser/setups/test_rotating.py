"""Testing and replacing credentials, at a real PostgreSQL, with a real OpenBao; a canary is looked for everywhere."""

import pytest

from patchline.patches.errors import PatchlineError
from patchline.releaser.register import Register
from patchline.releaser.setups import keeping, rotating
from patchline.releaser.setups.logins import Outcome, Target
from patchline.vault.setups import Login, TeamSecrets
from tests.ldap_server import directory, needs_slapd
from tests.programs import run
from tests.registers import NOW
from tests.setups import Account, endpoint
from tests.ssh_server import needs_sshd, serving

__all__ = ["directory"]

CANARY = "canary-hunter2"


@pytest.fixture
def account(vault):
    made = Account.made(CANARY)
    vault.write("lab-1/team/db", Login(made.name, CANARY), 0)
    return made


def rotate(registry, vault, name="db"):
    return rotating.rotate(registry, vault, "lab-1", name, "ada", NOW)


def refused(work, *arguments):
    with pytest.raises(PatchlineError) as caught:
        work(*arguments)
    assert CANARY not in str(caught.value) + repr(caught.value.__cause__)
    return caught.value.code


def test_rotation_changes_target_and_vault_and_proves_the_old_password_dead(registry, vault, account):
    done = rotate(registry, vault)
    kept = vault.read("lab-1/team/db")
    assert (done.number, done.swept, kept.number, kept.pending) == (3, False, 3, None)
    assert account.opens(kept.login.password) and not account.opens(CANARY)
    assert vault.read("lab-1/team/db", 1).login.password == CANARY, "Vault keeps the history"
    with registry.read() as session:
        _, credential = keeping.the_setup(session, "lab-1").endpoint("db")
        assert (credential.number, credential.rotated, credential.path) == (3, NOW, "lab-1/team/db")
    assert rotating.try_logins(registry, vault, "lab-1")[0].outcome is Outcome.WORKS


class CutOff(Exception):
    """The process ends here."""


@pytest.mark.parametrize("step", range(1, 9))
def test_rotation_cut_off_at_any_step_is_finished_by_running_it_again(registry, vault, account, monkeypatch, step):
    """The steps: login, pending written, new login, change, new login, old login, confirmed, told to the registry."""
    counted = []

    def cut_before(owner, name):
        whole = getattr(owner, name)

        def counting(*arguments):
            counted.append(name)
            if len(counted) == step:
                raise CutOff
            return whole(*arguments)

        monkeypatch.setattr(owner, name, counting)

    with monkeypatch.context():
        for owner, name in ((Target, "try_login"), (Target, "change"), (TeamSecrets, "write"), (Register, "change")):
            cut_before(owner, name)
        with pytest.raises(CutOff):
            rotate(registry, vault)
    monkeypatch.undo()
    kept = vault.read("lab-1/team/db")
    assert any(account.opens(one) for one in (kept.login.password, kept.pending) if one), "no password is lost"
    pending = kept.pending is not None
    assert rotating.try_logins(registry, vault, "lab-1", "db")[0].pending == pending == (2 < step < 8)
    assert rotate(registry, vault).swept == pending
    now = vault.read("lab-1/team/db")
    assert now.pending is None and account.opens(now.login.password) and not account.opens(CANARY)


def test_of_two_who_rotate_at_once_one_is_told(vault, account):
    kept = vault.read("lab-1/team/db")
    vault.write("lab-1/team/db", kept.login, kept.number, "first")
    assert refused(vault.write, "lab-1/team/db", kept.login, kept.number, "second") == "vault.conflict"


def test_what_cannot_be_rotated_is_one_clear_refusal_and_changes_nothing(registry, vault):
    assert refused(rotate, registry, vault) == "not-found.setup-credential"
    assert refused(rotate, registry, vault, "ui") == "state.setup-by-hand"
    open_to_all = Account.made(CANARY, group="")
    number = vault.write("lab-1/team/db", Login(open_to_all.name, CANARY), 0)
    assert refused(rotate, registry, vault) == "state.setup-login", "a target without passwords proves nothing"
    number = vault.write("lab-1/team/db", Login(Account.made(CANARY).name, "wrong"), number)
    assert refused(rotate, registry, vault) == "state.setup-login"
    assert vault.read("lab-1/team/db").number == number


@needs_slapd
def test_password_of_a_directory_is_rotated_too(registry, vault, directory):
    name = directory.add("keeper-of-lab-1", CANARY)
    with registry.change("ada", NOW) as change:
        lab = keeping.the_setup(change.session, "lab-1").site
        keeping.add_endpoint(change.session, lab, endpoint("directory", directory.address, "ldap"))
    vault.write("lab-1/team/directory", Login(name, CANARY), 0)
    rotate(registry, vault, "directory")
    there, kept = Target("directory", "ldap", directory.address, None), vault.read("lab-1/team/directory")
    assert there.try_login(kept.login) is Outcome.WORKS
    assert there.try_login(Login(name, CANARY)) is Outcome.REFUSED


@needs_sshd
def test_host_that_nobody_pinned_is_told_with_the_key_it_shows(registry, vault):
    with serving({"shop": CANARY}) as shell:
        with registry.change("ada", NOW) as change:
            lab = keeping.the_setup(change.session, "lab-1").site
            row = keeping.add_endpoint(change.session, lab, endpoint("shell", shell.address, "ssh"))
        vault.write("lab-1/team/shell", Login("shop", CANARY), 0)
        (found,) = rotating.try_logins(registry, vault, "lab-1", "shell")
        assert (found.outcome, found.shown, found.fine) == (Outcome.UNPROVED, shell.fingerprint, False)
        with registry.change("ada", NOW) as change:
            change.session.merge(row).host_fingerprint = shell.fingerprint
        (found,) = rotating.try_logins(registry, vault, "lab-1", "shell")
        assert (found.outcome, found.shown, found.fine) == (Outcome.WORKS, None, True)


def test_script_of_the_owner_rotates_what_patchline_cannot(registry, vault, tmp_path):
    script = registry.home / "setups/lab-1/ui"
    script.parent.mkdir(parents=True)
    script.write_text(SCRIPT.format(file=tmp_path / "password"))
    (tmp_path / "password").write_text(CANARY)
    vault.write("lab-1/team/ui", Login("admin", CANARY), 0)
    script.chmod(0o777)
    assert refused(rotate, registry, vault, "ui") == "refused.setup-script"
    script.chmod(0o755)
    rotate(registry, vault, "ui")
    assert (tmp_path / "password").read_text() == vault.read("lab-1/team/ui").login.password != CANARY


SCRIPT = """#!/usr/bin/env python3
import json, pathlib, sys
asked, kept = json.load(sys.stdin), pathlib.Path("{file}")
print(asked)
if kept.read_text() != asked["password"]:
    sys.exit(1)
if sys.argv[1] == "change":
    kept.write_text(asked["new_password"])
"""


def test_commands_test_and_rotate_and_print_no_secret(home, space, vault, account):
    environment = {"VAULT_TOKEN": space.bao.root, "PATCHLINE_PERSON": "ada", "PATCHLINE_HOME": str(home)}

    def runs(*line, **more):
        return run("patchline", "setup", *line, environment=environment, **more)

    said = [runs("test", "lab-1", expect=13), runs("test", "lab-1", "db"), runs("rotate", "lab-1", "db")]
    assert "lab-1 db: works\nlab-1 ui: no credential in Vault" in said[0].out
    assert "the old one is dead" in said[2].out
    said += [runs("rotate", "lab-1", "db", "--json"), runs("show", "lab-1", "--json"), runs("show", "lab-1")]
    said += [run("patchline", "audit", "verify", environment=environment)]
    new = vault.read("lab-1/team/db").login.password
    kept = b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file()).decode("latin-1")
    kept += space.bao.audit_log.read_text() + "".join(one.out + one.err for one in said)
    assert CANARY not in kept and new not in kept
    assert space.bao.root not in kept


def test_vault_that_is_gone_stops_tests_and_rotation_with_one_answer_and_nothing_else(home, space):
    environment = {"PATCHLINE_PERSON": "ada", "PATCHLINE_HOME": str(home), "VAULT_TOKEN": "hvs.x"}
    settings = home / "settings.toml"
    settings.write_text(settings.read_text().replace(space.bao.address, "http://127.0.0.1:9"))
    for line in (["test", "lab-1"], ["rotate", "lab-1", "db"]):
        told = run("patchline", "setup", *line, "--json", environment=environment, expect=30)
        assert told.document["error"] == "vault.unreachable"
    for line in (["list"], ["show", "lab-1"]):
        assert "lab-1" in run("patchline", "setup", *line, environment=environment).out
