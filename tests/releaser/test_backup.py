import io
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading

import pytest

from patchline.patches.errors import LinkError, PatchlineError
from patchline.patches.keys import Kind
from patchline.patches.sealed import Cost, create_sealed
from patchline.releaser import audit, backup, backup_form, server_keys, table_copy
from patchline.releaser.access import links, web_sessions
from patchline.releaser.access.web_key import web_key
from patchline.releaser.database import Database
from patchline.releaser.register import opened
from patchline.releaser.tables.access import VENDOR
from patchline.releaser.tables.audit import AuditEvent
from patchline.releaser.tables.people import Person
from tests import registers
from tests.conftest import EXHAUSTIVE
from tests.filling import fill
from tests.programs import run
from tests.registers import BACKENDS, NOW, empty_database


def make_home(backend, folder):
    """A home with cheap keys, and with rows, bundles and files in it."""
    home = registers.make_home(backend, folder / "home")
    url = (home / "settings.toml").read_text() if backend == "postgresql" else ""
    (home / "settings.toml").write_text(f'name = "Shop Ltd"\n{url}')
    (home / "keys").mkdir(mode=0o700)
    for name in server_keys.NAMES:
        create_sealed(home / f"keys/{name}.key", Kind.P256, b"words", Cost(1 << 10))
    with opened(home) as register:
        with register.database.write() as session:
            fill(session.connection(), {"person", "person_role"})
        for number in range(3):
            with register.change("ada", NOW) as change:
                change.record("hotfix.new", f"HF-2026-000{number}")
    (home / "bundles/aa").mkdir(parents=True)
    (home / "bundles/aa/one.hotfix").write_bytes(os.urandom(300_000))
    (home / "people.toml").write_text("key = 'x'\n")
    return home


def save(home, out, expect=0):
    return run("patchline", "backup", "--home", home, "--out", out, "--json", expect=expect).document


def restore(file, home, *more, expect=0):
    return run("patchline", "restore", file, "--home", home, "--as", "ada", *more, "--json", expect=expect).document


def rows(home):
    """All rows but those of the audit log."""
    out = io.BytesIO()
    with opened(home) as register, register.snapshot() as session:
        table_copy.copy_out(session.connection(), out)
    tables = out.getvalue().decode().split('{"table":')
    return [table for table in tables if not table.startswith('"audit_')]


@pytest.mark.parametrize("target", BACKENDS)
@pytest.mark.parametrize("source", BACKENDS)
def test_backup_of_either_database_is_restored_into_either(source, target, tmp_path):
    home, again = make_home(source, tmp_path), tmp_path / "again"
    saved = save(home, tmp_path / "one.backup")
    assert stat.S_IMODE((tmp_path / "one.backup").stat().st_mode) == 0o600
    url = empty_database(target, tmp_path) if target == "postgresql" else "sqlite"
    done = restore(tmp_path / "one.backup", again, "--database", url)
    assert done["database"] == target and done["audit"] == saved["audit"]
    assert rows(again) == rows(home)
    assert (again / "bundles/aa/one.hotfix").read_bytes() == (home / "bundles/aa/one.hotfix").read_bytes()
    assert (again / "people.toml").read_text() == "key = 'x'\n"
    assert server_keys.open_server_key(again, "online", lambda _: b"words")
    assert stat.S_IMODE((again / "keys/online.key").stat().st_mode) == 0o600
    with opened(again) as register:
        assert register.settings.name == "Shop Ltd"
        with register.change("ada", NOW) as change:
            change.record("person.add", "emil")


def test_restore_goes_on_with_the_audit_chain_and_says_so_in_it(tmp_path):
    home = make_home("sqlite", tmp_path)
    save(home, tmp_path / "one.backup")
    kept = tmp_path / "kept.json"
    with opened(home) as register:
        for _ in range(2):
            with register.change("ada", NOW) as change:
                change.record("hotfix.new", "HF-2026-0009")
        kept.write_bytes(register.checkpoint(NOW).as_bytes())
    restore(tmp_path / "one.backup", tmp_path / "again")
    with opened(tmp_path / "again") as register, register.read() as session:
        actions = [event.body.decode().split('"')[3] for event in session.query(AuditEvent)]
    assert actions == ["hotfix.new", "hotfix.new", "hotfix.new", "home.restore", "home.restore.losses"]
    line = ("audit", "verify", "--home", tmp_path / "again", "--json")
    assert run("patchline", *line).document["count"] == 5
    refused = run("patchline", *line, "--checkpoint", kept, expect=21).document
    assert refused["error"] == "audit.restored" and "event 4" in refused["message"] and "ada" in refused["message"]


def test_nobody_comes_in_again_by_a_session_or_link_that_was_ended_after_the_backup(tmp_path):
    home = make_home("sqlite", tmp_path)
    with opened(home) as register, register.database.write() as session:
        token = web_sessions.begin(session, VENDOR, "ada", "password", NOW)
        link = links.make(session, VENDOR, "ada", "ada", NOW).token
    save(home, tmp_path / "one.backup")
    restore(tmp_path / "one.backup", tmp_path / "again")
    with opened(tmp_path / "again") as register, register.read() as session:
        assert web_sessions.find(session, VENDOR, token, NOW) is None
        with pytest.raises(LinkError, match="newer one"):
            links.subject_of(session, VENDOR, link, NOW)


@pytest.mark.parametrize("backend", BACKENDS)
def test_backup_is_of_one_moment_while_others_write(backend, tmp_path):
    home, stop = make_home(backend, tmp_path), threading.Event()

    def write():
        with opened(home) as register:
            number = 0
            while not stop.is_set():
                number += 1
                with register.change("ada", NOW) as change:
                    change.session.add(Person(id=f"p{number}", name="P", added=NOW))
                    change.record("person.add", f"p{number}")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            save(home, tmp_path / f"{number}.backup")
    finally:
        stop.set()
        writer.join()
    for number in range(3):
        assert backup_form.check(tmp_path / f"{number}.backup").count >= 3
    url = empty_database(backend, tmp_path) if backend == "postgresql" else "sqlite"
    restore(tmp_path / "2.backup", tmp_path / "again", "--database", url)
    with opened(tmp_path / "again") as register, register.read() as session:
        persons = session.query(Person).filter(Person.id.like("p_%")).count()
        events = [row for row in audit.rows(session) if b'"person.add"' in row.body]
        waiting = audit.waiting(session)
    assert persons == len(events) + waiting > 0


def test_private_keys_of_others_and_links_are_left_out(tmp_path):
    home = make_home("sqlite", tmp_path)
    create_sealed(home / "keys/ada.key", Kind.P256, b"words", Cost(1 << 10))
    (home / "trial").mkdir()
    create_sealed(home / "trial/offline-1.key", Kind.P256, b"words", Cost(1 << 10))
    (home / "link").symlink_to("/etc/passwd")
    left = save(home, tmp_path / "one.backup")["left_out"]
    assert [one.split(":")[0] for one in left] == ["home/link", "home/keys/ada.key", "home/trial/offline-1.key"]
    names = {saved.name for saved in backup_form.check(tmp_path / "one.backup").files}
    assert "keys/online.key" in names and not {"keys/ada.key", "trial/offline-1.key", "link"} & names


def test_the_key_of_the_pages_is_not_saved_and_is_made_anew(tmp_path):
    home = make_home("sqlite", tmp_path)
    key = web_key(home)
    [left] = save(home, tmp_path / "one.backup")["left_out"]
    assert left.startswith("home/web.key: made anew") and key not in (tmp_path / "one.backup").read_bytes()
    assert "web.key" not in {saved.name for saved in backup_form.check(tmp_path / "one.backup").files}


def test_backup_that_was_changed_in_any_place_is_refused_before_anything_is_written(tmp_path):
    home, file = make_home("sqlite", tmp_path), tmp_path / "one.backup"
    save(home, file)
    data = file.read_bytes()
    step = len(data) // (200 if EXHAUSTIVE else 25)
    for place in [*range(0, len(data), step), len(data) - 1]:
        file.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert restore(file, tmp_path / "again", expect=20)["exit_code"] == 20
        file.write_bytes(data[:place])
        assert restore(file, tmp_path / "again", expect=20)["exit_code"] == 20
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "a//b", ".", "a\0b", "a/", "", 5])
def test_name_that_leaves_its_place_is_refused(name):
    with pytest.raises(PatchlineError) as refused:
        backup_form.check_name(name)
    assert refused.value.code == "backup.name"


def test_backup_in_which_an_event_was_changed_is_refused(tmp_path):
    home = make_home("sqlite", tmp_path)
    with sqlite3.connect(home / "register.db") as connection:
        connection.execute("DROP TRIGGER audit_event_unchanged")
        connection.execute("UPDATE audit_event SET body = CAST(replace(body, '0001', '0007') AS BLOB)")
    save(home, tmp_path / "one.backup")
    refused = restore(tmp_path / "one.backup", tmp_path / "again", expect=20)
    assert refused["error"] == "backup.audit" and "event 2" in refused["message"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_restore_over_something_is_refused(backend, tmp_path):
    home = make_home(backend, tmp_path)
    save(home, tmp_path / "one.backup")
    assert restore(tmp_path / "one.backup", home, expect=12)["error"] == "refused.home-exists"
    (tmp_path / "other").mkdir()
    (tmp_path / "other/mine").touch()
    assert restore(tmp_path / "one.backup", tmp_path / "other", expect=12)["error"] == "refused.home-not-empty"
    if backend == "postgresql":
        refused = restore(tmp_path / "one.backup", tmp_path / "again", expect=10)
        assert refused["error"] == "database.not-empty"


def test_restore_by_nobody_whom_the_backup_knows_is_refused(tmp_path):
    home = make_home("sqlite", tmp_path)
    save(home, tmp_path / "one.backup")
    line = ("restore", tmp_path / "one.backup", "--home", tmp_path / "again", "--as", "eve", "--json")
    assert run("patchline", *line, expect=12).document["error"] == "refused.unknown-person"
    restore(tmp_path / "one.backup", tmp_path / "again")
    assert rows(tmp_path / "again") == rows(home)


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from sqlalchemy import Engine, event
from patchline.releaser import restoring
step, seen = int(sys.argv[1]), 0
def count(name, args):
    global seen
    if name in ("os.chmod", "os.mkdir", "os.link", "os.rename", "os.remove", "sqlite3.connect"):
        seen += 1
        if seen == step:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(count)
for name in ("begin", "commit"):
    event.listen(Engine, name, lambda *_: count("os.chmod", ()))
database = sys.argv[4]
restoring.restore(restoring.Order(Path(sys.argv[2]), Path(sys.argv[3]), "ada", database), datetime.now(UTC))
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_restore_that_was_killed_at_any_step_is_finished_by_a_second_try(backend, tmp_path):
    home, file = make_home("sqlite", tmp_path), tmp_path / "one.backup"
    save(home, file)
    wanted = rows(home)
    for step in range(1, 400, 1 if EXHAUSTIVE else 13):
        again = tmp_path / f"{step}"
        (tmp_path / f"{step}.d").mkdir()
        url = empty_database(backend, tmp_path / f"{step}.d") if backend == "postgresql" else "sqlite"
        line = [sys.executable, "-c", KILLED, str(step), str(file), str(again), url]
        code = subprocess.run(line, check=False, env={**os.environ, "HOME": str(tmp_path)}).returncode
        if code == 0:
            break
        assert code == -signal.SIGKILL
        if not (again / "settings.toml").exists() or (again / "restore.unfinished").exists():
            restore(file, again, "--database", url)
        assert rows(again) == wanted
        with opened(again) as register, register.read() as session:
            actions = [event.body.decode().split('"')[3] for event in session.query(AuditEvent)]
        assert actions[3:] == ["home.restore", "home.restore.losses"]
        assert not [path for path in again.iterdir() if path.name.startswith((".restore", "restore"))]
    assert 10 < step < 390


@pytest.mark.parametrize("backend", BACKENDS)
def test_backup_with_an_older_schema_is_restored_into_the_newest(backend, tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    url = empty_database(backend, home)
    (home / "settings.toml").write_text(f'database = "{url}"\n')
    database = Database(url)
    database.upgrade("0003")
    with database.write() as session:
        fill(session.connection())
    with opened(home, any_schema=True) as register:
        backup.save(register, tmp_path / "old.backup", NOW)
    database.close()
    again = empty_database(backend, tmp_path) if backend == "postgresql" else "sqlite"
    line = ("restore", tmp_path / "old.backup", "--home", tmp_path / "again", "--as", "0id-ü", "--database", again)
    assert run("patchline", *line, "--json").document["schema"] == "0003"
    with opened(tmp_path / "again") as register, register.read() as session:
        assert session.query(AuditEvent).count() == 2
