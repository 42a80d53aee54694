"""`--queue`: work that a command leaves to a worker."""

from collections.abc import Callable
from typing import TypeVar

import click

from patchline.patches.passphrases import passphrase_for
from patchline.releaser.commands.options import clock
from patchline.releaser.register import Register
from patchline.releaser.work.carrying import carry_out
from patchline.releaser.work.jobs import Workshop

Command = TypeVar("Command", bound=Callable[..., object])


def queue_option(command: Command) -> Command:
    """Add `--queue`."""
    return click.option("--queue", is_flag=True, help="Leave it to a worker; on SQLite it is done at once.")(command)


def left_to_worker(register: Register, wish: int) -> str:
    """Do what was asked for where no worker does, and say how it stands.

    Raises:
        PatchlineError: it was refused.
    """
    if not register.database.is_sqlite:
        return f"waits for a worker as job {wish}"
    end = carry_out(Workshop(register, passphrase_for), wish, clock)
    if end.error is not None:
        raise end.error
    return end.told
