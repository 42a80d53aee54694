import psycopg
import pytest

from patchline.patches.errors import PatchlineError
from patchline.releaser.loans.caring import look_after
from patchline.vault.loans import LoanVault
from tests.lending import opens, roles_like
from tests.setups import target_address


def test_borrower_gets_a_database_user_of_their_own_that_ends_with_the_loan(lab):
    lab.lend_users()
    broker = lab.broker()
    loan = lab.lent(broker)
    login, seen = lab.login(loan), lab.seen(loan)
    assert lab.state(loan) == "on-loan" and opens(login)
    part = seen.parts[0][0]
    assert (part.state, part.username, part.lease.startswith("database/creds/lab-1.db/")) == (
        "made",
        login.username,
        True,
    )
    with psycopg.connect(target_address(), user=login.username, password=login.password) as session:
        lab.give_back(loan)
        assert look_after(broker, loan) == "is back, proved"
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    assert not opens(login) and lab.state(loan) == "returned" and roles_like(login.username) == []
    assert lab.seen(loan).parts[0][0].state == "dead"
    assert LoanVault(lab.space.admin).read("lab-1", loan).number == 0
    assert lab.seen(lab.lent(broker)).loan.state == "on-loan"


def test_loan_that_cannot_be_made_is_reserved_again_and_nothing_is_left(lab):
    loan = lab.approve(lab.ask())
    with pytest.raises(PatchlineError) as told:
        look_after(lab.broker(), loan)
    assert told.value.code == "not-found.loan-role"
    assert lab.state(loan) == "reserved" and "cannot make users" in lab.seen(loan).loan.trouble
    assert list(LoanVault(lab.space.admin).tokens()) == []
