import pytest

from patchline.patches.errors import RefusedError
from patchline.releaser.tables.audit import AuditEvent
from patchline.releaser.trust_files import read_enrolment
from tests.approving import Device
from tests.hotfixes import Life
from tests.programs import run
from tests.registers import NOW, PEOPLE


def person(register, *line, by="rita", expect=0):
    return run("patchline", "person", *line, "--home", register.home, "--as", by, "--json", expect=expect).document


def actions(register):
    with register.read() as session:
        return [event.body.decode().split('"')[3] for event in session.query(AuditEvent)]


def test_persons_are_added_listed_and_disabled(register):
    added = person(register, "add", "dora", "--name", "Dora Maar", "--role", "support", "--role", "engineer")
    assert (added["name"], added["roles"]) == ("Dora Maar", ["engineer", "support"])
    assert {one["id"] for one in person(register, "list")} == {*PEOPLE, "dora"}
    assert person(register, "disable", "dora")["disabled"]
    assert person(register, "list", by="dora")[-2]["disabled"]
    assert actions(register) == ["person.add", "person.disable"]


def test_roles_come_and_go(register):
    assert person(register, "add", "ada", "--role", "auditor")["roles"] == ["auditor", "engineer"]
    assert person(register, "disable", "ada", "--role", "engineer")["roles"] == ["auditor"]
    assert actions(register) == ["person.roles", "person.roles"]


@pytest.mark.parametrize(
    ("line", "by", "code", "error"),
    [
        (["add", "eve"], "ada", 12, "refused.role"),
        (["add", "ada", "--name", "Ada"], "rita", 12, "refused.person-exists"),
        (["add", "Eve Adams"], "rita", 2, "usage.person-id"),
        (["add", "eve", "--name", "a\nb"], "rita", 2, "usage.person-name"),
        (["disable", "eve"], "rita", 11, "not-found.person"),
        (["disable", "rita"], "rita", 12, "refused.last-manager"),
        (["disable", "rita", "--role", "release-manager"], "rita", 12, "refused.last-manager"),
        (["add", "eve"], "nobody", 12, "refused.unknown-person"),
    ],
)
def test_what_is_refused_changes_nothing_and_is_an_event(line, by, code, error, register):
    before = person(register, "list")
    assert person(register, *line, by=by, expect=code)["error"] == error
    assert person(register, "list") == before
    assert actions(register) == [f"person.{line[0]}.refused"]


def test_refusal_is_an_event_although_what_was_done_before_is_undone(register):
    with pytest.raises(RefusedError), register.attempt("hotfix.approve", "HF-2026-0001-r1", "ada", NOW) as change:
        change.record("hotfix.approve", "HF-2026-0001-r1")
        raise RefusedError("permission", "no")
    with register.read() as session:
        (event,) = session.query(AuditEvent)
    assert b'"hotfix.approve.refused"' in event.body and b'"refused.permission"' in event.body


def test_database_commands_tell_and_raise_the_schema(register):
    told = run("patchline", "database", "status", "--home", register.home, "--json").document
    assert told["schema"] == told["newest"] and told["error"] is None
    again = run("patchline", "database", "upgrade", "--home", register.home, "--json").document
    assert again["before"] == again["after"] == told["newest"]


def test_keys_in_browsers_are_listed_and_handed_to_those_who_make_the_policy(embedded, tmp_path):
    device = Device("ada").enrolled(Life(embedded, tmp_path))
    [listed] = person(embedded, "keys", "ada")
    assert (listed["device"], listed["stands"]) == ("laptop", "made, not yet in the policy")
    out = tmp_path / "ada.enrolment"
    person(embedded, "keys", "--enrolment", listed["fingerprint"][:11], "--out", out)
    assert read_enrolment(out).public == device.public
    assert person(embedded, "keys", "ben") == []
    assert person(embedded, "retire-key", listed["keyid"][:12], by="ada")["stands"] == "retired"


@pytest.mark.parametrize(
    ("line", "code", "error"),
    [
        (["keys", "--enrolment", "7Q2M4"], 2, "usage.options"),
        (["keys", "ada", "--enrolment", "7Q2M4", "--out", "x"], 2, "usage.options"),
        (["keys", "--enrolment", "7Q2M4", "--out", "x"], 11, "not-found.browser-key"),
        (["retire-key", ""], 11, "not-found.browser-key"),
    ],
)
def test_keys_that_are_not_there_are_named(embedded, line, code, error):
    assert person(embedded, *line, expect=code)["error"] == error
