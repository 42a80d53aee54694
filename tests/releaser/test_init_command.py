import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from patchline.patches.sealed import read_sealed
from patchline.patches.trust import Trust
from patchline.releaser import (
    ceremony,
    channel_roots,
    confirmations,
    founding,
    offline_ceremony,
    publishing,
    server_keys,
)
from patchline.releaser.access import links
from patchline.releaser.commands import trust as trust_command
from patchline.releaser.published import read_published
from patchline.releaser.register import opened
from patchline.releaser.stores import Store
from patchline.releaser.tables.access import VENDOR
from patchline.releaser.tables.audit import AuditEvent
from patchline.releaser.tables.people import Person, Role
from patchline.releaser.trust_files import read_trust_file
from tests.conftest import EXHAUSTIVE
from tests.programs import run
from tests.registers import BACKENDS, NOW, empty_database
from tests.test_docs import wrong

WORDS = {"online": b"one", "kit": b"two"}


def init(folder, *more, expect=0):
    return run("patchline", "init", "--home", folder, *more, passphrase="words", expect=expect)


@pytest.mark.parametrize("backend", BACKENDS)
def test_init_makes_a_home_with_online_keys_and_a_first_person_and_prints_the_ceremony(backend, tmp_path):
    home = tmp_path / "home"
    url = ["--database", empty_database(backend, tmp_path)] if backend == "postgresql" else []
    made = init(home, "--name", "Öl & Co", "--person", "ada", *url, "--json").document
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / "settings.toml").stat().st_mode) == 0o600
    assert sorted(path.name for path in (home / "keys").iterdir()) == ["kit.key", "kit.pem", "online.key", "online.pem"]
    opener = server_keys.open_server_key(home, "online", lambda name: b"words")
    assert opener.public.keyid == made["keys"]["online"]["keyid"]
    assert any("patchline trust targets" in command for step in made["ceremony"] for command in step["commands"])
    with opened(home) as register, register.read() as session:
        assert register.settings.name == "Öl & Co"
        assert register.database.is_sqlite is (backend == "sqlite")
        assert {held.role for held in session.get(Person, "ada").roles} == set(Role)
        told = [json.loads(event.body)["action"] for event in session.query(AuditEvent)]
        assert told == ["home.init", "account.link"]
        token = made["link"].removeprefix("http://localhost:8080/sign-in/link/")
        assert links.subject_of(session, VENDOR, token, datetime.now(UTC)) == "ada"
    assert not founding.is_unfinished(home)


def test_init_twice_or_over_something_else_is_refused_and_changes_nothing(tmp_path):
    home = tmp_path / "home"
    init(home, "--person", "ada")
    before = read_sealed(home / "keys/online.key").public
    assert init(home, "--person", "ada", "--json", expect=12).document["error"] == "refused.home-exists"
    assert read_sealed(home / "keys/online.key").public == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other/mine.txt").write_text("mine")
    refused = init(tmp_path / "other", "--person", "ada", "--json", expect=12)
    assert refused.document["error"] == "refused.home-not-empty"
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["mine.txt"]


def test_home_that_only_remembers_git_sources_becomes_one(home, tmp_path):
    (tmp_path / "home/mirrors").mkdir(parents=True)
    init(tmp_path / "home", "--person", "ada")


@pytest.mark.parametrize("backend", BACKENDS)
def test_init_never_takes_over_a_database_with_a_register_in_it(backend, tmp_path):
    url = empty_database(backend, tmp_path)
    founding.found(tmp_path / "first", founding.Founding("ada", database=url), WORDS, NOW)
    refused = init(tmp_path / "second", "--person", "eve", "--database", url, "--json", expect=10)
    assert refused.document["error"] == "database.not-empty"


@pytest.mark.parametrize(
    ("given", "code", "error"),
    [
        ([], 2, "usage.person"),
        (["--person", "Ada L"], 2, "usage.person-id"),
        (["--person", "ada", "--database", "mysql://x/y"], 10, "database.url"),
        (["--person", "ada", "--database", "nonsense"], 10, "database.url"),
        (["--person", "ada", "--database", "postgresql://nobody@127.0.0.1:1/x"], 10, "database.gone"),
    ],
)
def test_init_refuses_what_makes_no_sense(given, code, error, tmp_path):
    assert init(tmp_path / "home", *given, "--json", expect=code).document["error"] == error
    assert not (tmp_path / "home/settings.toml").exists()


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from patchline.releaser import founding
step, seen = int(sys.argv[1]), 0
def count(event, args):
    global seen
    if event in ("os.chmod", "os.mkdir", "os.link", "os.remove", "sqlite3.connect") or event == "open" and args[1] is None:
        seen += 1
        if seen == step:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
founding.found(Path(sys.argv[2]), founding.Founding("ada"), {"online": b"one", "kit": b"two"}, datetime.now(UTC))
founding.finish(Path(sys.argv[2]))
"""


def test_init_that_was_killed_at_any_step_is_run_again(tmp_path):
    for step in range(1, 60, 1 if EXHAUSTIVE else 4):
        home = tmp_path / str(step)
        line = [sys.executable, "-c", KILLED, str(step), str(home)]
        code = subprocess.run(line, check=False, env={**os.environ, "HOME": str(tmp_path)}).returncode
        if code == 0:
            break
        assert code == -signal.SIGKILL
        if founding.is_unfinished(home) or not (home / "settings.toml").exists():
            founding.found(home, founding.Founding("ada"), WORDS, NOW)
            founding.finish(home)
        with opened(home) as register, register.read() as session:
            assert session.query(AuditEvent).count() == 1
        assert server_keys.server_public(home, "kit")
    assert 8 < step < 57


def test_trial_has_everything_in_one_place_and_says_so(tmp_path):
    home = tmp_path / "home"
    made = init(home, "--trial", "--person", "rita", "--product", "shop", "--json").document
    trust = Trust.parse(Path(made["trust"]).read_bytes())
    assert trust.trial and trust.product == "shop"
    published = read_published(Store.at(str(home / "channel")))
    assert set(published.targets) == {"status/policies/shop.json", "status/recalls/shop.json"}
    assert published.versions.kit_root == 1
    with opened(home) as register, register.read() as session:
        assert register.settings.trial
        assert {person.id for person in session.query(Person)} == {"rita", "bob", "ada", "ben"}
    environment = {"PATCHLINE_KEYS": str(home / "trial"), "PATCHLINE_HOME": str(home)}
    listed = run("patchline", "key", "list", "--json", environment=environment).document
    assert len(listed) == 7
    papers = ("--root", home / "trial/root.json", "--policy", home / "trial/policy.json")
    run("patchline", "trust", "file", *papers, "--out", tmp_path / "another.trust", environment=environment)
    assert Trust.parse((tmp_path / "another.trust").read_bytes()).trial
    run("patchline", "trust", "file", *papers, "--out", tmp_path / "elsewhere.trust")
    assert not Trust.parse((tmp_path / "elsewhere.trust").read_bytes()).trial
    assert init(home, "--trial", "--person", "rita", "--json", expect=12).document["error"] == "refused.home-exists"


def test_trial_that_was_broken_off_is_finished(tmp_path, monkeypatch):
    home = tmp_path / "home"
    for step in ("make_targets", "take_in", "follow"):
        with monkeypatch.context() as broken:
            module = {"make_targets": ceremony, "take_in": channel_roots, "follow": publishing}[step]
            broken.setattr(module, step, lambda *_, **__: 1 / 0)
            init(home, "--trial", "--person", "rita", expect=1)
        assert founding.is_unfinished(home)
    init(home, "--trial", "--person", "rita")
    assert not founding.is_unfinished(home)
    run("patchline", "channel", "renew", "--home", home, "--as", "rita", passphrase="words")


def test_every_command_of_the_ceremony_exists():
    for step in offline_ceremony.steps():
        for command in step.commands:
            assert wrong(command) is None, command


def test_ceremony_as_it_is_printed_begins_a_channel_with_a_product(tmp_path):
    made = init(tmp_path / "home", "--person", "rita", "--json").document
    desk = tmp_path / "desk"
    desk.mkdir()
    for name in ("online", "kit"):
        shutil.copy(tmp_path / f"home/keys/{name}.pem", desk)
    for step in made["ceremony"]:
        for holder in ("offline-1", "offline-2") if "sign" in step["commands"][0] else ("offline-1",):
            for command in step["commands"]:
                typed(command.replace("offline-1", holder) if "sign" in command else command, desk, tmp_path / "home")
    trust = Trust.parse((desk / "shop.trust").read_bytes())
    assert (trust.product, trust.trial, trust.channel) == ("shop", False, "https://hotfixes.example.com")
    published = read_published(Store.at(str(tmp_path / "home/channel")))
    assert "status/policies/shop.json" in published.targets and published.versions.kit_root == 1


def typed(command, desk, home):
    """Run a command of the ceremony, with what people fill in."""
    words = command.replace("PRODUCT", "shop").replace("URL", "https://hotfixes.example.com").split()
    told = words.index(">") if ">" in words else len(words)
    program, *line = words[:told]
    if line[:2] == ["trust", "sign"]:
        line += [word for key in new_keys(desk / line[2], line[-1]) for word in ("--fingerprint", key.fingerprint)]
    environment = {"PATCHLINE_HOME": str(home), "PATCHLINE_PERSON": "rita", "PATCHLINE_KEYS": str(desk)}
    done = run(program, *line, cwd=desk, environment=environment, passphrase="words")
    if told < len(words):
        (desk / words[-1]).write_text(done.out)


def new_keys(document, holder):
    """The keys whose fingerprints somebody must have heard before they sign."""
    found, own = read_trust_file(document), read_sealed(document.parent / f"{holder}.key").public
    known = confirmations._read(document.parent / confirmations.FILE)
    return {use.public for use in trust_command._uses(found) if use.line not in known and use.public != own}
