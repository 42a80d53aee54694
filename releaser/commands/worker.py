"""`patchline worker`: the jobs that wait."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from patchline.patches.passphrases import passphrase_for, passphrase_option
from patchline.patches.terminal import example, json_option, note, report
from patchline.patches.wording import counted
from patchline.releaser.commands.options import clock, home_option, the_register
from patchline.releaser.register import Register
from patchline.releaser.vault_access import vault_connection
from patchline.releaser.work.jobs import Workshop
from patchline.releaser.work.wishes import count_open
from patchline.releaser.work.working import Worker

if TYPE_CHECKING:
    from patchline.releaser.loans.cases import Hands


@click.command(epilog=example("patchline worker", "patchline worker --once", "patchline worker --broker"))
@click.option("--once", is_flag=True, help="Do what waits, and end.")
@click.option("--jobs", type=click.IntRange(1, 16), default=1, show_default=True, help="So many at the same time.")
@click.option("--broker", is_flag=True, help="Lend and take back setups, by the broker's own login to Vault.")
@home_option
@passphrase_option
@json_option
def worker(*, once: bool, jobs: int, broker: bool) -> None:
    """Do the jobs that wait, such as simulations and publications, until told to stop.

    It needs a register on PostgreSQL; on SQLite, jobs are done at once, and --once finishes what was cut off. Any
    number of workers may run. SIGTERM lets one end what it is at.

    With --broker it does nothing but what Vault is needed for: it makes the logins of loans and ends them, reminds,
    takes back what is overdue, tries again what could not be proved, and sweeps up what no loan holds.
    """
    context = click.get_current_context()

    def asked(name: str, **more: Any) -> bytes:
        # Jobs run in threads of their own, that know nothing of the command line.
        with context.scope(cleanup=False):
            return passphrase_for(name, **more)

    with the_register() as register:
        hands = _broker(register) if broker else None
        rounds = _rounds(hands) if hands is not None else None
        working = Worker(Workshop(register, asked, hands), clock, note, rounds)
        working.work(once=once, at_once=jobs)
        with register.read() as session:
            waiting = count_open(session)
    told = f"{counted(working.done, 'job')} done, {working.refused} refused, {waiting} waiting"
    report({"done": working.done, "refused": working.refused, "waiting": waiting}, told)


def _broker(register: Register) -> "Hands":
    from patchline.releaser.loans.cases import Hands
    from patchline.vault.loans import LoanVault

    return Hands(register, LoanVault(vault_connection(register.home)), clock)


def _rounds(hands: "Hands") -> Callable[[], None]:
    from patchline.releaser.loans.brokering import Rounds

    rounds = Rounds(hands)

    def make() -> None:
        for told in rounds.make():
            note(told)

    return make
