"""One login of a loan, with all that is needed to make it, to end it, and to prove that it is over."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from patchline.patches.errors import StateError
from patchline.releaser.loans.asking import LONGEST
from patchline.releaser.register import Register
from patchline.releaser.setups.logins import Outcome, Target
from patchline.releaser.tables.loans import Loan, LoanPart
from patchline.releaser.tables.setups import SetupEndpoint
from patchline.vault.loan_credentials import Credential
from patchline.vault.loans import LoanToken, LoanVault
from patchline.vault.setups import Login

GRACE = timedelta(minutes=5)
"""How long after the due date Vault and targets end a login by themselves, should nobody else do it."""


@dataclass(frozen=True)
class Hands:
    """Who looks after loans, and by which login to Vault.

    Attributes:
        own: it is the lender's own login, and not the broker's.
    """

    register: Register
    vault: LoanVault
    clock: Callable[[], datetime]
    own: bool = False


@dataclass(frozen=True)
class Case:
    """A login that is to be made or ended.

    Attributes:
        kept: what Vault has of it; None for nothing.
        keep: writes it to Vault, which comes before anything is done at the target.
        token: the loan's own, while it is being made.
    """

    hands: Hands
    setup: str
    loan: Loan
    part: LoanPart
    endpoint: SetupEndpoint
    kept: Credential | None
    keep: Callable[[Credential], None]
    token: LoanToken | None = None

    @property
    def name(self) -> str:
        """Of setup and endpoint, for people."""
        return f"{self.setup} {self.endpoint.name}"

    @property
    def target(self) -> Target:
        """Where the login is tried."""
        return Target.of(self.hands.register.home, self.setup, self.endpoint)

    @property
    def account(self) -> str:
        """What an account made for the loan is called."""
        return f"loan-{self.loan.id}"

    @property
    def ends(self) -> datetime:
        """When the login ends by itself."""
        return self.loan.due + GRACE

    def seconds(self) -> int:
        """Return how long the login is to live from now."""
        return seconds_until(self.ends, self.hands.clock())

    def maker(self) -> Credential:
        """Return the account by which others are made here.

        Raises:
            StateError: its owner put none into Vault.
        """
        found = self.hands.vault.maker(self.setup, self.endpoint.name)
        if found is None or not found.get("username"):
            raise StateError("loan-maker", f"{self.name}: Vault has no account by which others are made there")
        return found

    def login(self, key: str = "password") -> Login | None:
        """Return the login as Vault has it."""
        kept = self.kept
        return Login(kept["username"], kept[key]) if kept and key in kept else None

    def insist(self, login: Login) -> None:
        """Refuse a new login that does not work.

        Raises:
            StateError: so it is.
        """
        outcome = self.target.try_login(login)
        if outcome is not Outcome.WORKS:
            raise StateError("loan-target", f"{self.name}: the login made for the loan: {outcome}")


@dataclass(frozen=True)
class Made:
    """What was made; the credential itself is in Vault already."""

    username: str
    lease: str | None = None
    expires: datetime | None = None


class Way(Protocol):
    """How a loan gets a login of its own at an endpoint."""

    def make(self, case: Case) -> Made:
        """Make the login, and see it work. What an earlier attempt left was ended before.

        Raises:
            StateError: the target does not do it.
            VaultError: Vault does not.
        """

    def end(self, case: Case) -> str | None:
        """End the login; return None once it is proved over, else what stands in the way. May be called any number of times.

        Raises:
            VaultError: Vault cannot be asked.
        """


def seconds_until(moment: datetime, now: datetime) -> int:
    """Return how many seconds are left, at least one, at most those of the longest loan."""
    return int(min(max((moment - now).total_seconds(), 1), (LONGEST + timedelta(hours=12)).total_seconds()))


def refused(case: Case, login: Login | None) -> str | None:
    """Try a login that must be over; return None when it is refused, else what came of it.

    A login that Vault does not have, and that was not written down as made, was never handed to anybody.
    """
    if login is None:
        made = case.part.username
        return f"{case.name}: Vault has lost the login {made}; it has to be ended by hand" if made is not None else None
    outcome = case.target.try_login(login)
    return None if outcome is Outcome.REFUSED else f"{case.name}: {outcome}"


Ways = Mapping[str, Way]
