"""Triggers that refuse what must never happen, in both dialects.

The message begins with `patchline: `, by which `releaser.database` knows a rule of ours.
"""

from alembic import op


def guard(table: str, event: str, name: str, rule: str, when: str | None = None) -> None:
    """Refuse an event of a table.

    Args:
        table: its name.
        event: `INSERT`, `UPDATE` or `DELETE`.
        name: of the trigger, unique in the table.
        rule: what people read.
        when: SQL over NEW and OLD that says whether it is refused, None for always.
    """
    trigger = f"{table}_{name}"
    if op.get_bind().dialect.name == "sqlite":
        condition = f"WHEN {when}" if when else ""
        op.execute(
            f"CREATE TRIGGER {trigger} BEFORE {event} ON {table} {condition} "
            f"BEGIN SELECT RAISE(ABORT, 'patchline: {rule}'); END"
        )
        return
    raising = f"RAISE EXCEPTION 'patchline: {rule}';"
    body = f"IF {when} THEN {raising} END IF;" if when else raising
    result = "OLD" if event == "DELETE" else "NEW"
    op.execute(
        f"CREATE FUNCTION {trigger}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN {result}; END $$"
    )
    op.execute(f"CREATE TRIGGER {trigger} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {trigger}()")


def only_added(table: str, rule: str) -> None:
    """Refuse that rows of a table are changed or removed."""
    guard(table, "UPDATE", "unchanged", rule)
    guard(table, "DELETE", "kept", rule)
