"""All rows of a database as lines of JSON, and back: the same lines from SQLite and PostgreSQL, of any schema.

A table is a line `{"table", "columns"}`, followed by a list for each row. Bytes are `{"b": base64}`, moments `{"t": …}`
in UTC; columns of JSON are the text that stands in the database. Tables come in the order in which they refer to each
other. The tables are read from the database itself, so a copy can be of a schema that the models have left behind.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, BinaryIO

from sqlalchemy import JSON, Column, Connection, DateTime, Integer, MetaData, Table, Text, cast, func, select, text

from patchline.patches.errors import BackupError
from patchline.patches.progress import watch

_SCHEMA = "alembic_version"
_BATCH = 500
_LONGEST_LINE = 1 << 30


def copy_out(connection: Connection, out: BinaryIO) -> dict[str, int]:
    """Write all rows; return how many by table.

    Args:
        connection: in a transaction that sees one state.
        out: gets the lines.
    """
    counts = {}
    tables = _tables(connection)
    watch().tell("saving the database", sum(_count(connection, table) for table in tables), "items")
    for table in tables:
        columns = list(table.columns)
        _put(out, {"table": table.name, "columns": [column.name for column in columns]})
        query = select(*[cast(column, Text) if _is_json(column) else column for column in columns])
        counts[table.name] = 0
        found = connection.execute(query.order_by(*table.primary_key), execution_options={"yield_per": _BATCH})
        for part in found.partitions():
            for row in part:
                _put(out, [_written(value) for value in row])
            counts[table.name] += len(part)
            watch().advance(len(part))
    return counts


def copy_in(connection: Connection, lines: BinaryIO) -> dict[str, int]:
    """Add all rows to empty tables; return how many by table. What guards the tables is off meanwhile.

    Raises:
        BackupError: the lines are no copy of these tables.
    """
    tables = {table.name: table for table in _tables(connection)}
    counts = dict.fromkeys(tables, 0)
    with unguarded(connection, list(tables.values())):
        for table, rows in _batches(lines, tables):
            counts[table.name] += len(rows)
            if rows:
                _insert(connection, table, rows)
            watch().advance(len(rows))
        for table in tables.values():
            _go_on_counting(connection, table)
    return counts


def _tables(connection: Connection) -> list[Table]:
    metadata = MetaData()
    metadata.reflect(connection)
    return [table for table in metadata.sorted_tables if table.name != _SCHEMA]


def _count(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _is_json(column: Column[Any]) -> bool:
    return isinstance(column.type, JSON)


def _put(out: BinaryIO, line: Any) -> None:
    out.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n")


def _written(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return {"b": base64.b64encode(value).decode()}
    if isinstance(value, datetime):
        moment = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        return {"t": moment.isoformat()}
    return value


def _read(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if set(value) == {"b"}:
        return base64.b64decode(value["b"], validate=True)
    return datetime.fromisoformat(value["t"]).astimezone(UTC)


def _batches(lines: BinaryIO, tables: Mapping[str, Table]) -> Iterator[tuple[Table, list[dict[str, Any]]]]:
    """Yield rows by column, some at a time, with their table."""
    table: Table | None = None
    columns: list[str] = []
    rows: list[dict[str, Any]] = []
    left = set(tables)
    try:
        while line := lines.readline(_LONGEST_LINE):
            found = json.loads(line)
            if isinstance(found, dict):
                if table is not None:
                    yield table, rows
                table, columns, rows = tables[found["table"]], found["columns"], []
                left.remove(table.name)
                if {column.name for column in table.columns} != set(columns):
                    raise BackupError("tables", f"the backup's table {table.name} has other columns")
                continue
            if table is None:
                raise BackupError("tables", "the backup's database begins with no table")
            rows.append(dict(zip(columns, map(_read, found), strict=True)))
            if len(rows) == _BATCH:
                yield table, rows
                rows = []
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BackupError("tables", f"the backup's database cannot be read: {error}") from None
    if table is not None:
        yield table, rows
    if left:
        raise BackupError("tables", f"the backup's database lacks {', '.join(sorted(left))}")


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    json_type = Text if connection.dialect.name == "sqlite" else JSON
    names = [column.name for column in table.columns]
    values = [
        f"CAST(:{name} AS JSON)" if _is_json(table.c[name]) and json_type is JSON else f":{name}" for name in names
    ]
    quoted = connection.dialect.identifier_preparer
    into = f"{quoted.quote(table.name)} ({', '.join(map(quoted.quote, names))})"
    statement = text(f"INSERT INTO {into} VALUES ({', '.join(values)})")  # noqa: S608 (names of our own tables)
    moments = [column.name for column in table.columns if isinstance(column.type, DateTime)]
    if connection.dialect.name == "sqlite":
        statement = statement.bindparams(*_typed(table, moments))
    connection.execute(statement, rows)


def _typed(table: Table, moments: list[str]) -> list[Any]:
    from sqlalchemy import bindparam

    return [bindparam(name, type_=table.c[name].type) for name in moments]


def _go_on_counting(connection: Connection, table: Table) -> None:
    """Let PostgreSQL give numbers above those that came in; SQLite does by itself."""
    keys = list(table.primary_key)
    if connection.dialect.name != "postgresql" or len(keys) != 1 or not isinstance(keys[0].type, Integer):
        return
    sequence = connection.scalar(select(func.pg_get_serial_sequence(table.name, keys[0].name)))
    if sequence is not None and (highest := connection.scalar(select(func.max(keys[0])))) is not None:
        connection.execute(select(func.setval(sequence, highest)))


@contextmanager
def unguarded(connection: Connection, tables: list[Table]) -> Iterator[None]:
    """Take the triggers away while rows come in that they would refuse, such as a revision that is published already."""
    if connection.dialect.name == "postgresql":
        for table in tables:
            connection.execute(text(f"ALTER TABLE {table.name} DISABLE TRIGGER USER"))
        yield
        for table in tables:
            connection.execute(text(f"ALTER TABLE {table.name} ENABLE TRIGGER USER"))
        return
    connection.execute(text("PRAGMA defer_foreign_keys = ON"))
    triggers = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all()
    for name, _ in triggers:
        connection.execute(text(f"DROP TRIGGER {name}"))
    yield
    for _, sql in triggers:
        connection.exec_driver_sql(sql)
