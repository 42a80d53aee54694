"""What the commands on a register share: which home, who acts, what time it is."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
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
