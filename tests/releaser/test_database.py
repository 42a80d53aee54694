import importlib
import pkgutil
import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, select, text

from patchline.patches.errors import PatchlineError
from patchline.releaser import database as database_module
from patchline.releaser import tables
from patchline.releaser.database import Database, _alembic, newest_schema, sqlite_url
from patchline.releaser.register import opened
from patchline.releaser.tables.base import Base
from patchline.releaser.tables.people import Person
from tests.filling import fill
from tests.programs import run
from tests.registers import BACKENDS, NOW, empty_database

REVISIONS = [script.revision for script in ScriptDirectory.from_config(_alembic()).walk_revisions()][::-1]


@pytest.fixture(params=BACKENDS)
def empty(request, tmp_path):
    found = Database(empty_database(request.param, tmp_path))
    yield found
    found.close()


def contents(database):
    """Every row of every table, as far as the tables have them."""
    with database.engine.connect() as connection:
        names = set(inspect(connection).get_table_names()) - {"alembic_version"}
        return {
            name: [dict(row) for row in connection.execute(text(f"SELECT * FROM {name} ORDER BY 1, 2")).mappings()]
            for name in sorted(names)
        }


def test_migrations_are_one_line_numbered_without_a_gap():
    assert REVISIONS == [f"{number:04}" for number in range(1, len(REVISIONS) + 1)]


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_data_of_every_earlier_schema_outlives_the_upgrade(revision, empty):
    empty.upgrade(revision)
    with empty.write() as session:
        fill(session.connection())
    before = contents(empty)
    with pytest.raises(PatchlineError) as refused:
        empty.check_schema()
    assert refused.value.code == "database.schema-older" and "database upgrade" in refused.value.hint
    empty.upgrade()
    empty.check_schema()
    after = contents(empty)
    for table, rows in before.items():
        kept = [
            {column: row[column] for column in old if column in row}
            for old, row in zip(rows, after[table], strict=True)
        ]
        assert kept == [{column: old[column] for column in old if column in kept[0]} for old in rows], table
        assert not rows or kept[0]


def test_migrations_make_exactly_the_tables_of_the_models(empty):
    for module in pkgutil.iter_modules(tables.__path__):
        importlib.import_module(f"{tables.__name__}.{module.name}")
    empty.upgrade()
    with empty.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_both_databases_have_the_same_triggers(tmp_path):
    found = []
    for backend in BACKENDS:
        database = Database(empty_database(backend, tmp_path))
        database.upgrade()
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        if backend == "postgresql":
            # Those of procrastinate lie in a schema of its own.
            query = (
                "SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
                "WHERE NOT tgisinternal AND relnamespace = 'public'::regnamespace"
            )
        with database.engine.connect() as connection:
            found.append(set(connection.scalars(text(query))))
        database.close()
    assert found[0] == found[1] and len(found[0]) > 10


def test_upgrade_that_fails_leaves_the_schema_as_it_was(empty, monkeypatch):
    empty.upgrade("0001")
    before = inspect(empty.engine).get_table_names()
    with empty.write() as session:
        session.execute(text("CREATE TABLE campaign (id INTEGER)"))
    with pytest.raises(Exception, match="campaign"):
        empty.upgrade()
    assert empty.schema() == "0001"
    assert set(inspect(empty.engine).get_table_names()) == {*before, "campaign"}


def test_schema_of_a_newer_patchline_stops_every_command(register):
    with register.database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for line in (["person", "list"], ["database", "upgrade"], ["audit", "verify"]):
        refused = run("patchline", *line, "--home", register.home, "--json", expect=10).document
        assert refused["error"] == "database.schema-newer" and "newer" in refused["hint"]
    told = run("patchline", "database", "status", "--home", register.home, "--json").document
    assert (told["schema"], told["error"]) == ("9999", "database.schema-newer")


def test_older_schema_is_refused_with_the_command_that_brings_it_up(tmp_path):
    (tmp_path / "settings.toml").write_text("")
    database = Database(sqlite_url(tmp_path / "register.db"))
    database.upgrade(REVISIONS[-2])
    database.close()
    refused = run("patchline", "person", "list", "--home", tmp_path, "--json", expect=10).document
    assert refused["error"] == "database.schema-older"
    assert run("patchline", "database", "upgrade", "--home", tmp_path, "--json").document["after"] == newest_schema()
    run("patchline", "person", "list", "--home", tmp_path)


def test_database_that_others_keep_writing_to_is_locked_and_nothing_is_changed(register, monkeypatch):
    monkeypatch.setattr(database_module, "_BUSY_MS", 200)
    with opened(register.home) as other, register.change("ada", NOW) as change:
        change.session.execute(text("UPDATE person SET name = 'Ada L' WHERE id = 'ada'"))
        with pytest.raises(PatchlineError) as refused, other.change("ben", NOW) as second:
            second.session.execute(text("UPDATE person SET name = 'Ada B' WHERE id = 'ada'"))
        assert refused.value.code == "locked.database"
    with register.read() as session:
        assert session.get(Person, "ada").name == "Ada L"


def test_readers_go_on_while_somebody_writes(register):
    with opened(register.home) as other, register.change("ada", NOW) as change:
        change.session.add(Person(id="dora", name="Dora", added=NOW))
        change.session.flush()
        with other.read() as session:
            assert session.get(Person, "dora") is None and session.get(Person, "ada").name == "Ada"


def test_snapshot_sees_one_state_while_others_write(register):
    count = select(Person.id)
    with register.snapshot() as session:
        before = session.scalars(count).all()
        with opened(register.home) as other, other.change("ada", NOW) as change:
            change.session.add(Person(id="dora", name="Dora", added=NOW))
        assert session.scalars(count).all() == before


@pytest.mark.parametrize("register", ["postgresql"], indirect=True)
def test_database_that_goes_away_in_mid_transaction_is_told_and_nothing_is_changed(register):
    with pytest.raises(PatchlineError) as refused, register.change("ada", NOW) as change:
        change.session.add(Person(id="dora", name="Dora", added=NOW))
        change.session.flush()
        me = change.session.scalar(text("SELECT pg_backend_pid()"))
        with register.database.engine.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:me)"), {"me": me})
        change.session.execute(text("UPDATE person SET name = 'x' WHERE id = 'dora'"))
    assert refused.value.code == "database.gone"
    with register.read() as session:
        assert session.get(Person, "dora") is None


@pytest.mark.parametrize("register", ["sqlite"], indirect=True)
def test_database_whose_file_is_gone_is_never_made_anew(register):
    register.database.close()
    (register.home / "register.db").unlink()
    for line in (["person", "list"], ["database", "upgrade"], ["database", "status"]):
        refused = run("patchline", *line, "--home", register.home, "--json", expect=10).document
        assert refused["error"] == "database.gone"
    assert not (register.home / "register.db").exists()


def test_database_that_was_never_there_is_told(tmp_path):
    for url in ("postgresql://nobody@127.0.0.1:1/none", sqlite_url(tmp_path / "missing/register.db")):
        (tmp_path / "settings.toml").write_text(f'database = "{url}"\n')
        refused = run("patchline", "person", "list", "--home", tmp_path, "--json", expect=10).document
        assert refused["error"] == "database.gone"
        assert "127.0.0.1" not in refused["message"]


def test_full_disk_is_told_and_nothing_is_changed(tmp_path):
    database = Database(sqlite_url(tmp_path / "register.db"))
    database.upgrade()
    with pytest.raises(PatchlineError) as refused, database.write() as session:
        pages = session.scalar(text("PRAGMA page_count"))
        session.execute(text(f"PRAGMA max_page_count = {pages + 4}"))
        for number in range(1000):
            session.add(Person(id=f"p{number}", name="x" * 200, added=NOW))
            session.flush()
    assert refused.value.code == "database.full"
    with database.read() as session:
        assert session.scalars(select(Person)).all() == []
    database.close()


def test_file_that_is_no_database_is_told(tmp_path):
    (tmp_path / "settings.toml").write_text("")
    (tmp_path / "register.db").write_bytes(b"rubbish " * 1000)
    refused = run("patchline", "person", "list", "--home", tmp_path, "--json", expect=10).document
    assert refused["error"] == "database.damaged"


def test_events_of_many_writers_at_once_are_all_chained_once(register):
    def write(by):
        with opened(register.home) as mine:
            for number in range(8):
                with mine.change(by, NOW) as change:
                    change.record("hotfix.new", f"{by}-{number}")

    writers = [threading.Thread(target=write, args=[by]) for by in ("ada", "bob", "ben")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    register.chain()
    found = run("patchline", "audit", "verify", "--home", register.home, "--json").document
    assert (found["count"], found["waiting"]) == (24, 0)


def test_many_threads_that_read_and_write_meanwhile_all_get_their_connections(empty):
    """Without turns, as many as there are connections hold one each, and all wait for another until they give up."""
    done, at_once, inside = [], [], []

    def work():
        with empty.read() as reading:
            inside.append(1)
            at_once.append(len(inside))
            reading.execute(text("SELECT 1"))
            with empty.write() as writing:
                writing.execute(text("SELECT 1"))
            inside.pop()
        done.append(1)

    threads = [threading.Thread(target=work) for _ in range(60)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(25)
    assert len(done) == 60 and 1 < max(at_once) <= database_module._AT_ONCE


def test_whoever_gets_no_turn_is_told_so(empty, monkeypatch):
    monkeypatch.setattr(database_module, "_BUSY_MS", 50)
    held = [empty.read() for _ in range(database_module._AT_ONCE)]
    opened_by_threads = [threading.Thread(target=one.__enter__) for one in held]
    for one in opened_by_threads:
        one.start()
        one.join()
    with pytest.raises(PatchlineError) as caught, empty.read():
        pass
    assert caught.value.code == "locked.database"
    for one in held:
        one.__exit__(None, None, None)
    with empty.read() as session:
        assert session.scalar(text("SELECT 1")) == 1
