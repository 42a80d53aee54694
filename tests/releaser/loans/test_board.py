"""How setups stand, as lists and figures say it: both by the same rule, one in Python and one in the database."""

from datetime import timedelta

import pytest

from patchline.patches.errors import UsageError
from patchline.releaser.loans import asking, board, lending
from patchline.releaser.loans.asking import Wanted
from patchline.releaser.tables.loans import Loan, LoanPart
from tests import setups
from tests.registers import NOW, register

__all__ = ["register"]
HOUR = timedelta(hours=1)
STATES = ("issuing", "on-loan", "revoking", "quarantined")


@pytest.fixture
def lab(register):
    names = [f"lab-{number}" for number in range(1, 8)]
    setups.site(register, *names)
    for name in names:
        setups.setup(register, name, setups.endpoint("db"))
    return register


def ask(lab, setup, starts=None, hours=48):
    with lab.change("bob", NOW) as change:
        return asking.request(change, Wanted(setup, "mobile", "x", NOW + hours * HOUR, starts)).loan.id


def lend(lab, setup, state, hours=48):
    loan = ask(lab, setup, hours=hours)
    with lab.change("ada", NOW) as change:
        lending.approve(change, loan)
    with lab.database.write() as session:
        for step in STATES[1 : STATES.index(state) + 1]:
            session.get_one(Loan, loan).state = step
            for part in session.query(LoanPart).filter_by(loan=loan):
                part.state = "made"
            session.flush()
    return loan


def test_each_setup_is_found_under_the_state_it_is_listed_with_and_counted_once(lab):
    lend(lab, "lab-1", "issuing")
    lend(lab, "lab-2", "on-loan")
    lend(lab, "lab-3", "on-loan", hours=12)
    lend(lab, "lab-4", "on-loan", hours=1)
    lend(lab, "lab-5", "quarantined")
    ask(lab, "lab-6")
    ask(lab, "lab-7", starts=NOW + 24 * HOUR)
    now = NOW + 2 * HOUR
    with lab.read() as session:
        rows = board.listed(session, now, 50)
        found = {one.known.site.name: one.state.value for one in rows}
        assert found == {
            "lab-1": "issuing",
            "lab-2": "on-loan",
            "lab-3": "due-soon",
            "lab-4": "overdue",
            "lab-5": "quarantined",
            "lab-6": "reserved",
            "lab-7": "free",
        }
        for state in board.STANDINGS:
            names = [one.known.site.name for one in board.listed(session, now, 50, state=state)]
            assert names == [name for name, stands in found.items() if stands == state], state
        counted = board.totals(session, now)
    assert counted == board.Totals(7, free=1, reserved=1, lent=2, due_soon=1, overdue=1, quarantined=1)
    assert rows[6].loan is None and rows[6].booking.starts == NOW + 24 * HOUR


def test_what_nobody_lent_in_its_time_leaves_the_setup_free(lab):
    ask(lab, "lab-1", hours=1)
    with lab.read() as session:
        (row,) = board.listed(session, NOW + 2 * HOUR, 1)
        assert row.state == "free" and row.loan is None and row.booking is None
        assert board.totals(session, NOW + 2 * HOUR).free == 7


def test_a_state_that_no_setup_has_is_refused(lab):
    with lab.read() as session, pytest.raises(UsageError):
        board.listed(session, NOW, 1, state="cancelled")
