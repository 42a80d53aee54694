"""Rows for every table of a database, whatever its schema: two in each, that refer to each other as they must."""

import re
from datetime import UTC, datetime, timedelta

from sqlalchemy import JSON, Boolean, DateTime, Integer, LargeBinary, MetaData, inspect

from patchline.releaser.table_copy import unguarded

START = datetime(2026, 10, 23, 12, 30, 15, 250_000, tzinfo=UTC)
KEPT_EMPTY = {"alembic_version", "audit_event", "audit_outbox", "audit_checkpoint"}
SPECIAL = {
    ("baseline", "kind"): "git",
    ("baseline", "source"): None,
    ("person", "disabled"): None,
    ("affected", "status"): "affected",
    ("hotfix", "customers"): None,
    ("rollout_stage", "kind"): "everyone",
    ("rollout_stage", "ring"): None,
    ("notice", "person"): None,
    ("token", "kind"): "person",
    ("token", "site"): None,
}
"""What the constraints of a table ask for together."""


def fill(connection, known=()):
    """Add two rows to every table that is not among the known ones; return the names of those."""
    metadata = MetaData()
    metadata.reflect(connection)
    inspector = inspect(connection)
    tables = [table for table in metadata.sorted_tables if table.name not in KEPT_EMPTY]
    made = {}
    with unguarded(connection, [table for table in metadata.sorted_tables if table.name != "alembic_version"]):
        for table in tables:
            allowed = choices(inspector, table.name)
            references = {}
            for key in table.foreign_key_constraints:
                for element in key.elements:
                    references[element.parent.name] = (element.column.table.name, element.column.name)
            if table.name in known:
                made[table.name] = [dict(row) for row in connection.execute(table.select()).mappings()]
                continue
            made[table.name] = [row(table, number, allowed, references, made) for number in range(2)]
            connection.execute(table.insert(), made[table.name])
    return [table.name for table in tables if table.name not in known]


def choices(inspector, table):
    found = {}
    for check in inspector.get_check_constraints(table):
        # `kind IN ('a', 'b')` on SQLite, `kind::text = ANY (ARRAY['a'::character varying, …])` on PostgreSQL.
        if match := re.match(r"\(*(\w+)\)?(?:::text)?\s*(?:IN|= ANY)", check["sqltext"]):
            found[match[1]] = re.findall(r"'([a-z-]+)'", check["sqltext"])
    return found


def row(table, number, allowed, references, made):
    values = {}
    for column in table.columns:
        name = column.name
        if (table.name, name) in SPECIAL:
            values[name] = SPECIAL[table.name, name]
        elif name in references and made.get(references[name][0]):
            values[name] = made[references[name][0]][number][references[name][1]]
        elif allowed.get(name):
            values[name] = allowed[name][number % len(allowed[name])]
        else:
            values[name] = plain(column, number)
    return values


def plain(column, number):
    if isinstance(column.type, JSON):
        return ["ä", {"n": number}]
    if isinstance(column.type, Boolean):
        return bool(number)
    if isinstance(column.type, DateTime):
        return START + timedelta(days=number)
    if isinstance(column.type, Integer):
        return number + 1
    if isinstance(column.type, LargeBinary):
        return b"\x00\xff%d" % number
    length = getattr(column.type, "length", None) or 80
    return f"{number}{column.name}-ü"[:length]
