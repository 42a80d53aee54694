import json

import pytest
from sqlalchemy import text

from patchline.patches.errors import UsageError
from patchline.releaser import audit_reading
from patchline.releaser.audit_reading import Wanted
from tests.registers import NOW, statements


@pytest.fixture
def told(register):
    for number in range(6):
        by, action = ("ada", "hotfix.publish") if number % 2 else ("rita", "freeze.end")
        with register.change(by, NOW) as change:
            change.record(action, f"HF-2026-000{number}-r1", {"number": number, "of": ["a", "b"]})
    return register


def look(register, most=10, before=None, **wanted):
    with register.read() as session:
        seen = audit_reading.look(session, Wanted(**wanted), most, before)
    return [one.sequence for one in seen.events], seen.after


def test_events_are_read_backwards_page_by_page(told):
    assert look(told, 4) == ([6, 5, 4, 3], 3)
    assert look(told, 4, 3) == ([2, 1], None)
    assert look(told, before=1) == ([], None)


def test_events_are_found_by_what_was_done_to_what_and_by_whom(told):
    assert look(told, action="hotfix")[0] == look(told, action="hotfix.publish")[0] == [6, 4, 2]
    assert look(told, action="hot")[0] == look(told, person="bob")[0] == []
    assert look(told, person="rita")[0] == look(told, actions=("freeze.end",))[0] == [5, 3, 1]
    assert look(told, subject="0003-R1", person="ada")[0] == [4]
    with pytest.raises(UsageError, match="at most 200"):
        Wanted(subject="x" * 201)


def test_one_look_goes_through_a_bounded_number_and_says_where_it_stopped(told, monkeypatch):
    monkeypatch.setattr(audit_reading, "LOOKED_THROUGH", 2)
    with statements(told) as said:
        assert look(told, subject="0000") == ([], 5)
    assert len(said) == 1
    assert look(told, before=3, subject="0000") == ([1], None)


def test_the_standing_tells_how_far_the_chain_was_checked_and_what_is_wrong_with_it(told, monkeypatch):
    with told.read() as session:
        found = audit_reading.standing(session, whole=False)
    assert found.verified.count == found.count == 6 and found.told is None
    told.checkpoint(NOW)
    monkeypatch.setattr(audit_reading, "LOOKED_THROUGH", 5)
    with told.read() as session:
        assert audit_reading.standing(session, whole=False).verified is None
        assert audit_reading.standing(session, whole=True).as_document()["verified"] == 6
        assert audit_reading.standing(session, whole=False).as_document()["told"]["count"] == 6
    with told.database.write() as session:
        dialect = session.connection().dialect.name
        drop = "DROP TRIGGER audit_event_unchanged" + (" ON audit_event" if dialect == "postgresql" else "")
        session.execute(text(drop))
        body = json.dumps({"action": "x", "at": "y", "by": "z", "facts": {}, "subject": "s"}).encode()
        session.execute(text("UPDATE audit_event SET body = :body WHERE sequence = 3"), {"body": body})
    with told.read() as session:
        found = audit_reading.standing(session, whole=True)
    assert found.verified is None and found.problem.code == "audit.changed"
