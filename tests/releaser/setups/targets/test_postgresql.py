"""Logins to databases: PostgreSQL is spoken here; what is not is said to be untried."""

from patchline.releaser.setups.logins import Outcome, Target
from patchline.vault.setups import Login
from tests.setups import Account, target_address

PASSWORD = "canary-of-the-lab"


def tried(address, username, password=PASSWORD):
    return Target("lab-1 db", "database", address, None).try_login(Login(username, password))


def test_password_that_works_one_that_is_refused_and_one_nobody_asks_for_are_told_apart():
    account, open_to_all = Account.made(PASSWORD), Account.made(PASSWORD, group="")
    assert tried(target_address(), account.name) is Outcome.WORKS
    assert tried(target_address(), account.name, "wrong") is Outcome.REFUSED
    assert tried(target_address(), open_to_all.name) is Outcome.OPEN


def test_database_that_is_not_spoken_or_not_reached_says_so():
    assert tried("oracle://lab/x", "a") is Outcome.UNTRIED
    assert tried("postgresql://127.0.0.1:9/x", "a") is Outcome.UNREACHABLE
