from datetime import timedelta

import pytest

from patchline.patches.errors import PatchlineError
from patchline.releaser.fleet import contacts, declared, entitlements
from patchline.releaser.fleet.contacts import Person, read_person
from patchline.releaser.fleet.declared import NewEvent, read_time
from patchline.releaser.fleet.entitlements import NewEntitlement
from patchline.releaser.tables.hotfixes import Hotfix, Revision
from tests.fleets import Fleet
from tests.registers import NOW, statements

DAY = timedelta(days=1)


@pytest.fixture
def fleet(register):
    made = Fleet(register).product("demo", "1.0", "2.0")
    made.customer("acme")
    made.site("acme-main")
    return made


def grant(fleet, by="rita", **wanted):
    with fleet.register.change(by, NOW) as change:
        return entitlements.add(change, NewEntitlement("acme", "demo", **wanted)).id


def reason(fleet, *, baseline="1.0", customers=None, now=NOW, **revision):
    """Return why acme gets no bytes of a published revision."""
    with fleet.register.read() as session:
        hotfix = Hotfix(id="HF-2026-0001", product="demo", baseline=baseline, customers=customers)
        one = Revision(hotfix=hotfix.id, number=1, **{"state": "published", "legacy": False, **revision})
        found = entitlements.rights(session, "acme").why_not(hotfix, one, now)
    if found is not None:
        assert found.error().hint and "HF-2026-0001-r1" in found.message
    return found and found.reason


def test_every_reason_is_named_and_the_gravest_comes_first(fleet):
    assert reason(fleet) == "not-entitled"
    grant(fleet, line="1.*", until=NOW + DAY)
    assert reason(fleet) is None
    assert reason(fleet, baseline="2.0") == "not-entitled"
    assert reason(fleet, embargo_until=NOW + DAY) == "embargo" and reason(fleet, embargo_until=NOW) is None
    assert reason(fleet, customers=["beta"]) == "wrong-customer" and reason(fleet, customers=["acme"]) is None
    for state in ("draft", "built", "in-review", "approved", "rejected", "abandoned"):
        assert reason(fleet, state=state) == "not-published"
    assert reason(fleet, state="held") == "held"
    assert reason(fleet, state="recalled", customers=["beta"], now=NOW + 9 * DAY) == "recalled"
    assert reason(fleet, legacy=True) == "not-published"


def test_entitlement_ends_by_its_day_or_when_it_is_taken_back_even_in_mid_download(fleet):
    number = grant(fleet, until=NOW + DAY)
    assert reason(fleet, now=NOW + DAY - timedelta(seconds=1)) is None
    assert reason(fleet, now=NOW + DAY) == "expired"
    with fleet.register.change("rita", NOW + DAY / 2) as change:
        entitlements.end(change, number)
    assert reason(fleet, now=NOW + DAY / 3) is None and reason(fleet, now=NOW + DAY / 2) == "expired"
    assert grant(fleet, since=NOW + DAY), "renewed from then on"
    assert reason(fleet, now=NOW + DAY / 2) == "expired" and reason(fleet, now=NOW + DAY) is None


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (lambda fleet: grant(fleet, by="ada"), "refused.role"),
        (lambda fleet: (grant(fleet), grant(fleet)), "state.entitlement-exists"),
        (lambda fleet: grant(fleet, until=NOW - DAY), "usage.customer-field"),
        (lambda fleet: grant(fleet, line=""), "usage.customer-field"),
        (lambda fleet: end(fleet, 99), "not-found.entitlement"),
        (lambda fleet: end(fleet, end(fleet, grant(fleet))), "state.entitlement-ended"),
    ],
)
def test_entitlement_that_cannot_be_is_refused(fleet, act, code):
    with pytest.raises(PatchlineError) as refusal:
        act(fleet)
    assert refusal.value.code == code


def end(fleet, number):
    with fleet.register.change("rita", NOW) as change:
        return entitlements.end(change, number).id


def test_rights_take_one_statement_for_any_number_of_revisions(fleet):
    with fleet.register.read() as session, statements(fleet.register) as said:
        entitlements.rights(session, "acme")
    assert len(said) == 1


def test_contacts_come_get_new_names_and_end(fleet):
    with fleet.register.change("rita", NOW) as change:
        contacts.add(change, "acme", read_person("Eve Example <eve@acme.example>"))
        contacts.add(change, "acme", Person("Eve E.", "eve@acme.example"))
        contacts.add(change, "acme", read_person("ops@acme.example"))
        contacts.end(change, "acme", "ops@acme.example")
        assert [(one.name, one.address) for one in contacts.of(change.session, "acme")] == [
            ("Eve E.", "eve@acme.example")
        ]
        with pytest.raises(PatchlineError, match="no contact"):
            contacts.end(change, "acme", "ops@acme.example")


@pytest.mark.parametrize(
    "written", ["", "Eve", "Eve <eve>", "eve@acme.example\nBcc: all@acme.example", "a@b@c", "é@x.y"]
)
def test_what_is_no_contact_is_refused(written):
    with pytest.raises(PatchlineError, match="no contact"):
        read_person(written)


def test_event_is_at_the_time_of_the_clock_there(fleet):
    at = read_time("2026-03-03 22:15", "Europe/Berlin")
    assert at.isoformat() == "2026-03-03T21:15:00+00:00" == read_time("2026-03-03T21:15Z", "Asia/Tokyo").isoformat()
    assert read_time("2026-10-25 02:30", "Europe/Berlin").hour == 0, "of two times the earlier one"
    with fleet.register.change("rita", NOW) as change:
        declared.add(change, NewEvent("acme-main", "upgrade", at, "Europe/Berlin", "to 2.0", "CHG-7", "Eve"))
        (row,) = declared.of(change.session, fleet.get("acme-main"))
    assert (row.kind, row.at, row.zone, row.reference) == ("upgrade", at, "Europe/Berlin", "CHG-7")


NO_EVENT = [
    ("2026-03-29 02:30", "Europe/Berlin", {}),  # set forward
    ("yesterday", "Europe/Berlin", {}),
    ("2026-03-03 22:15", "Berlin/Mitte", {}),
    ("2026-03-03 22:15", "../../etc/passwd", {}),
    ("0001-01-01", "Asia/Tokyo", {}),
    ("2027-03-03 22:15", "Europe/Berlin", {}),  # not yet
    ("2026-03-03 22:15", "Europe/Berlin", {"kind": "party"}),
    ("2026-03-03 22:15", "Europe/Berlin", {"text": "a\nb"}),
    ("2026-03-03 22:15", "Europe/Berlin", {"reference": "x" * 201}),
]


def test_event_that_cannot_be_is_refused(fleet):
    for at, zone, changes in NO_EVENT:
        with pytest.raises(PatchlineError) as refusal, fleet.register.change("rita", NOW) as change:
            given = {"site": "acme-main", "kind": "other", "text": "x", **changes}
            declared.add(change, NewEvent(at=read_time(at, zone), zone=zone, **given))
        assert refusal.value.code == "usage.customer-field"
