import pytest
from sqlalchemy import text

from patchline.patches import audit_chain
from patchline.patches.errors import PatchlineError
from patchline.releaser import audit
from patchline.releaser.tables.audit import Outbox
from patchline.releaser.tables.people import Person
from tests.registers import NOW


def add(register, name):
    with register.change("ada", NOW) as change:
        change.session.add(Person(id=name, name=name, added=NOW))
        change.record("person.add", name)


def test_change_and_its_event_come_in_together_and_the_event_is_chained(register):
    add(register, "dora")
    add(register, "emil")
    with register.read() as session:
        assert session.get(Person, "dora").added == NOW
        chain = audit_chain.check(audit.rows(session), {})
        assert (chain.count, chain.head) == audit.head(session)
        assert [b'"dora"' in row.body or b'"emil"' in row.body for row in audit.rows(session)] == [True, True]
        assert session.query(Outbox).count() == 0


def test_change_that_fails_leaves_nothing_behind(register):
    with pytest.raises(ZeroDivisionError), register.change("ada", NOW) as change:
        change.session.add(Person(id="dora", name="Dora", added=NOW))
        change.record("person.add", "dora")
        change.session.flush()
        raise ZeroDivisionError
    with register.read() as session:
        assert session.get(Person, "dora") is None
        assert list(audit.rows(session)) == [] and session.query(Outbox).count() == 0


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
