from datetime import timedelta

import pytest
from sqlalchemy import text

from patchline.patches.errors import PatchlineError
from patchline.releaser.loans import asking, lending, looking
from patchline.releaser.loans.asking import Wanted
from patchline.releaser.loans.states import LOAN_TABLE, STORED, LoanState, stands
from patchline.releaser.register import opened
from patchline.releaser.tables.loans import STATES, Loan
from tests import setups
from tests.registers import BACKENDS, NOW, make_home, register

__all__ = ["register"]

HOUR = timedelta(hours=1)


@pytest.fixture
def lab(register):
    setups.site(register, "lab-1", "lab-2")
    setups.setup(register, "lab-1", setups.endpoint("db"), setups.endpoint("ui", "https://127.0.0.1:9/", "http"))
    return register


def wanted(hours=48, starts=None, **changes):
    values = {"setup": "lab-1", "team": "mobile", "purpose": "CASE-7", "due": NOW + hours * HOUR, "starts": starts}
    return Wanted(**{**values, **changes})


def asked(lab, by="bob", now=NOW, **given):
    with lab.change(by, now) as change:
        return asking.request(change, wanted(**given)).loan


def refused(code, lab, by, ask, *given, now=NOW):
    with pytest.raises(PatchlineError) as told, lab.change(by, now) as change:
        ask(change, *given)
    assert told.value.code == code
    return told.value


def test_request_reserves_the_setup_and_tells_whom_it_is_for(lab):
    loan = asked(lab)
    with lab.read() as session:
        seen = looking.the_loan(session, loan.id)
        (one,) = looking.listed(session, 10)
        assert looking.in_use(session, [loan.setup])[loan.setup].id == loan.id
    assert (seen.setup, seen.owner, seen.loan.team, seen.loan.borrower) == ("lab-1", "platform", "mobile", "bob")
    assert seen.stands(NOW) is LoanState.RESERVED and one.loan.id == loan.id
    assert [event.action for event in seen.events] == ["request"] and seen.handed(NOW) == "not asked for"


@pytest.mark.parametrize(
    ("code", "given"),
    [
        ("refused.loan-own-team", {"team": "platform"}),
        ("usage.setup-name", {"team": "../x"}),
        ("usage.loan-window", {"hours": 0}),
        ("usage.loan-window", {"hours": 24 * 31}),
        ("usage.loan-window", {"starts": NOW + 400 * 24 * HOUR, "hours": 401 * 24}),
        ("usage.loan-purpose", {"purpose": "two\nlines"}),
        ("usage.loan-ssh-key", {"ssh_key": "-----BEGIN OPENSSH PRIVATE KEY-----"}),
        ("not-found.setup", {"setup": "lab-2"}),
        ("not-found.setup", {"setup": "../../x"}),
    ],
)
def test_what_cannot_be_lent_is_refused_and_nothing_is_written(lab, code, given):
    refused(code, lab, "bob", asking.request, wanted(**given))
    with lab.read() as session:
        assert looking.listed(session, 10) == []


def test_bookings_follow_each_other_and_never_overlap(lab):
    first = asked(lab, hours=48)
    told = refused("state.loan-taken", lab, "cleo", asking.request, wanted(starts=NOW + 24 * HOUR, hours=72))
    assert first.id in told.message
    later = asked(lab, by="cleo", starts=NOW + 48 * HOUR, hours=72)
    with lab.change("ada", NOW) as change:
        assert lending.approve(change, later.id).loan.state == "reserved"
    with lab.change("bob", NOW) as change:
        assert asking.cancel(change, first.id, "not needed").loan.state == "cancelled"
    asked(lab, by="ben", hours=40)


@pytest.mark.parametrize("backend", BACKENDS)
def test_database_itself_refuses_a_second_loan_of_the_same_time(backend, tmp_path):
    with opened(make_home(backend, tmp_path / "home")) as register:
        setups.site(register, "lab-1")
        setups.setup(register, "lab-1", setups.endpoint("db"))
        loan = asked(register)
        copied = {column.name: getattr(loan, column.name) for column in Loan.__table__.columns} | {"id": "l2"}
        with pytest.raises(PatchlineError) as told, register.database.write() as session:
            session.add(Loan(**copied))
        assert "another loan has the setup in that time" in told.value.message
        with pytest.raises(PatchlineError) as told, register.database.write() as session:
            session.execute(text("UPDATE loan SET state = 'on-loan'"))
        assert "does not become this from that" in told.value.message
        with pytest.raises(PatchlineError) as told, register.database.write() as session:
            session.execute(text("UPDATE loan_event SET told = 'nothing'"))
        assert "stands" in told.value.message


def test_two_lenders_at_once_lend_it_once(lab):
    loan = asked(lab)
    with lab.change("ada", NOW) as change:
        seen = lending.approve(change, loan.id)
    assert seen.loan.state == "issuing" and seen.loan.lender == "ada"
    assert [(part.strategy, part.state) for part, _ in seen.parts] == [
        ("database-user", "waiting"),
        ("second-account", "waiting"),
    ]
    refused("state.loan-state", lab, "cleo", lending.approve, loan.id)


def test_nobody_lends_to_themselves_and_only_keepers_lend(lab):
    loan = asked(lab, by="ada")
    refused("refused.loan-self", lab, "ada", lending.approve, loan.id)
    with lab.database.write() as session:
        session.execute(text("DELETE FROM person_role WHERE person = 'cleo'"))
    refused("refused.role", lab, "cleo", lending.approve, loan.id)
    refused("refused.role", lab, "cleo", asking.cancel, loan.id, "no")


def test_what_is_lent_by_hand_needs_a_word_of_what_was_done(register):
    setups.site(register, "lab-1")
    setups.setup(register, "lab-1", setups.endpoint("lb", "https://127.0.0.1:9/", "http", "by-hand"))
    loan = asked(register)
    refused("usage.loan-done", register, "ada", lending.approve, loan.id)
    refused("usage.loan-done", register, "ada", lending.approve, loan.id, {"lb": "made", "db": "made"})
    with register.change("ada", NOW) as change:
        seen = lending.approve(change, loan.id, {"lb": "account loan-7 made"})
    assert not seen.verifiable and seen.parts[0][0].told == "account loan-7 made"


def test_due_soon_and_overdue_follow_from_the_clock():
    due = NOW + 48 * HOUR
    states = [stands("on-loan", due, NOW + hours * HOUR) for hours in (0, 24, 47, 48)]
    assert states == [LoanState.ON_LOAN, LoanState.DUE_SOON, LoanState.DUE_SOON, LoanState.OVERDUE]
    assert stands("revoking", due, due + HOUR) is LoanState.REVOKING


def test_table_of_steps_leads_through_every_state_and_the_database_knows_the_same():
    assert {state.value for state in STORED} == set(STATES)
    reached = {row.after for row in LOAN_TABLE} | {LoanState.FREE}
    assert reached == set(LoanState)
    from patchline.migrations.versions import v0013_loans as migration

    stored = {
        f"{before}>{row.after}"
        for row in LOAN_TABLE
        for before in [LoanState.ON_LOAN if row.before in ("due-soon", "overdue") else row.before]
        if before in STORED and row.after in STORED and before is not row.after
    }
    assert stored == set(migration.LIFE)
