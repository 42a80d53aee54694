"""What the commands of `patchline-site` share: which site, what time it is, and telling of progress."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from patchline.patches.errors import UsageError
from patchline.patches.progress import watch
from patchline.patches.site import state
from patchline.patches.site.changing import Context
from patchline.patches.site.disk import Disk
from patchline.patches.site.state import Site

Command = TypeVar("Command", bound=Callable[..., Any])
EXISTING = click.Path(path_type=Path)


def site_options(command: Command) -> Command:
    """Add `--root` and `--state`, by which every command finds its site."""
    command = click.option(
        "--state", "state_folder", type=EXISTING, envvar="PATCHLINE_STATE", help="State folder of the site."
    )(command)
    return click.option("--root", type=EXISTING, help="A root of the site; default: the nearest one upwards.")(command)


def stale_option(command: Command) -> Command:
    """Add `--accept-stale-until`."""
    return click.option(
        "--accept-stale-until",
        "stale",
        metavar="DATE",
        callback=_read_date,
        help="Go on although the trust has expired, until DATE (YYYY-MM-DD); recorded.",
    )(command)


def _read_date(ctx: click.Context, parameter: click.Parameter, given: str | None) -> datetime | None:
    if given is None:
        return None
    try:
        day = date.fromisoformat(given)
    except ValueError:
        raise UsageError("date", f"{given!r} is no date such as 2027-01-31") from None
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@contextmanager
def the_site(root: Path | None, state_folder: Path | None) -> Iterator[Site]:
    """Open the site that the options name."""
    with state.opened(root, state_folder, Disk()) as site:
        yield site


def clock() -> datetime:
    """Return the time now: the only place of the program that asks."""
    return datetime.now(UTC)


def context() -> Context:
    """Return the time, and who hears of progress."""
    return Context(clock(), watch().tell)
