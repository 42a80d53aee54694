"""A shared account: its password is replaced before the loan and again after it, so the team never shares one.

Before it takes the lender's own login, since only that may read and write what the team uses. It draws both passwords: the
loan's, and the one that follows. After it the broker sets the one that follows, which the team has in Vault already, and
which the broker knows from the owner's place for lending.
"""

import secrets

from patchline.patches.errors import NotFoundError, RefusedError, StateError
from patchline.releaser.loans.cases import Case, Made, refused
from patchline.releaser.loans.noting import stepping
from patchline.releaser.setups.logins import Outcome
from patchline.releaser.setups.rotating import remember
from patchline.vault.setups import Kept, Login, TeamSecrets

_BYTES = 24
"""Of chance in a password."""


class SharedAccount:
    """An account that the product itself needs, lent with a password of the loan's own."""

    def make(self, case: Case) -> Made:
        """Replace the team's password by the loan's, and see the team's fail."""
        if not case.hands.own:
            raise RefusedError("loan-login", f"{case.name} is a shared account")
        team = TeamSecrets(case.hands.vault.connection)
        path = team.path(case.setup, case.endpoint.name)
        kept = team.read(path)
        if kept is None:
            raise NotFoundError("setup-credential", f"Vault has no credential of {case.name}")
        if kept.pending is not None:
            raise StateError("setup-login", f"{case.name}: a replacement of its password was cut off")
        login, following = (Login(kept.login.username, secrets.token_urlsafe(_BYTES)) for _ in range(2))
        check_differs(case, team, path, kept, login.password)
        case.keep({**vars(login)})
        case.hands.vault.put_following(case.setup, case.endpoint.name, {**vars(following)})
        seen = team.write(path, kept.login, kept.number, following.password)
        case.target.change(kept.login, login.password)
        case.insist(login)
        outcome = case.target.try_login(kept.login)
        if outcome is not Outcome.REFUSED:
            raise StateError("setup-old-alive", f"{case.name}: the team's password is not proved dead: {outcome}")
        _remember(case, path, following.username, team.write(path, following, seen))
        return Made(login.username)

    def end(self, case: Case) -> str | None:
        """Set the password that follows, and see the loan's fail."""
        lent, following = case.login(), case.hands.vault.maker(case.setup, case.endpoint.name)
        if lent is None or following is None:
            return refused(case, None)  # Before it is changed, both are in Vault.
        new = Login(following["username"], following["password"])
        if case.target.try_login(new) is not Outcome.WORKS:
            outcome = case.target.try_login(lent)
            if outcome is Outcome.REFUSED:
                return None  # It was never in force, or somebody replaced it meanwhile.
            if outcome is not Outcome.WORKS:
                return f"{case.name}: {outcome}"
            case.target.change(lent, new.password)
            case.insist(new)
        return refused(case, lent)


def check_differs(case: Case, team: TeamSecrets, path: str, newest: Kept, password: str) -> None:
    """Refuse a password that the team uses or used, as far back as Vault keeps versions.

    Raises:
        RefusedError: so it is.
    """
    for number in range(newest.number, 0, -1):
        one = newest if number == newest.number else team.read(path, number)
        if one is not None and password in (one.login.password, one.pending):
            raise RefusedError("loan-equal", f"{case.name}: the team has or had the same password")


def _remember(case: Case, path: str, username: str, number: int) -> None:
    """Let the register know which version the team has now."""
    with stepping(case.hands.register, case.loan, case.hands.clock()) as change:
        remember(change, case.endpoint, path, username, number).rotated = change.now
        facts = {"endpoint": case.endpoint.name, "version": number, "loan": case.loan.id}
        change.record("setup.rotate", case.setup, facts)
