from datetime import timedelta

import pytest

from patchline.patches.errors import MalformedError, NotFoundError
from patchline.releaser.access import tries
from patchline.releaser.certificates import expiry_of
from patchline.releaser.measures import measure
from patchline.releaser.register import Register
from patchline.releaser.stores import Store
from patchline.releaser.tables.fleet import SiteState
from patchline.releaser.tables.work import Wish
from tests import bao
from tests.channels import begun
from tests.fleets import Fleet
from tests.registers import NOW, embedded, statements

__all__ = ["embedded"]
HOUR = timedelta(hours=1)


def test_expiries_and_the_last_renewal_of_a_channel_are_told_in_seconds(register):
    begun(Store.at(register.channel))
    found = measure(register, NOW + HOUR)
    assert set(found.expiries) == {"root", "kit-root", "targets", "hotfixes", "status", "snapshot", "timestamp"}
    assert found.expiries["timestamp"] == (timedelta(days=7) - HOUR).total_seconds()
    assert found.renewed == HOUR.total_seconds() and found.unread == []


def test_what_waits_is_counted_with_its_age_in_few_statements(register):
    with register.database.write() as session:
        for minutes in (5, 50):
            session.add(Wish(job="simulate", arguments={}, asked=NOW - timedelta(minutes=minutes), asked_by="rita"))
    with statements(register) as said:
        found = measure(register, NOW)
    assert (found.wishes, found.oldest) == (2, 3000)
    assert len(said) <= 6
    assert (found.workers is None) == register.database.is_sqlite


def test_what_cannot_be_read_is_named_and_hides_nothing(embedded, tmp_path):
    settings = embedded.settings.model_copy(
        update={"web_certificate": tmp_path / "none.pem", "vault_address": "http://127.0.0.1:9"}
    )
    found = measure(Register(embedded.home, settings, embedded.database), NOW)
    assert found.unread == ["certificate", "vault"] and found.vault == "unreachable"
    assert found.free["home"] > 0


def test_sites_are_counted_by_the_age_of_what_is_known_of_them(register):
    fleet = Fleet(register).product("demo", "4.1")
    fleet.customer()
    names = ("new", "old", "older", "silent")
    for name in names:
        fleet.site(name)
    ages = {"new": 1, "old": 40, "older": 400}
    with register.database.write() as session:
        for name, days in ages.items():
            state = session.get(SiteState, fleet.get(name).id)
            state.as_of, state.evidence = NOW - timedelta(days=days), "told"
    assert measure(register, NOW).evidence == {"week": 1, "month": 0, "quarter": 1, "older": 1, "never": 1}


def test_wrong_passwords_of_the_last_hour_are_counted_until_somebody_gets_in(register):
    with register.database.write() as session:
        for minutes in (90, 10, 5):
            counted = tries.of_address("vendor", f"10.0.0.{minutes}")
            tries.begin(session, counted, NOW - timedelta(minutes=minutes))
    assert measure(register, NOW).tries == 2
    with register.database.write() as session:
        tries.forget(session, tries.of_address("vendor", "10.0.0.5"), NOW)
    assert measure(register, NOW).tries == 1


def test_vault_tells_how_it_stands(embedded):
    settings = embedded.settings.model_copy(update={"vault_address": bao.shared().address})
    assert measure(Register(embedded.home, settings, embedded.database), NOW).vault == "active"


def test_a_file_without_a_certificate_is_told(tmp_path):
    (tmp_path / "none.pem").write_text("nothing")
    with pytest.raises(MalformedError, match="holds no certificate"):
        expiry_of(tmp_path / "none.pem")
    with pytest.raises(NotFoundError):
        expiry_of(tmp_path / "gone.pem")
