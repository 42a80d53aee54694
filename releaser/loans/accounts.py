"""Accounts made for a loan alone, at a database, a directory, or by the owner's program with `create` and `delete`."""

from patchline.patches.errors import StateError
from patchline.releaser.loans.cases import Case
from patchline.releaser.setups.targets import directory_accounts, postgresql_accounts, scripts
from patchline.releaser.setups.targets.outcomes import Outcome
from patchline.vault.setups import Login


def _postgresql(case: Case) -> bool:
    return case.endpoint.kind == "database" and case.endpoint.address.startswith("postgresql:")


def ends_by_itself(case: Case) -> bool:
    """Tell whether the target knows when the account ends."""
    return case.target.script is None and _postgresql(case)


def name_of(case: Case) -> str:
    """Return as what the loan's account logs in."""
    if case.target.script is None and case.endpoint.kind == "ldap":
        return f"uid={case.account},{_needed(case, 'base')}"
    return case.account


def _needed(case: Case, key: str) -> str:
    value = case.maker().get(key)
    if not value:
        raise StateError("loan-maker", f"{case.name}: the account by which others are made lacks {key!r} in Vault")
    return value


def _maker(case: Case) -> Login:
    return Login(_needed(case, "username"), _needed(case, "password"))


def create(case: Case, login: Login) -> None:
    """Make the account.

    Raises:
        StateError: it cannot be made there, or the target does not do it.
    """
    script, address = case.target.script, case.endpoint.address
    if script is not None:
        done = scripts.ask(script, "create", address, login) is Outcome.WORKS
    elif _postgresql(case):
        group = _needed(case, "group")
        done = postgresql_accounts.create(address, _maker(case), login, group, case.ends)
    elif case.endpoint.kind == "ldap":
        done = directory_accounts.create(address, _maker(case), login, case.maker().get("group"))
    else:
        raise StateError("loan-by-hand", f"{case.name}: no account can be made there from here")
    if not done:
        raise StateError("loan-target", f"{case.name}: the account {login.username} could not be made")


def delete(case: Case, login: Login) -> None:
    """Remove the account with its sessions; one that is gone is fine.

    Raises:
        StateError: the target does not do it.
    """
    script, address = case.target.script, case.endpoint.address
    if script is not None:
        done = scripts.ask(script, "delete", address, login) is Outcome.WORKS
    elif _postgresql(case):
        done = postgresql_accounts.delete(address, _maker(case), login.username)
    else:
        done = directory_accounts.delete(address, _maker(case), login.username, case.maker().get("group"))
    if not done:
        raise StateError("loan-target", f"{case.name}: the account {login.username} could not be removed")


def extend(case: Case, login: Login) -> None:
    """Let the account live until the loan's new end, where the target knows of one.

    Raises:
        StateError: the target does not do it.
    """
    if not ends_by_itself(case):
        return
    if not postgresql_accounts.extend(case.endpoint.address, _maker(case), login.username, case.ends):
        raise StateError("loan-target", f"{case.name}: the account {login.username} could not be extended")
