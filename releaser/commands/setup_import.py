"""`patchline setup import`: passwords of a wiki into Vault."""

from pathlib import Path
from typing import Any

import click

from patchline.patches.errors import ProblemsError, StateError
from patchline.patches.files import read_file
from patchline.patches.progress import progress
from patchline.patches.terminal import example, json_option, json_wanted, note, report
from patchline.patches.wording import counted
from patchline.releaser.commands.options import clock, register_options, the_person, the_register
from patchline.releaser.commands.setup_secrets import team_secrets
from patchline.releaser.setups.importing import MOST_BYTES, Import, Taken


@click.command(
    "import",
    epilog=example(
        "patchline setup import wiki.csv",
        "",
        "setup,team,endpoint,kind,address,username,password,source",
        "lab-1,platform,db,database,postgresql://lab-1.example/shop,shop,…,https://wiki.example/lab-1",
    ),
)
@click.argument("file", type=click.Path(path_type=Path), metavar="CSV")
@register_options
@json_option
@click.pass_context
def import_command(context: click.Context, file: Path) -> None:
    """Put passwords of a table into Vault, then replace those that can be replaced from here.

    The first row names the columns: setup, endpoint, username, password; team where the site is no setup yet, kind and
    address where the endpoint is new, strategy, and source, where the password stood. What is wrong with any row is told
    at once, without what stands in it, and then nothing is taken in. The same file again changes nothing and goes on
    with what was cut off. Ends with 13 when a password could not be replaced.
    """
    data = read_file(file, limit=MOST_BYTES)
    try:
        with the_register() as register, progress("importing"):
            by, now = the_person(), clock()
            with register.refusals_told("setup.import", file.name, by, now):
                taken = Import(register, team_secrets(), by, now).take(data)
    except ProblemsError as error:
        for problem in [] if json_wanted() else error.problems[1:]:  # The first one ends the command, and is told then.
            note(problem.message)
        raise
    report(_document(taken, file), "\n".join(_lines(taken, file)))
    if taken.failed:
        context.exit(StateError.exit_code)


def _document(taken: Taken, file: Path) -> dict[str, Any]:
    failed = [{"credential": name, "error": error.code, "message": error.message} for name, error in taken.failed]
    return {**vars(taken), "failed": failed, "sources": [*taken.sources, file.name]}


def _lines(taken: Taken, file: Path) -> list[str]:
    lines = [f"{counted(len(taken.new), 'credential')} put into Vault, {len(taken.already)} there already"]
    lines += [f"replaced      {name}" for name in taken.rotated]
    lines += [f"NOT replaced  {name}: {error.message}" for name, error in taken.failed]
    lines += [f"by hand       {name}: change it there, then write it to Vault" for name in taken.by_hand]
    return lines + [f"destroy       {source}, and its earlier versions" for source in [*taken.sources, file.name]]
