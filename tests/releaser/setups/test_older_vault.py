"""A Vault that was restored from an older backup has passwords of before; that is told, and nothing is made worse."""

import pytest

from patchline.patches.errors import PatchlineError
from patchline.releaser.register import opened
from patchline.releaser.setups import keeping, rotating
from patchline.releaser.setups.logins import Outcome
from patchline.vault.connection import Connection
from patchline.vault.login import OwnToken
from patchline.vault.setups import Login, TeamSecrets
from tests.bao import started
from tests.programs import run
from tests.registers import NOW, make_home
from tests.setups import Account, endpoint, setup, site, target_address

CANARY = "canary-hunter2"


def mounted(bao):
    adapter = bao.client(bao.root).adapter
    adapter.post("/v1/sys/mounts/setups", json={"type": "kv", "options": {"version": "2"}})
    bao.until(lambda: adapter.post("/v1/setups/config", json={"cas_required": True}))
    return TeamSecrets(Connection(bao.server, OwnToken(bao.root)))


def test_vault_restored_from_an_older_backup_is_named_and_the_target_is_left_alone(tmp_path):
    home, account = make_home("sqlite", tmp_path / "home"), Account.made(CANARY)
    with started() as bao, opened(home) as registry:
        site(registry, "lab-1")
        setup(registry, "lab-1", endpoint("db", target_address()))
        vault = mounted(bao)
        vault.write("lab-1/team/db", Login(account.name, CANARY), 0)
        snapshot = bao.client(bao.root).adapter.get("/v1/sys/storage/raft/snapshot", raise_exception=False).content
        rotating.rotate(registry, vault, "lab-1", "db", "ada", NOW)
        new = vault.read("lab-1/team/db").login.password
        bao.client(bao.root).adapter.post("/v1/sys/storage/raft/snapshot-force", data=snapshot)
        bao.until(lambda: bao.client(bao.root).adapter.get("/v1/sys/mounts"))
        assert vault.read("lab-1/team/db").number == 1
        (found,) = rotating.try_logins(registry, vault, "lab-1")
        assert (found.outcome, found.older, found.fine) == (Outcome.REFUSED, True, False)
        with pytest.raises(PatchlineError) as caught:
            rotating.rotate(registry, vault, "lab-1", "db", "ada", NOW)
        assert caught.value.code == "state.setup-vault-older" and CANARY not in str(caught.value)
        assert account.opens(new) and vault.read("lab-1/team/db").number == 1
        environment = {"VAULT_TOKEN": bao.root, "PATCHLINE_HOME": str(home), "PATCHLINE_VAULT_ADDRESS": bao.address}
        settings = home / "settings.toml"
        settings.write_text(settings.read_text() + f'vault_address = "{bao.address}"\n')
        assert (
            "restored from an older backup"
            in run("patchline", "setup", "test", "lab-1", environment=environment, expect=13).out
        )
        # By hand, as the hint says; from then on it goes on.
        vault.write("lab-1/team/db", Login(account.name, new), 1)
        rotating.rotate(registry, vault, "lab-1", "db", "ada", NOW)
        with registry.read() as session:
            assert keeping.the_setup(session, "lab-1").endpoint("db")[1].number == 4
        (found,) = rotating.try_logins(registry, vault, "lab-1")
        assert found.fine and not found.older
