"""`--queue`: work that a command leaves to a worker."""

from collections.abc import Callable
from typing import TypeVar

import click

from patchline.patches.passphrases import passphrase_for
from patchline.releaser.commands.options import clock
from patchline.releaser.register import Register
from patchline.releaser.work import carrying
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
    return carrying.left_to_worker(Workshop(register, passphrase_for), wish, clock)
