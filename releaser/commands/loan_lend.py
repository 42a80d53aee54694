"""`patchline loan approve`, `extend` and `return`: written down, then done by the broker or by one's own login to Vault."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from patchline.patches.errors import UsageError, VaultError
from patchline.patches.terminal import example, json_option, note, report
from patchline.releaser.commands.loan_look import whole_text
from patchline.releaser.commands.options import clock, read_moment, register_options, the_person, the_register
from patchline.releaser.loans import asking, handing, lending, looking
from patchline.releaser.loans.brokered import ask_vault, leave
from patchline.releaser.loans.caring import look_after_held
from patchline.releaser.loans.cases import Hands
from patchline.releaser.loans.documents import whole_document
from patchline.releaser.loans.holding import held
from patchline.releaser.loans.looking import Seen
from patchline.releaser.loans.states import LoanState
from patchline.releaser.register import Change, Register
from patchline.releaser.vault_access import vault_connection

_DONE = click.option("--done", "done", multiple=True, metavar="ENDPOINT=TEXT", help="What you did by hand; several.")
_QUEUE = click.option("--queue", is_flag=True, help="Leave it to the broker; on PostgreSQL it always is, where it may.")


@click.command(epilog=example("patchline loan approve l7k3m9qz", "patchline loan approve l7k3m9qz --queue"))
@click.argument("identifier", metavar="ID")
@_DONE
@click.option("--again", is_flag=True, help="Hand over anew what you lent, since it was never opened.")
@_QUEUE
@register_options
@json_option
def approve(identifier: str, done: tuple[str, ...], *, again: bool, queue: bool) -> None:
    """Lend what was asked for. With your own login to Vault it prints what the borrower opens, once, in 15 minutes.

    A sensitive setup, or one with a shared account, takes your own login. Anything else the broker lends, and the
    borrower asks for it with loan open.
    """
    with the_register() as register:
        ask_vault(register)
        by = the_person()
        with _doing(register, "loan.approve", identifier, queue=queue) as act:
            if not again:
                act(lambda change: lending.approve(change, identifier, _told(done), own=act.own is not None))
        with register.read() as session:
            seen = looking.the_loan(session, identifier)
        lent_here = act.here and seen.loan.state == LoanState.ON_LOAN
        token = _hand_over(register, seen, by) if again or lent_here else None
        _report(register, identifier, token)


def _told(done: tuple[str, ...]) -> dict[str, str]:
    told = {}
    for text in done:
        endpoint, equal, what = text.partition("=")
        if not equal:
            raise UsageError("loan-done", f"{text[:80]!r} is not ENDPOINT=TEXT")
        told[endpoint] = what
    return told


class _Act:
    """Writes a wish of a person's down, and does it here or leaves it to the broker."""

    def __init__(self, register: Register, action: str, identifier: str, *, queue: bool) -> None:
        self._register, self._action, self._identifier = register, action, identifier
        self.here, self.own = False, None if queue else _own_login(register)

    def __call__(self, ask: Callable[[Change], Seen]) -> None:
        by, now = the_person(), clock()
        with self._register.attempt(self._action, self._identifier, by, now) as change:
            loan = ask(change).loan
            self.here = self.own is not None and (self._register.database.is_sqlite or loan.with_login)
            if not self.here:
                leave(change, loan)
        if self.here and self.own is not None:
            try:
                note(f"loan {self._identifier} {look_after_held(self.own, self._identifier)}")
            finally:
                self._register.chain()


@contextmanager
def _doing(register: Register, action: str, identifier: str, *, queue: bool) -> Iterator[_Act]:
    """Hold a loan from before it is asked for, so that the broker does not come between."""
    with held(register, asking.check_id(identifier)):
        yield _Act(register, action, identifier, queue=queue)


def _own_login(register: Register) -> Hands | None:
    """Return hands that work by the person's own login to Vault; None where they have none."""
    from patchline.vault.loans import LoanVault

    try:
        return Hands(register, LoanVault(vault_connection(register.home)), clock, own=True)
    except VaultError as error:
        if error.code in ("vault.no-login", "vault.address"):
            return None
        raise


def _hand_over(register: Register, seen: Seen, by: str) -> str:
    own = _own_login(register)
    if own is None:
        raise VaultError("no-login", f"loan {seen.loan.id} is handed over by your own login")
    with register.attempt("loan.approve", seen.loan.id, by, clock()) as change:
        row = handing.ask(change, seen.loan.id, None)
    return handing.make_now(own, seen, row)


def _report(register: Register, identifier: str, token: str | None = None) -> None:
    now = clock()
    with register.read() as session:
        seen = looking.the_loan(session, identifier)
        document, text = whole_document(seen, now), whole_text(seen, now)
    if token is not None:
        document["wrapped"] = token
        text += f"\nfor {seen.loan.borrower}, once, within 15 minutes: patchline loan open {identifier} --wrapped -\n{token}"
    report(document, text)


@click.command(epilog=example("patchline loan extend l7k3m9qz --until 2027-02-12"))
@click.argument("identifier", metavar="ID")
@click.option("--until", "due", required=True, metavar="MOMENT", help="When it is due then.")
@_QUEUE
@register_options
@json_option
def extend(identifier: str, due: str, *, queue: bool) -> None:
    """Move the date on which a loan is due, as far as nobody has booked the setup, and within a month."""
    with the_register() as register:
        ask_vault(register)
        with _doing(register, "loan.extend", identifier, queue=queue) as act:
            act(lambda change: lending.extend(change, identifier, read_moment(due)))
        _report(register, identifier)


@click.command("return", epilog=example("patchline loan return l7k3m9qz"))
@click.argument("identifier", metavar="ID")
@_DONE
@_QUEUE
@register_options
@json_option
def return_command(identifier: str, done: tuple[str, ...], *, queue: bool) -> None:
    """Give a setup back. It is over when each login of the loan was seen to fail; until then it is tried again.

    What was lent by hand, or stands in quarantine, a keeper of the setup ends by hand and says so with --done.
    """
    with the_register() as register:
        with _doing(register, "loan.return", identifier, queue=queue) as act:
            try:
                act(lambda change: asking.give_back(change, identifier, _told(done)))
            except VaultError as error:
                # It is written down, and waits for Vault.
                note(f"it waits: {error.message}")
        _report(register, identifier)
