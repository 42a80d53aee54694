import pytest
from sqlalchemy import text

from patchline.patches.errors import AuditError, PatchlineError
from patchline.releaser import audit
from patchline.releaser.tables.audit import AuditEvent, Outbox
from patchline.releaser.tables.people import Person
from tests.registers import NOW


def rows(session):
    found = session.query(AuditEvent).order_by(AuditEvent.sequence)
    return [audit.Row(one.sequence, one.body, one.previous, one.digest) for one in found]


def add(register, name):
    with register.change("ada", NOW) as change:
        change.session.add(Person(id=name, name=name, added=NOW))
        change.record("person.add", name)


def test_change_and_its_event_come_in_together_and_the_event_is_chained(register):
    add(register, "dora")
    add(register, "emil")
    with register.read() as session:
        assert session.get(Person, "dora").added == NOW
        assert audit.check(rows(session), {}) == audit.head(session)
        assert [b'"dora"' in row.body or b'"emil"' in row.body for row in rows(session)] == [True, True]
        assert session.query(Outbox).count() == 0


def test_change_that_fails_leaves_nothing_behind(register):
    with pytest.raises(ZeroDivisionError), register.change("ada", NOW) as change:
        change.session.add(Person(id="dora", name="Dora", added=NOW))
        change.record("person.add", "dora")
        change.session.flush()
        raise ZeroDivisionError
    with register.read() as session:
        assert session.get(Person, "dora") is None
        assert rows(session) == [] and session.query(Outbox).count() == 0


def test_unknown_and_disabled_persons_change_nothing(register):
    with pytest.raises(PatchlineError) as refused, register.change("nobody", NOW):
        pass
    assert refused.value.code == "refused.unknown-person"
    with register.change("ada", NOW) as change:
        change.session.get(Person, "bob").disabled = NOW
    with pytest.raises(PatchlineError) as refused, register.change("bob", NOW):
        pass
    assert refused.value.code == "refused.disabled-person"


@pytest.mark.parametrize("statement", ["UPDATE audit_event SET body = previous", "DELETE FROM audit_event"])
def test_audit_log_is_only_added_to(register, statement):
    add(register, "dora")
    if not register.database.is_sqlite:
        statement = statement.replace("= previous", "= ''")
    with pytest.raises(PatchlineError) as refused, register.database.write() as session:
        session.execute(text(statement))
    assert refused.value.code == "refused.database-rule"


def test_event_that_was_changed_dropped_or_cut_off_is_noticed_and_located(register):
    for name in ("dora", "emil", "fred"):
        add(register, name)
    with register.read() as session:
        chain = rows(session)
    count, head = audit.check(chain, {2: chain[1].digest})
    assert (count, head) == (3, chain[2].digest)
    changed = audit.Row(2, chain[1].body.replace(b"emil", b"erik"), chain[1].previous, chain[1].digest)
    for bad, outside, code, told in (
        ([chain[0], changed, chain[2]], {}, "audit.changed", "event 2"),
        ([chain[0], chain[2]], {}, "audit.gap", "event 2"),
        (chain[:2], {3: head}, "audit.cut-off", "3 events"),
        (chain, {2: head}, "audit.other-chain", "event 2"),
    ):
        with pytest.raises(AuditError, match=told) as refused:
            audit.check(bad, outside)
        assert refused.value.code == code
