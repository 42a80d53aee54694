"""Who of a customer may use the portal; on both databases, since those refuse a second one of an address too."""

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from patchline.patches.errors import NotFoundError, RefusedError, StateError
from patchline.releaser.fleet.contacts import Person
from patchline.releaser.portal import acting, members
from patchline.releaser.tables.members import ADMIN, READER, Member
from tests.fleets import Fleet
from tests.registers import NOW

EVE, RON = Person("Eve", "Eve@acme.example"), Person("Ron", "ron@acme.example")


@pytest.fixture
def fleet(register):
    made = Fleet(register)
    made.customer("acme")
    made.customer("other")
    return made


def invite(register, customer="acme", person=EVE, role=ADMIN, by="rita"):
    with register.change(by, NOW) as change:
        return members.invite(change, customer, person, role)[0].id


def who(register, member):
    with register.read() as session:
        return acting.visitor(session, member)


def test_an_address_is_one_person_of_one_customer_at_a_time(register, fleet):
    eve = invite(register)
    assert invite(register, person=Person("Eve", "EVE@ACME.example")) == eve
    with pytest.raises(RefusedError):
        invite(register, "other")
    with pytest.raises(IntegrityError), register.database.write() as session:
        row = {"id": "x", "customer": "other", "name": "x", "address": "eve@acme.example", "role": READER}
        session.execute(insert(Member).values(**row, added=NOW, added_by="rita"))
    with register.change("rita", NOW) as change:
        members.end(change, "acme", "eve@ACME.example")
    assert who(register, eve) is None and invite(register, "other") != eve


def test_only_keepers_and_own_administrators_invite(register, fleet):
    with pytest.raises(RefusedError):
        invite(register, by="cleo")
    ron = who(register, invite(register, person=RON, role=READER))
    with pytest.raises(RefusedError), acting.attempt(register, "member.invite", "acme", ron, NOW) as change:
        members.invite_own(change, ron, EVE, READER)
    eve = who(register, invite(register))
    with acting.attempt(register, "member.invite", "acme", eve, NOW) as change:
        made, _ = members.invite_own(change, eve, Person("Ann", "ann@acme.example"), READER)
    assert made.customer == "acme" and made.added_by == eve.id


def test_the_last_administrator_stays_and_others_of_other_customers_are_not_there(register, fleet):
    eve, mallory = who(register, invite(register)), who(register, invite(register, "other", Person("M", "m@o.example")))
    with pytest.raises(StateError), acting.attempt(register, "member.end", "acme", eve, NOW) as change:
        members.end_own(change, eve, eve.id)
    with pytest.raises(NotFoundError), acting.attempt(register, "member.end", "other", mallory, NOW) as change:
        members.end_own(change, mallory, eve.id)
    with pytest.raises(StateError):
        invite(register, role=READER)


def test_who_was_ended_or_made_less_meanwhile_changes_nothing_any_more(register, fleet):
    invite(register, person=RON)
    eve = who(register, invite(register))
    invite(register, role=READER)
    with pytest.raises(RefusedError), acting.attempt(register, "token.make", "acme-main", eve, NOW):
        raise AssertionError("let in by what they were")
