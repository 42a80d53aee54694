"""Write the pages that follow from the code: `make docs`; `--check` tells whether they are up to date."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from patchline.patches.errors import PatchlineError
from patchline.patches.site.commands import patchline_site
from patchline.releaser.commands.main import patchline
from patchline.releaser.loans.states import LOAN_TABLE, LoanTransition
from patchline.releaser.settings import Settings
from patchline.releaser.states import TABLE, Transition

DOCS = Path(__file__).parent

START = """\
# Errors

Every error has a stable code: it stands in the output of `--json` as `error`, and scripts may rely on it.
The exit code is its family's; treat one that is not listed here as failure.

| exit code | meaning |
|---|---|
| 0 | done |
| 3 | verified, but against another trust file than the site's |
| 129, 130, 143 | stopped in order by a lost terminal, SIGINT, SIGTERM |
| 141 | whoever read the output has stopped reading |
"""


def families(family: type[PatchlineError] = PatchlineError) -> Iterator[type[PatchlineError]]:
    """Yield each family before those that belong to it."""
    yield family
    for child in family.__subclasses__():
        yield from families(child)


def errors_page() -> str:
    """Return `docs/errors.md`, made from the tables of the error families."""
    listed = sorted(families(), key=lambda family: family.exit_code)
    rows = {family.exit_code: _first_line(family) for family in reversed(listed)}
    text = START + "".join(f"| {code} | {meaning} |\n" for code, meaning in sorted(rows.items()))
    return text + "".join(_section(family) for family in listed if family.hints)


def _section(family: type[PatchlineError]) -> str:
    head = f"\n## {family.family}: {_first_line(family)}\n\nExit code {family.exit_code}, HTTP status {family.http_status}."
    rows = "".join(
        f"| `{family.family}.{code}` | {hint.replace('|', '&#124;')} |\n" for code, hint in family.hints.items()
    )
    return f"{head}\n\n| code | hint |\n|---|---|\n{rows}"


def _first_line(family: type[PatchlineError]) -> str:
    text = (family.__doc__ or "").splitlines()[0].rstrip(".")
    return text[0].lower() + text[1:]


COMMANDS = """\
# Commands

What `--help` says. Every command that reports has `--json`: one document on stdout, errors too.
"""


def commands_page() -> str:
    """Return `docs/commands.md`, made from the help of every command of both programs."""
    return COMMANDS + "".join(_help(program, None) for program in (patchline, patchline_site))


def _help(command: click.Command, parent: click.Context | None) -> str:
    context = click.Context(command, parent, command.name, terminal_width=100, color=False)
    level = "##" if parent is None else "###"
    text = f"\n{level} {context.command_path}\n\n```\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        found = (command.get_command(context, name) for name in command.list_commands(context))
        text += "".join(_help(below, context) for below in found if below is not None)
    return text


STATES = """\
# The life of a revision

Made from the one table that every step asks (`releaser/states.py`). The database refuses every other change of state.
"Superseded" is no state: it follows from the relations of what was published later.

| action | from | to | who | what must hold | what is recorded, beside the step and its audit event |
|---|---|---|---|---|---|
"""


def states_page() -> str:
    """Return `docs/states.md`, made from the transition table."""
    return STATES + "".join(_row(row) for row in TABLE) + LOANS + "".join(_loan_row(row) for row in LOAN_TABLE)


def _row(row: Transition) -> str:
    who = ", ".join(sorted(row.roles)) or "anybody the register knows"
    return f"| {row.action} | {row.before or ''} | {row.after} | {who} | {row.holds} | {row.records} |\n"


LOANS = """
## The life of a loan

Made from the table that every step of a loan asks (`releaser/loans/states.py`). Due soon and overdue follow from the clock;
the database refuses every other change of those that it stores, and two loans of one setup at the same time.

| action | from | to | who | what must hold | what is recorded, beside its event and the audit event |
|---|---|---|---|---|---|
"""


def _loan_row(row: LoanTransition) -> str:
    return f"| {row.action} | {row.before} | {row.after} | {row.who} | {row.holds} | {row.records} |\n"


SETTINGS = """\
# Settings

A vendor's home has a file `settings.toml`, which `patchline init` writes; every setting has a default. A variable of the
environment overrules it, as in `PATCHLINE_CHANNEL_URL=https://hotfixes.example.com`. A setting that does not exist is refused.

| setting | environment | meaning |
|---|---|---|
"""


def settings_page() -> str:
    """Return `docs/settings.md`, made from the settings."""
    prefix = Settings.model_config["env_prefix"]
    fields = Settings.model_fields.items()
    return SETTINGS + "".join(
        f"| `{name}` | `{prefix}{name.upper()}` | {field.description} |\n" for name, field in fields
    )


PAGES = {
    "errors.md": errors_page,
    "commands.md": commands_page,
    "states.md": states_page,
    "settings.md": settings_page,
}


def main() -> int:
    """Write the pages, or with `--check` only compare them."""
    if "--check" in sys.argv[1:]:
        return 0 if all((DOCS / name).read_text() == page() for name, page in PAGES.items()) else 1
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
