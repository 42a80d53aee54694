from datetime import timedelta

import pytest
from argon2 import PasswordHasher

from patchline.patches.errors import AccessError, LinkError, PasswordError, RefusedError, TriesError
from patchline.releaser.access import accounts, links, passwords, web_sessions
from patchline.releaser.access.accounts import NewPassword, Trying
from patchline.releaser.tables.access import VENDOR, Account
from patchline.releaser.tables.audit import AuditEvent
from tests.programs import run
from tests.registers import NOW

GOOD, BETTER = "copper lantern over seven hills", "nine quiet rivers of glass"


def link_for(register, person, now=NOW):
    with register.change("rita", now) as change:
        return accounts.offer_link(change, person).token


def enrolled(register, person="ada", password=GOOD):
    accounts.set_by_link(register, link_for(register, person), password, password, NOW)


def sign_in(register, name="ada", password=GOOD, address="192.0.2.7", now=NOW):
    return accounts.sign_in(register, name, password, address, now)


def actions(register):
    with register.read() as session:
        return [event.body.decode().split('"')[3] for event in session.query(AuditEvent)]


@pytest.fixture
def computed(monkeypatch):
    """What was compared with, in order; the real work is done."""
    seen = []

    class Told(PasswordHasher):
        def verify(self, kept, password):
            seen.append(kept)
            return super().verify(kept, password)

    monkeypatch.setattr(passwords, "_hasher", Told(time_cost=3, memory_cost=32_768, parallelism=1))
    return seen


def test_a_link_sets_the_password_once_and_is_told_in_the_log(register):
    token = link_for(register, "ada")
    assert accounts.set_by_link(register, token, GOOD, GOOD, NOW) == "ada"
    assert sign_in(register) == sign_in(register, " Ada ") == "ada"
    with pytest.raises(LinkError, match="used already"):
        accounts.set_by_link(register, token, BETTER, BETTER, NOW)
    assert actions(register)[:3] == ["account.link", "account.password", "account.sign-in"]
    with register.read() as session:
        bodies = b"".join(event.body for event in session.query(AuditEvent))
        kept = session.get(Account, (VENDOR, "ada")).password
    assert token.encode() not in bodies and GOOD.encode() not in bodies and GOOD not in kept


def test_links_end_after_a_day_and_when_a_newer_one_is_made(register):
    old, new = link_for(register, "ada"), link_for(register, "ada")
    with pytest.raises(LinkError, match="newer one"):
        accounts.set_by_link(register, old, GOOD, GOOD, NOW)
    with pytest.raises(LinkError, match="too old"):
        accounts.set_by_link(register, new, GOOD, GOOD, NOW + links.LIFE)
    with pytest.raises(LinkError, match="not known"):
        accounts.set_by_link(register, "x" * 5000, GOOD, GOOD, NOW)


def test_a_link_of_who_was_disabled_sets_nothing(register):
    token = link_for(register, "ada")
    with register.database.write() as session:
        session.connection().exec_driver_sql("UPDATE person SET disabled = added WHERE id = 'ada'")
    with pytest.raises(RefusedError, match="was disabled"):
        accounts.set_by_link(register, token, GOOD, GOOD, NOW)
    with register.change("rita", NOW) as change, pytest.raises(RefusedError, match="was disabled"):
        accounts.offer_link(change, "ada")


def test_only_who_manages_releases_makes_links(register):
    with register.change("ben", NOW) as change, pytest.raises(RefusedError, match="is no release-manager"):
        accounts.offer_link(change, "ada")


def test_unknown_disabled_unenrolled_waiting_and_wrong_hear_the_same_after_the_same_work(register, computed):
    enrolled(register, "ada")
    enrolled(register, "bob")
    enrolled(register, "ben")
    with register.database.write() as session:
        session.connection().exec_driver_sql("UPDATE person SET disabled = added WHERE id = 'bob'")
    for _ in range(5):
        with pytest.raises(AccessError):
            sign_in(register, "ben", "wrong words of nobody", address="192.0.2.99")
    computed.clear()
    heard = set()
    for name, password in (
        ("ada", "wrong words of nobody"),
        ("bob", GOOD),
        ("cleo", GOOD),
        ("nobody", GOOD),
        ("a\0 b' OR 1=1", GOOD),
        ("ben", GOOD),
    ):
        with pytest.raises(AccessError) as refused:
            sign_in(register, name, password)
        heard.add((refused.value.code, refused.value.message, refused.value.hint))
    assert len(heard) == 1
    assert [kept[:30] for kept in computed] == [passwords.NOBODYS[:30]] * 6


def test_pauses_keep_even_the_right_password_out_and_are_told_in_the_log(register):
    enrolled(register)
    for step in range(6):
        with pytest.raises(AccessError):
            sign_in(register, password="wrong words of nobody", now=NOW + timedelta(seconds=step))
    with pytest.raises(AccessError):
        sign_in(register, now=NOW + timedelta(seconds=6))
    assert sign_in(register, now=NOW + timedelta(seconds=8)) == "ada"
    assert actions(register).count("account.pause") == 1
    assert sign_in(register, now=NOW + timedelta(seconds=8)) == "ada"


def test_one_address_that_tries_many_names_is_told_to_wait_before_any_work(register, computed, monkeypatch):
    monkeypatch.setattr(passwords, "NOBODYS", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("x"))
    for number in range(30):
        with pytest.raises(AccessError):
            sign_in(register, f"name{number}", "wrong words of nobody")
    computed.clear()
    with pytest.raises(TriesError) as refused:
        sign_in(register, "ada")
    assert refused.value.http_status == 429 and not computed


def test_setting_a_password_ends_links_and_all_other_sessions(register):
    enrolled(register)
    with register.database.write() as session:
        mine, other = (web_sessions.begin(session, VENDOR, "ada", "password", NOW) for _ in range(2))
        bens = web_sessions.begin(session, VENDOR, "ben", "password", NOW)
    token = link_for(register, "ada")
    me = Trying(VENDOR, "ada", "ada", "192.0.2.7")
    with pytest.raises(AccessError):
        accounts.change_password(register, me, BETTER, NewPassword(BETTER, BETTER), NOW, "")
    with pytest.raises(PasswordError, match="differ"):
        accounts.change_password(register, me, GOOD, NewPassword(BETTER, GOOD), NOW, "")
    accounts.change_password(register, me, GOOD, NewPassword(BETTER, BETTER), NOW, web_sessions.digest(mine))
    with register.read() as session:
        alive = [web_sessions.find(session, VENDOR, one, NOW) is not None for one in (mine, other, bens)]
    assert alive == [True, False, True]
    with pytest.raises(LinkError):
        accounts.set_by_link(register, token, GOOD, GOOD, NOW)
    assert sign_in(register, password=BETTER) == "ada"


def test_a_password_kept_at_another_cost_is_kept_anew_when_it_is_used(register):
    enrolled(register)
    with register.database.write() as session:
        session.get(Account, (VENDOR, "ada")).password = PasswordHasher(1, 8, 1).hash(GOOD)
    assert sign_in(register) == "ada"
    with register.read() as session:
        assert not passwords.is_outdated(session.get(Account, (VENDOR, "ada")).password)
    assert sign_in(register) == "ada"


def test_the_command_makes_a_link_for_a_person(register):
    said = run("patchline", "person", "link", "ada", "--home", register.home, "--as", "rita", "--json").document
    base, _, token = said["link"].rpartition("/")
    assert base == "http://localhost:8080/sign-in/link"
    with register.read() as session:
        assert links.subject_of(session, VENDOR, token, NOW) == "ada"
    refused = run("patchline", "person", "link", "ada", "--home", register.home, "--as", "ben", "--json", expect=12)
    assert refused.document["error"] == "refused.role"
