"""`patchline database`: the register's schema, and what in it follows from the rest."""

import click

from patchline.patches.errors import DatabaseError
from patchline.patches.terminal import example, json_option, report
from patchline.releaser.caches import differences
from patchline.releaser.caches import rebuild as rebuild_caches
from patchline.releaser.commands.options import change, home_option, register_options, the_home, the_register
from patchline.releaser.database import Database, newest_schema
from patchline.releaser.register import opened


@click.group(epilog=example("patchline database status"))
def database() -> None:
    """Look after the register's database."""


@database.command(epilog=example("patchline database status"))
@home_option
@json_option
def status() -> None:
    """Say which schema the database has, and which one this Patchline wants."""
    with opened(the_home(), any_schema=True) as register:
        there, newest = register.database.schema(), newest_schema()
        kind = register.database.engine.dialect.name
        refused = _refusal(register.database)
    document = {"kind": kind, "schema": there, "newest": newest, "error": refused.code if refused else None}
    told = f"; {refused.hint}" if refused else ""
    report(document, f"{kind}, schema {there or 'empty'}, wanted {newest}{told}")


@database.command(epilog=example("patchline database upgrade"))
@home_option
@json_option
def upgrade() -> None:
    """Bring the schema up to the one that this Patchline wants; wholly or not at all."""
    with opened(the_home(), any_schema=True) as register:
        before = register.database.schema()
        register.database.upgrade()
        after = register.database.schema()
    report(
        {"before": before, "after": after},
        f"schema {before or 'empty'} → {after}" if before != after else f"schema {after}",
    )


@database.command(epilog=example("patchline database rebuild --check"))
@click.option("--check", is_flag=True, help="Only compare; the exit code is 10 when something differs.")
@register_options
@json_option
def rebuild(check: bool) -> None:
    """Compute anew what follows from facts, such as states and what a hotfix is found by, and mend what differs."""
    if check:
        with the_register() as register, register.read() as session:
            found = list(differences(session))
    else:
        with change() as changing:
            found = rebuild_caches(changing)
    lines = [f"{one.about}: {one.what} is {one.cached}, not {one.computed}" for one in found]
    if check and found:
        raise DatabaseError("cache", "\n".join(lines))
    report({"different": [vars(one) for one in found]}, "\n".join(lines) or "everything is what follows from the facts")


def _refusal(database: Database) -> DatabaseError | None:
    """Return why the schema will not do."""
    try:
        database.check_schema()
    except DatabaseError as error:
        return error
    return None
