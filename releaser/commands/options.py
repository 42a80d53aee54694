"""What the commands on a register share: which home, who acts, what time it is."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from patchline.patches.errors import UsageError
from patchline.releaser.home import home_folder
from patchline.releaser.moments import moment_to_come
from patchline.releaser.register import Change, Register, opened

Command = TypeVar("Command", bound=Callable[..., Any])

_HOME, _PERSON, _PLACE = "patchline.home", "patchline.person", "patchline.place"
_SERVER, _TOKEN_FILE = "patchline.server", "patchline.token-file"


@dataclass(frozen=True)
class Place:
    """Where a command works that was asked for from afar, for whom, and by which clock."""

    register: Register
    person: str
    clock: Callable[[], datetime]


def placed(context: click.Context, place: Place) -> None:
    """Have commands below a context work there, whatever else says where and for whom."""
    context.meta[_PLACE] = place


def _place() -> Place | None:
    context = click.get_current_context(silent=True)
    found = context.meta.get(_PLACE) if context else None
    return found if isinstance(found, Place) else None


def register_options(command: Command) -> Command:
    """Add `--home` and `--as`, which `the_register` and `change` obey; the command takes no parameter for them."""
    command = _remembered(_PERSON, "--as", "PERSON", "Who acts; default: PATCHLINE_PERSON.")(command)
    return home_option(command)


def home_option(command: Command) -> Command:
    """Add `--home` and `--server` alone, for commands that act for nobody."""
    token = "File with the token for the server, readable for its owner alone; default: PATCHLINE_TOKEN."  # noqa: S105
    command = _remembered(_TOKEN_FILE, "--token-file", "FILE", token)(_here_or_there(command))
    server = "Ask this server instead of a register on this machine; default: PATCHLINE_SERVER."
    command = _remembered(_SERVER, "--server", "URL", server)(command)
    return _remembered(_HOME, "--home", "DIR", "Home of the register; default: PATCHLINE_HOME.")(command)


def _here_or_there(command: Command) -> Command:
    """Let a command run here, or ask a server for it."""

    @wraps(command)
    def chosen(*given: Any, **named: Any) -> Any:
        if (server := _server()) is None:
            return command(*given, **named)
        from patchline.releaser.remote.calling import call  # Whoever works on a register here need not wait for it.

        meta = click.get_current_context().meta
        return call(server, meta.get(_TOKEN_FILE))

    return chosen  # type: ignore[return-value]  # it takes what the command takes


def _server() -> str | None:
    """Return the server that is to be asked; a home that is named, or a server's own work, needs none.

    Raises:
        UsageError: both a server and a home are named.
    """
    meta = click.get_current_context().meta
    given, home = meta.get(_SERVER), meta.get(_HOME)
    if given and home:
        raise UsageError("options", "--server and --home name two places")
    if _place() is not None or home:
        return None
    found = given or os.environ.get("PATCHLINE_SERVER")
    return str(found) if found else None


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
    if (place := _place()) is not None:
        return place.person
    given = click.get_current_context().meta.get(_PERSON) or os.environ.get("PATCHLINE_PERSON")
    if not given:
        raise UsageError("person", "nobody says who acts")
    return str(given)


@contextmanager
def the_register() -> Iterator[Register]:
    """Open the register that the options name, or work on the one that is open."""
    if (place := _place()) is not None:
        yield place.register
        return
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
    place = _place()
    return place.clock() if place is not None else datetime.now(UTC)


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
    return moment_to_come(written)
