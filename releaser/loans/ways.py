"""The ways in which a loan gets a login that differs from the team's, best first: the one table of strategies."""

import secrets
import time

from patchline.patches.errors import NotFoundError, PatchlineError, StateError, VaultError
from patchline.releaser.loans import accounts, certificates
from patchline.releaser.loans.cases import Case, Made, Ways, refused
from patchline.releaser.loans.sharing import SharedAccount
from patchline.releaser.setups.logins import Outcome
from patchline.vault.loans import LoanVault
from patchline.vault.setups import Login

_BYTES = 24
"""Of chance in a password."""
_LOOKS, _PAUSE_S = 20, 0.005


class DatabaseUser:
    """A user that Vault makes in the database and ends with the loan's token; the database knows its last moment too."""

    def make(self, case: Case) -> Made:
        """Let Vault make the user."""
        if case.token is None:
            raise StateError("loan-target", f"{case.name}: the loan has no token")
        vault = case.hands.vault
        try:
            made = vault.make_database_user(case.token, case.setup, case.endpoint.name)
        except VaultError as error:
            if error.code in ("vault.denied", "vault.refused"):
                raise NotFoundError("loan-role", f"{case.name}: Vault cannot make users there yet") from None
            raise
        case.keep({"username": made.username, "password": made.password})
        vault.renew_lease(made.lease, case.seconds())
        case.insist(Login(made.username, made.password))
        return Made(made.username, made.lease, case.ends)

    def end(self, case: Case) -> str | None:
        """Look whether Vault has ended it: the token, on which it hangs, was ended before."""
        vault, lease = case.hands.vault, case.part.lease
        if lease is None or _soon_gone(vault, lease):
            told = refused(case, case.login())
            # A Vault that was restored knows neither lease nor user; its owner's account for lending does.
            return _dropped(case) if told is not None and told.endswith(Outcome.WORKS) else told
        first = refused(case, case.login())
        if first is not None and first.endswith(Outcome.UNREACHABLE):
            return first
        vault.end_lease(lease)  # At once: by itself Vault tries again later, and gives up some day.
        if vault.lives("lease", lease):
            return f"{case.name}: Vault does not end the user there"
        return refused(case, case.login())


def _dropped(case: Case) -> str | None:
    login = case.login()
    if login is None:
        return None
    try:
        accounts.delete(case, login)
    except StateError as error:
        return error.message
    return refused(case, login)


def _soon_gone(vault: LoanVault, lease: str) -> bool:
    """Tell whether Vault, which works at it by itself, has ended a lease in a moment."""
    for _ in range(_LOOKS):
        if not vault.lives("lease", lease):
            return True
        time.sleep(_PAUSE_S)
    return False


class SecondAccount:
    """An account of the loan's own, made by the account that the owner put into Vault, or by the owner's program."""

    def make(self, case: Case) -> Made:
        """Make the account; its password is in Vault first."""
        login = Login(accounts.name_of(case), secrets.token_urlsafe(_BYTES))
        case.keep({"username": login.username, "password": login.password})
        accounts.create(case, login)
        case.insist(login)
        return Made(login.username, expires=case.ends if accounts.ends_by_itself(case) else None)

    def end(self, case: Case) -> str | None:
        """Remove the account, and try its login."""
        login = case.login()
        if login is None:
            return refused(case, None)  # Before the account is made, its password is in Vault.
        try:
            accounts.delete(case, login)
        except PatchlineError as error:
            if isinstance(error, VaultError):
                raise
            return error.message
        return refused(case, login)


class ByHand:
    """A lender who gives and takes by hand, and says so; nothing can be tried."""

    def make(self, case: Case) -> Made:
        """Take what the lender said when approving."""
        return Made(case.part.told or "by hand")

    def end(self, case: Case) -> str | None:
        """Wait until somebody says what was done."""
        return f"{case.name}: its keeper has to end it by hand, and to say so"


WAYS: Ways = {
    "database-user": DatabaseUser(),
    "ssh-certificate": certificates.SshCertificate(),
    "second-account": SecondAccount(),
    "shared-account": SharedAccount(),
    "by-hand": ByHand(),
}
