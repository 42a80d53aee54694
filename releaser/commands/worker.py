"""`patchline worker`: the jobs that wait."""

from typing import Any

import click

from patchline.patches.passphrases import passphrase_for, passphrase_option
from patchline.patches.terminal import example, json_option, note, report
from patchline.patches.wording import counted
from patchline.releaser.commands.options import clock, home_option, the_register
from patchline.releaser.work.jobs import Workshop
from patchline.releaser.work.wishes import count_open
from patchline.releaser.work.working import Worker


@click.command(epilog=example("patchline worker", "patchline worker --once"))
@click.option("--once", is_flag=True, help="Do what waits, and end.")
@click.option("--jobs", type=click.IntRange(1, 16), default=1, show_default=True, help="So many at the same time.")
@home_option
@passphrase_option
@json_option
def worker(*, once: bool, jobs: int) -> None:
    """Do the jobs that wait, such as simulations and publications, until told to stop.

    It needs a register on PostgreSQL; on SQLite, jobs are done at once, and --once finishes what was cut off. Any
    number of workers may run. SIGTERM lets one end what it is at.
    """
    context = click.get_current_context()

    def asked(name: str, **more: Any) -> bytes:
        # Jobs run in threads of their own, that know nothing of the command line.
        with context.scope(cleanup=False):
            return passphrase_for(name, **more)

    with the_register() as register:
        working = Worker(Workshop(register, asked), clock, note)
        working.work(once=once, at_once=jobs)
        with register.read() as session:
            waiting = count_open(session)
    told = f"{counted(working.done, 'job')} done, {working.refused} refused, {waiting} waiting"
    report({"done": working.done, "refused": working.refused, "waiting": waiting}, told)
