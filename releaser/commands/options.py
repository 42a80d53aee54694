"""What the commands on a register share: which home, who acts, what time it is."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from patchline.patches.errors import UsageError
from patchline.releaser.home import home_folder
from patchline.releaser.register import Change, Register, opened

Command = TypeVar("Command", bound=Callable[..., Any])

_HOME, _PERSON = "patchline.home", "patchline.person"


def register_options(command: Command) -> Command:
    """Add `--home` and `--as`, which `the_register` and `change` obey; the command takes no parameter for them."""
    command = _remembered(_PERSON, "--as", "PERSON", "Who acts; default: PATCHLINE_PERSON.")(command)
    return home_option(command)


def home_option(command: Command) -> Command:
    """Add `--home` alone, for commands that act for nobody."""
    return _remembered(_HOME, "--home", "DIR", "Home of the register; default: PATCHLINE_HOME.")(command)


def _remembered(key: str, name: str, metavar: str, explained: str) -> Callable[[Command], Command]:
    def remember(ctx: click.Context, parameter: click.Parameter, given: str | None) -> None:
        ctx.meta[key] = given

    return click.option(name, metavar=metavar, expose_value=False, callback=remember, help=explained)


def the_home() -> Path:
    """Return the folder that the options name."""
    given = click.get_current_context().meta.get(_HOME)
    return Path(given).absolute() if given else home_folder()


def the_person() -> str:
    """Return who acts.

    Raises:
        UsageError: nobody was named.
    """
    given = click.get_current_context().meta.get(_PERSON) or os.environ.get("PATCHLINE_PERSON")
    if not given:
        raise UsageError("person", "nobody says who acts")
    return str(given)


@contextmanager
def the_register() -> Iterator[Register]:
    """Open the register that the options name."""
    with opened(the_home()) as register:
        yield register


@contextmanager
def change() -> Iterator[Change]:
    """Open the register and yield a change by the person whom the options name."""
    with the_register() as register, register.change(the_person(), clock()) as changing:
        yield changing


@contextmanager
def attempt(action: str, subject: str) -> Iterator[Change]:
    """Yield a change as `change` does; when a rule refuses it, that is an event too."""
    with the_register() as register, register.attempt(action, subject, the_person(), clock()) as changing:
        yield changing


def clock() -> datetime:
    """Return the time now: the only place of the register's commands that asks."""
    return datetime.now(UTC)


def read_day(ctx: click.Context, parameter: click.Parameter, given: str | None) -> datetime | None:
    """Return the beginning of a day in UTC, as an option's callback.

    Raises:
        UsageError: it is none.
    """
    if given is None:
        return None
    try:
        day = date.fromisoformat(given)
    except ValueError:
        raise UsageError("date", f"{given[:80]!r} is no date such as 2027-01-31") from None
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


MOST_ROWS = 1000
Row = TypeVar("Row")


def page_options(metavar: str) -> Callable[[Command], Command]:
    """Add `--limit` and `--after`, by which a list is read page by page."""

    def add(command: Command) -> Command:
        after = click.option("--after", metavar=metavar, help="Go on after this one.")
        most = click.IntRange(1, MOST_ROWS)
        return click.option("--limit", type=most, default=50, show_default=True, help="At most so many.")(
            after(command)
        )

    return add


def paged(rows: Sequence[Row], limit: int, key: Callable[[Row], Any]) -> tuple[Sequence[Row], str | None]:
    """Return a page of rows of which one more than the limit was asked for, and after which the next page begins."""
    shown = rows[:limit]
    return shown, str(key(shown[-1])) if len(rows) > limit else None


def page_text(lines: Sequence[str], after: str | None, nothing: str) -> str:
    """Return the lines of a page, with how the next one is asked for."""
    return "\n".join([*lines, *([f"more: --after {after}"] if after else [])]) or nothing


def read_moment(written: str) -> datetime:
    """Read `2026-03-01`, or that with a time; what names no time zone is in UTC.

    Raises:
        UsageError: it is none.
    """
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        raise UsageError("date", f"{written!r} is no date") from None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
