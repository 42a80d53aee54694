import hashlib
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from patchline.patches import sealed
from patchline.patches.keys import Kind
from patchline.patches.sealed import Cost, create_sealed, write_private
from patchline.releaser import doctor
from patchline.releaser.register import opened
from patchline.releaser.stores import Store
from patchline.releaser.tables.audit import Outbox
from tests import bao
from tests.channels import begun
from tests.programs import run
from tests.registers import NOW, make_home
from tests.repositories import Repository
from tests.vendor import signer

DAYS = timedelta(days=1)


@pytest.fixture
def home(tmp_path):
    """A home that the doctor finds well: its own keys are those that the channel's papers name."""
    home = make_home("sqlite", tmp_path / "home")
    (home / "settings.toml").write_text("")
    (home / "settings.toml").chmod(0o600)
    (home / "register.db").chmod(0o600)
    home.chmod(0o700)
    (home / "keys").mkdir(mode=0o700)
    for name in ("online", "kit"):
        seal(home / f"keys/{name}.key", name)
    with opened(home) as register:
        begun(Store.at(register.channel))
        register.checkpoint(NOW)
    return home


def seal(path, name):
    """Seal the key of this name, as the papers of the tests know it."""
    secret = hashlib.sha256(name.encode()).digest()
    write_private(path, sealed._seal(secret, Kind.P256, signer(name).public, b"words", Cost(1 << 10)))


def examine(home, now=NOW):
    with opened(home, any_schema=True) as register:
        return doctor.examine(register, now)


def codes(home, now=NOW):
    return [finding.code for finding in examine(home, now).findings]


def test_home_that_is_well_has_no_findings_and_tells_every_expiry(home):
    health = examine(home)
    assert health.findings == ()
    assert set(health.expiries) == {"root", "kit-root", "targets", "hotfixes", "status", "snapshot", "timestamp"}
    assert any("offline key: 1 loss of 3" in loss for loss in health.losses)


@pytest.mark.parametrize(
    ("later", "named"),
    [
        (5 * DAYS, {"timestamp"}),
        (8 * DAYS, {"timestamp"}),
        (21 * DAYS, {"timestamp", "snapshot"}),
        (310 * DAYS, {"timestamp", "snapshot", "hotfixes", "status", "targets"}),
        (620 * DAYS, {"timestamp", "snapshot", "hotfixes", "status", "targets", "root", "kit-root"}),
    ],
)
def test_expiry_is_a_finding_in_time(later, named, home):
    found = [finding for finding in examine(home, NOW + later).findings if finding.code == "expiry"]
    assert {finding.message.split()[0] for finding in found} == named


@pytest.mark.parametrize("place", ["keys/mine.key", "other/deep/x.key"])
def test_offline_key_under_the_home_is_a_finding_wherever_it_lies(place, home):
    (home / place).parent.mkdir(parents=True, exist_ok=True)
    seal(home / place, "offline-1")
    (finding,) = examine(home).findings
    assert finding.code == "foreign-key" and "an offline key of the root" in finding.message


def test_key_of_somebody_and_an_open_private_key_are_findings(home):
    create_sealed(home / "keys/ada.key", Kind.P256, b"words", Cost(1 << 10))
    (home / "old.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    (home / "old.pem").chmod(0o600)
    assert codes(home) == ["plain-key", "foreign-key"]


def test_rights_that_let_others_in_are_findings(home):
    (home / "keys/online.key").chmod(0o644)
    assert codes(home) == ["rights"]
    (home / "keys/online.key").chmod(0o600)
    home.chmod(0o755)
    (home / "register.db").chmod(0o644)
    assert codes(home) == ["rights", "rights"]


def test_missing_and_exchanged_server_keys_are_findings(home):
    (home / "keys/kit.key").unlink()
    assert codes(home) == ["key", "role"]
    create_sealed(home / "keys/kit.key", Kind.P256, b"words", Cost(1 << 10))
    (finding,) = examine(home).findings
    assert finding.code == "role" and "kits" in finding.message


def test_home_or_bundles_in_what_is_served_are_findings(home):
    (home / "settings.toml").write_text(f'channel = "{home.parent}"\n')
    shutil.copytree(home / "channel", home.parent, dirs_exist_ok=True)
    assert codes(home).count("served") == 2


def test_events_that_wait_and_a_chain_that_nobody_was_told_of_are_findings(home):
    with opened(home) as register, register.database.write() as session:
        session.add(Outbox(body=b"{}"))
    assert codes(home) == ["unchained"]
    with opened(home) as register:
        register.chain()
        with register.database.write() as session:
            session.connection().exec_driver_sql("DROP TRIGGER audit_checkpoint_kept")
            session.connection().exec_driver_sql("DELETE FROM audit_checkpoint")
    assert codes(home) == ["checkpoint"]


def test_schema_broken_off_restore_and_trial_are_findings(home):
    (home / "restore.unfinished").touch()
    (home / "settings.toml").write_text("trial = true\n")
    with opened(home) as register, register.database.write() as session:
        session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    assert codes(home) == ["unfinished", "trial", "database.schema-older"]


def test_home_without_a_channel_is_told_what_to_do(home):
    shutil.rmtree(home / "channel")
    assert codes(home) == ["no-channel"]


def test_channel_that_somebody_changed_hides_no_other_finding(home):
    (home / "channel/metadata/timestamp.json").write_text("{}")
    (home / "keys/kit.key").unlink()
    assert codes(home) == ["key", "channel.metadata", "channel.metadata", "channel.metadata"]


def test_command_ends_with_10_when_there_is_something_to_mend(home):
    (home / "keys/kit.key").unlink()
    found = run("patchline", "doctor", "--home", home, "--json", expect=10).document
    assert "key" in {finding["code"] for finding in found["findings"]}
    assert set(found) == {"findings", "expiries", "losses"}
    out = run("patchline", "doctor", "--home", home, expect=10).out
    assert "what losing a key would mean" in out


def test_tag_of_a_baseline_that_moved_is_a_finding(home, tmp_path):
    repository = Repository(tmp_path / "shop")
    repository.commit({"a.txt": b"old\n"}, tag="v1")
    line = ("--home", home, "--as", "rita")
    run("patchline", "product", "add", "shop", "--repo", tmp_path / "shop", *line)
    run("patchline", "baseline", "add", "1.0", "--product", "shop", "--tag", "v1", *line)
    assert "git.tag-moved" not in codes(home)
    repository.commit({"a.txt": b"new\n"})
    subprocess.run(["git", "tag", "-f", "v1"], cwd=tmp_path / "shop", check=True, capture_output=True)
    assert "git.tag-moved" in codes(home)


def test_vault_that_cannot_be_asked_is_a_finding_and_hides_no_other(home):
    (home / "settings.toml").write_text('vault_address = "http://127.0.0.1:9"\n')
    assert [finding.code for finding in examine(home).findings if "vault" in finding.code] == ["vault.unreachable"]
    (home / "settings.toml").write_text('vault_address = "http://vault.example"\n')
    assert "vault.address" in [finding.code for finding in examine(home).findings]


def test_vault_that_is_well_is_no_finding(home):
    (home / "settings.toml").write_text(f'vault_address = "{bao.shared().address}"\n')
    assert [one.code for one in examine(home, datetime.now(UTC)).findings if one.code.startswith("vault")] == []


@pytest.mark.parametrize("minutes", [-9, 9])
def test_clock_that_differs_from_that_of_vault_is_a_finding(home, minutes):
    (home / "settings.toml").write_text(f'vault_address = "{bao.shared().address}"\n')
    found = examine(home, datetime.now(UTC) + timedelta(minutes=minutes)).findings
    (told,) = [one for one in found if one.code.startswith("vault")]
    assert told.code == "vault.clock" and ("behind" if minutes > 0 else "ahead of") in told.message
