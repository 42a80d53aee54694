from datetime import timedelta

import pytest
from sqlalchemy import select, text

from patchline.patches.errors import PatchlineError
from patchline.releaser.fleet import folding, reports, restored
from patchline.releaser.fleet.sites import the_site
from patchline.releaser.tables.customers import SiteKey
from patchline.releaser.tables.fleet import EvidenceGrade, Report, UnknownHotfix
from tests.fleets import Fleet, layer
from tests.releaser.fleet.facts import check_caches, state


@pytest.fixture
def fleet(register):
    made = Fleet(register).product("demo", "1.0", "2.0")
    made.customer()
    made.site()
    made.enrolled()
    return made


def take(fleet, data, via=reports.HAND):
    fleet.now += timedelta(minutes=1)
    taken = reports.receive(fleet.register, data, via, "rita", fleet.now)
    check_caches(fleet.register)
    return taken


def a_layer(number=1, fleet=None):
    return layer(f"HF-2026-{number:04}", 1, f"{number:064x}")


def test_signed_report_moves_the_level_and_its_unknown_hotfixes_are_kept(fleet):
    taken = take(fleet, fleet.report("acme-main", "1.0", layers=[a_layer()]))
    assert (taken.verdict, taken.evidence, taken.unknown) == ("accepted", "signed-by-hand", ("HF-2026-0001-r1",))
    now = state(fleet.register)
    assert (now.baseline, now.label, now.evidence, now.unknown) == ("1.0", "1.0+HF-2026-0001-r1", "signed-by-hand", 1)
    assert "unknown here: HF-2026-0001-r1" in str(taken)
    assert take(fleet, fleet.report("acme-main", "1.0"), reports.ONLINE).evidence == "signed-online"
    with fleet.register.read() as session:
        assert session.scalars(select(UnknownHotfix)).all() == []


def test_same_report_is_kept_once_and_an_older_one_never_moves_the_level(fleet):
    first, second, third = (fleet.report("acme-main", "1.0", layers=[a_layer(n)]) for n in (1, 2, 3))
    assert take(fleet, first).verdict == "accepted"
    assert take(fleet, first).verdict == "repeated"
    assert take(fleet, third).verdict == "accepted"
    before = state(fleet.register)
    assert take(fleet, first).verdict == "replayed"
    assert take(fleet, second).verdict == "out-of-order"
    assert take(fleet, second).verdict == "replayed"
    assert state(fleet.register) == before
    with fleet.register.read() as session:
        assert len(session.scalars(select(Report)).all()) == 3


def test_altered_report_is_refused_kept_nowhere_and_told_in_the_audit_log(fleet):
    good = fleet.report("acme-main", "1.0")
    bad = bytearray(good)
    place = good.index(b'"sig":"') + 30
    bad[place] = ord("A") if bad[place] != ord("A") else ord("B")
    with pytest.raises(PatchlineError) as refused:
        take(fleet, bytes(bad))
    assert refused.value.code == "report.altered"
    with fleet.register.read() as session:
        assert session.scalars(select(Report)).all() == []
        assert b"report.take.refused" in session.execute(text("SELECT body FROM audit_event")).all()[-1][0]
    assert take(fleet, good).verdict == "accepted"


def test_key_that_nobody_confirmed_counts_as_carried_by_hand_until_somebody_does(fleet):
    fleet.site("other")
    fleet.enrolled("other", confirmed=False)
    assert take(fleet, fleet.report("other", "1.0"), reports.ONLINE).evidence == "signed-by-hand"
    with fleet.register.change("rita", fleet.now) as change:
        site = the_site(change.session, "other")
        change.session.scalars(select(SiteKey).where(SiteKey.site == site.id)).one().confirmed = fleet.now
        change.session.flush()
        folding.fold(change.session, site.id)
    assert state(fleet.register, "other").evidence == "signed-online"
    check_caches(fleet.register)


def test_keys_that_are_not_the_sites_or_ended_do_not_count(fleet):
    assert take(fleet, fleet.report("acme-main", "1.0", key="stranger")).verdict == "unknown-key"
    with pytest.raises(PatchlineError) as refused:
        take(fleet, fleet.report("acme-main", "1.0", key="stranger"), reports.ONLINE)
    assert refused.value.code == "report.unknown-key"
    with fleet.register.change("rita", fleet.now) as change:
        change.session.scalars(select(SiteKey)).one().ended = fleet.now
    assert take(fleet, fleet.report("acme-main", "1.0")).verdict == "ended-key"
    assert state(fleet.register).evidence == EvidenceGrade.NEVER


def test_report_of_a_site_without_a_key_counts_as_told(fleet):
    fleet.site("hand")
    data = fleet.report("hand", "1.0")
    assert take(fleet, data).verdict == "unknown-site"
    assert take(fleet, data).verdict == "unknown-site"
    [(_, taken)] = reports.receive_all(fleet.register, [("a", data)], "rita", fleet.now, site="hand")
    assert taken.verdict == "repeated"
    assert (state(fleet.register, "hand").evidence, state(fleet.register, "hand").baseline) == ("told", "1.0")
    fleet.enrolled("hand")
    with fleet.register.change("rita", fleet.now) as change:
        folding.fold(change.session, the_site(change.session, "hand").id)
    assert state(fleet.register, "hand").evidence == "signed-by-hand"
    check_caches(fleet.register)
    assert take(fleet, fleet.report("hand", "2.0")).verdict == "accepted"
    with pytest.raises(PatchlineError) as refused:
        list(reports.receive_all(fleet.register, [("a", data)], "rita", fleet.now, site="acme-main"))
    assert refused.value.code == "report.other-site"


def test_reports_from_the_future_or_of_another_product_do_not_count(fleet):
    late = (fleet.now + timedelta(hours=3)).isoformat(timespec="seconds")
    assert take(fleet, fleet.report("acme-main", "1.0", time=late)).verdict == "from-the-future"
    assert take(fleet, fleet.report("acme-main", "1.0", product="other")).verdict == "other-product"
    assert state(fleet.register).evidence == EvidenceGrade.NEVER
    assert take(fleet, fleet.report("acme-main", "1.0")).verdict == "accepted"


def test_restored_site_waits_for_a_person_and_then_goes_on(fleet):
    for baseline in ("1.0", "1.0", "2.0"):
        take(fleet, fleet.report("acme-main", baseline))
    fleet.now += timedelta(hours=3)
    again = fleet.report("acme-main", "1.0", counter=2)
    assert take(fleet, again).verdict == "restored-or-cloned"
    assert take(fleet, fleet.report("acme-main", "1.0", counter=4)).verdict == "restored-or-cloned"
    assert (state(fleet.register).contested, state(fleet.register).baseline) == (True, "2.0")
    fleet.site("copy")
    with pytest.raises(PatchlineError) as refused, fleet.register.change("rita", fleet.now) as change:
        restored.split(change, "acme-main", "copy")
    assert refused.value.code == "report.same-epoch"
    with fleet.register.change("rita", fleet.now) as change:
        assert restored.accept_restore(change, "acme-main").level == "1.0"
    check_caches(fleet.register)
    assert (state(fleet.register).contested, state(fleet.register).baseline) == (False, "1.0")
    assert take(fleet, fleet.report("acme-main", "2.0", counter=5)).verdict == "accepted"
    with pytest.raises(PatchlineError) as refused, fleet.register.change("rita", fleet.now) as change:
        restored.accept_restore(change, "acme-main")
    assert refused.value.code == "report.not-contested"


def test_clone_that_counts_anew_is_split_off_with_all_it_reported(fleet):
    take(fleet, fleet.report("acme-main", "1.0"))
    assert take(fleet, fleet.report("acme-main", "2.0", epoch="e2", counter=1)).verdict == "accepted"
    assert take(fleet, fleet.report("acme-main", "1.0", counter=2)).verdict == "restored-or-cloned"
    assert state(fleet.register).baseline == "2.0"
    fleet.site("copy")
    with fleet.register.change("rita", fleet.now) as change:
        decided = restored.split(change, "acme-main", "copy")
    assert (decided.level, decided.level_of_copy) == ("1.0", "2.0")
    check_caches(fleet.register)
    assert take(fleet, fleet.report("acme-main", "2.0", epoch="e2", counter=2)).site == "copy"
    assert take(fleet, fleet.report("acme-main", "1.0", counter=3)).site == "acme-main"
    assert not state(fleet.register).contested and not state(fleet.register, "copy").contested


def test_site_that_began_to_count_anew_while_the_other_is_silent_is_the_site(fleet):
    take(fleet, fleet.report("acme-main", "1.0"))
    assert take(fleet, fleet.report("acme-main", "2.0", epoch="e2", counter=1)).verdict == "accepted"
    assert take(fleet, fleet.report("acme-main", "2.0", epoch="e2", counter=2)).verdict == "accepted"


def test_many_are_taken_at_once_and_what_is_bad_among_them_stops_nothing(fleet):
    fleet.site("two")
    fleet.enrolled("two")
    brought = []
    for number in range(8):
        fleet.now += timedelta(minutes=1)
        brought.append((str(number), fleet.report(("acme-main", "two")[number % 2], "1.0", layers=[a_layer(number)])))
    brought += [("bad", b"x"), ("again", brought[0][1])]
    found = [
        (name, getattr(one, "verdict", None) or one.code)
        for name, one in reports.receive_all(fleet.register, brought, "rita", fleet.now)
    ]
    assert [one for _, one in found] == [*["accepted"] * 8, "report.text", "replayed"]
    check_caches(fleet.register)
    assert state(fleet.register, "two").label == "1.0+HF-2026-0007-r1"


def test_who_has_no_part_in_it_brings_no_report(fleet):
    with pytest.raises(PatchlineError) as refused:
        reports.receive(fleet.register, fleet.report("acme-main", "1.0"), reports.HAND, "ada", fleet.now)
    assert refused.value.code == "refused.role"


def test_a_report_stands_as_it_came(fleet):
    take(fleet, fleet.report("acme-main", "1.0"))
    with pytest.raises(PatchlineError), fleet.register.database.write() as session:
        session.execute(text("UPDATE report SET sha256 = 'x'"))
    with pytest.raises(PatchlineError), fleet.register.database.write() as session:
        session.execute(text("DELETE FROM report"))
