import io

import pytest
from sqlalchemy import create_engine, inspect, text

from patchline.patches.errors import BackupError
from patchline.releaser import table_copy
from patchline.releaser.database import Database
from tests.filling import fill
from tests.registers import BACKENDS, migrated_database


@pytest.fixture
def database(tmp_path):
    made = []

    def new(backend, name):
        (tmp_path / name).mkdir()
        made.append(Database(migrated_database(backend, tmp_path / name)))
        return made[-1]

    yield new
    for one in made:
        one.close()


def copy(database):
    out = io.BytesIO()
    with database.snapshot() as session:
        counts = table_copy.copy_out(session.connection(), out)
    return out.getvalue(), counts


@pytest.mark.parametrize("target", BACKENDS)
@pytest.mark.parametrize("source", BACKENDS)
def test_every_row_of_one_database_comes_into_the_other_as_it_is(source, target, database):
    first, second = database(source, "first"), database(target, "second")
    with first.write() as session:
        assert len(fill(session.connection())) > 10
    data, counts = copy(first)
    with second.write() as session:
        assert table_copy.copy_in(session.connection(), io.BytesIO(data)) == counts
    assert copy(second)[0].splitlines() == data.splitlines()
    with second.write() as session:
        session.execute(text("INSERT INTO audit_outbox (body) VALUES (:body)"), {"body": b"x"})


def test_triggers_guard_again_afterwards(database):
    first = database("sqlite", "first")
    before = triggers(first)
    with first.write() as session:
        table_copy.copy_in(session.connection(), io.BytesIO(copy(first)[0]))
    assert triggers(first) == before and len(before) > 5


def triggers(database):
    with create_engine(database.engine.url).connect() as connection:
        return sorted(connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all())


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.replace(b'"person"', b'"persons"', 1),
        lambda data: data.replace(b'"disabled"', b'"enabled"', 1),
        lambda data: data.split(b"\n", 1)[1],
        lambda data: data[: len(data) // 2],
        lambda data: b"[1,2]\n" + data,
        lambda data: b"[" * 100_000,
        lambda data: data.replace(b'{"t":', b'{"x":', 1),
    ],
)
def test_lines_that_are_no_copy_are_refused_and_leave_nothing(damage, database):
    first, second = database("sqlite", "first"), database("sqlite", "second")
    with first.write() as session:
        fill(session.connection())
    data = damage(copy(first)[0])
    with pytest.raises(BackupError), second.write() as session:
        table_copy.copy_in(session.connection(), io.BytesIO(data))
    with second.engine.connect() as connection:
        names = set(inspect(connection).get_table_names()) - {"alembic_version"}
        assert all(connection.scalar(text(f"SELECT count(*) FROM {name}")) == 0 for name in names)
