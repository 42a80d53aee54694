"""A shared account: its password is replaced before the loan and again after it, so the team never shares one.

Before it takes the lender's own login, since only that may read what the team uses. After it the broker can do it: what
the team is to use it writes, and does not read.
"""

import secrets

from patchline.patches.errors import NotFoundError, RefusedError, StateError
from patchline.releaser.loans.cases import Case, Made, refused
from patchline.releaser.setups.logins import Outcome
from patchline.releaser.setups.rotating import remember
from patchline.vault.loan_credentials import Credential
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
        login = Login(kept.login.username, secrets.token_urlsafe(_BYTES))
        check_differs(case, team, path, kept, login.password)
        case.keep({"username": login.username, "password": login.password})
        case.target.change(kept.login, login.password)
        case.insist(login)
        outcome = case.target.try_login(kept.login)
        if outcome is not Outcome.REFUSED:
            raise StateError("setup-old-alive", f"{case.name}: the team's password is not proved dead: {outcome}")
        return Made(login.username)

    def end(self, case: Case) -> str | None:
        """Replace the loan's password by a new one of the team's; until that was seen to work, Vault has both."""
        lent = case.login()
        kept = case.kept
        if lent is None or kept is None:
            return None  # Before it is changed, it is in Vault.
        new = _following(case, kept)
        if case.target.try_login(new) is not Outcome.WORKS:
            outcome = case.target.try_login(lent)
            if outcome is Outcome.REFUSED:
                return None  # It was never in force, or somebody replaced it meanwhile.
            if outcome is not Outcome.WORKS:
                return f"{case.name}: {outcome}"
            case.target.change(lent, new.password)
            case.insist(new)
        number = case.hands.vault.write_team(case.setup, case.endpoint.name, {**vars(new)})
        _remember(case, new.username, number)
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


def _following(case: Case, kept: Credential) -> Login:
    pending = kept.get("pending")
    if pending is None:
        pending = secrets.token_urlsafe(_BYTES)
        case.keep({**kept, "pending": pending})
    return Login(kept["username"], pending)


def _remember(case: Case, username: str, number: int) -> None:
    """Let the register know which version the team has now."""
    hands = case.hands
    path = TeamSecrets.path(case.setup, case.endpoint.name)
    from patchline.releaser.loans.noting import stepping

    with stepping(hands.register, case.loan, hands.clock()) as change:
        remember(change, case.endpoint, path, username, number).rotated = change.now
        change.record(
            "setup.rotate", case.setup, {"endpoint": case.endpoint.name, "version": number, "loan": case.loan.id}
        )
