"""`patchline loan`: setups lent to other teams, with credentials of their own."""

import click

from patchline.patches.terminal import Lazy, LazyGroup, example

_HERE = "patchline.releaser.commands"

_COMMANDS = {
    "request": Lazy(f"{_HERE}.loan_ask", "request", "Ask for a setup, now or ahead."),
    "approve": Lazy(f"{_HERE}.loan_lend", "approve", "Lend what was asked for."),
    "open": Lazy(f"{_HERE}.loan_open", "open_command", "Open what you borrowed; it opens once."),
    "extend": Lazy(f"{_HERE}.loan_lend", "extend", "Move the date on which a loan is due."),
    "return": Lazy(f"{_HERE}.loan_lend", "return_command", "Give a setup back, and see its logins fail."),
    "cancel": Lazy(f"{_HERE}.loan_ask", "cancel", "End what was not lent yet."),
    "list": Lazy(f"{_HERE}.loan_look", "list_command", "List loans, the newest first."),
    "show": Lazy(f"{_HERE}.loan_look", "show", "Show a loan: logins, hand-over, what happened."),
}


@click.group("loan", cls=LazyGroup, table=_COMMANDS, epilog=example("patchline loan list --setup lab-1"))
def loan() -> None:
    """Borrow test setups and lend them: other credentials than the team's, until a due date, proved dead afterwards."""
