"""What is left to the broker: wishes of people that have no login to Vault at hand, as pages never have."""

from collections.abc import Mapping
from datetime import datetime

from patchline.patches.errors import VaultError
from patchline.releaser.loans import asking, lending
from patchline.releaser.loans.looking import Seen
from patchline.releaser.loans.states import LoanState
from patchline.releaser.register import Change, Register
from patchline.releaser.tables.loans import Loan
from patchline.releaser.vault_access import vault_server

_FOR_BROKER = (LoanState.ISSUING, LoanState.ON_LOAN, LoanState.REVOKING, LoanState.QUARANTINED)


def ask_vault(register: Register) -> None:
    """Refuse what needs Vault while it does not work, before anything is written.

    Raises:
        VaultError: why.
    """
    from patchline.vault.connection import health

    found = health(vault_server(register.settings))
    if found.state not in ("active", "standby"):
        raise VaultError(found.state, f"nothing is lent or extended now: Vault is {found.state}")


def leave(change: Change, loan: Loan) -> None:
    """Let the broker look after a loan, if there is something to do for it now."""
    if loan.state in _FOR_BROKER:
        asking.leave_to_broker(change, loan.id)


def approve(change: Change, identifier: str, done: Mapping[str, str] | None = None) -> Seen:
    """Lend what was asked for, and leave it to the broker; raises as `lending.approve`."""
    seen = lending.approve(change, identifier, done, own=False)
    leave(change, seen.loan)
    return seen


def extend(change: Change, identifier: str, due: datetime) -> Seen:
    """Move the due date of a loan, and let the broker tell Vault; raises as `lending.extend`."""
    seen = lending.extend(change, identifier, due)
    leave(change, seen.loan)
    return seen


def give_back(change: Change, identifier: str, done: Mapping[str, str] | None = None) -> Seen:
    """Let a loan end, and let the broker prove it; raises as `asking.give_back`."""
    seen = asking.give_back(change, identifier, done)
    leave(change, seen.loan)
    return seen
