import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from patchline.patches.errors import ReportError
from patchline.releaser.fleet import check_ins, entitlements
from patchline.releaser.fleet.check_ins import Desk
from patchline.releaser.fleet.entitlements import NewEntitlement
from patchline.releaser.fleet.receiving import SITES
from patchline.releaser.fleet.sites import the_site
from patchline.releaser.tables.check_ins import CheckIn
from patchline.releaser.tables.fleet import Report
from tests.fleets import Fleet
from tests.hotfixes import Life
from tests.registers import NOW, statements
from tests.releaser.fleet.facts import check_caches, state

SOON = timedelta(minutes=1)


@pytest.fixture
def life(register, tmp_path):
    (tmp_path / "files").mkdir()
    life = Life(register, tmp_path / "files").prepare()
    fleet = Fleet(register)
    fleet.customer()
    fleet.site()
    fleet.enrolled()
    with register.change("rita", NOW) as change:
        entitlements.add(change, NewEntitlement("acme", "demo"))
    return life, fleet, Desk(register)


def check_in(desk, data, now=NOW):
    reply = desk.check_in(data, now)
    assert json.loads(reply.answer)["site"] == reply.site
    return reply


def new(reply):
    return [one["hotfix"] for one in json.loads(reply.answer)["new"]]


def test_report_is_taken_and_the_site_hears_what_is_new(life):
    life, fleet, desk = life
    data = fleet.report("acme-main", "1.0")
    first = check_in(desk, data)
    assert (first.site, first.verdict, new(first)) == ("acme-main", "accepted", [])
    assert state(fleet.register).evidence == "signed-online"
    check_caches(fleet.register)
    label = life.published() + "-r1"
    again = check_in(desk, data, life.now + SOON)
    assert (again.verdict, new(again)) == ("repeated", [label])
    assert again.etag != first.etag
    fleet.now = life.now + SOON
    applied = check_in(desk, fleet.report("acme-main", "1.0", label), fleet.now)
    assert (applied.verdict, new(applied)) == ("accepted", [])


def test_same_news_have_the_same_name_and_cost_no_write(life):
    _, fleet, desk = life
    data = fleet.report("acme-main", "1.0")
    first = check_in(desk, data)
    with statements(fleet.register) as said:
        second = check_in(desk, data, NOW + SOON / 100)
    assert (second.etag, second.answer, second.verdict) == (first.etag, first.answer, "repeated")
    assert len(said) == 1 and said[0].startswith("SELECT")


def test_entitlement_that_is_given_or_ends_changes_the_news(life):
    life, fleet, desk = life
    label = life.published() + "-r1"
    data = fleet.report("acme-main", "1.0")
    assert new(check_in(desk, data, life.now)) == [label]
    with fleet.register.change("rita", life.now) as change:
        row = entitlements.listed(change.session, 1)[0]
        entitlements.end(change, row.id)
    assert new(check_in(desk, data, life.now + SOON)) == []


def test_what_ends_by_time_alone_is_noticed(life):
    life, fleet, desk = life
    label = life.published() + "-r1"
    with fleet.register.change("rita", life.now) as change:
        entitlements.end(change, entitlements.listed(change.session, 1)[0].id)
        until = life.now + timedelta(minutes=5)
        entitlements.add(change, NewEntitlement("acme", "demo", until=until))
    data = fleet.report("acme-main", "1.0")
    assert new(check_in(desk, data, life.now)) == [label]
    assert new(check_in(desk, data, life.now + timedelta(minutes=11))) == []


def test_recall_is_told_by_number_and_by_name(life):
    life, fleet, desk = life
    label = life.published() + "-r1"
    fleet.now = life.now
    data = fleet.report("acme-main", "1.0", label)
    before = json.loads(check_in(desk, data, life.now).answer)
    life.recall(label, life.recall_file(label, "ada", "ben"))
    after = json.loads(check_in(desk, data, life.now + SOON).answer)
    assert (before["recalled"], after["recalled"]) == ([], [label])
    assert after["recalls"] > (before["recalls"] or 0)


def test_old_report_sent_again_moves_nothing(life):
    _, fleet, desk = life
    first, second = fleet.report("acme-main", "1.0"), fleet.report("acme-main", "1.0")
    check_in(desk, first)
    check_in(desk, second)
    assert check_in(desk, first).verdict == "replayed"
    assert check_in(desk, second).verdict == "repeated"


@pytest.mark.parametrize("kind", ["stranger", "altered", "unsigned", "text", "large", "several"])
def test_whoever_is_no_known_site_is_refused_and_leaves_nothing(kind, life):
    _, fleet, desk = life
    good = fleet.report("acme-main", "1.0")
    data = {
        "stranger": lambda: fleet.report("acme-main", "1.0", key="stranger"),
        "altered": lambda: good.replace(b'payload":"ey', b'payload":"eY'),
        "unsigned": lambda: json.dumps({**json.loads(good), "signatures": []}, separators=(",", ":")).encode(),
        "text": lambda: b"hello",
        "large": lambda: b" " * (9 << 20),
        "several": lambda: good + fleet.report("acme-main", "1.0"),
    }[kind]()
    with pytest.raises(ReportError):
        desk.check_in(data, NOW)
    with fleet.register.read() as session:
        assert session.scalar(select(func.count()).select_from(Report)) == 0


def test_site_out_of_service_hears_nothing(life):
    _, fleet, desk = life
    data = fleet.report("acme-main", "1.0")
    check_in(desk, data)
    with fleet.register.database.write() as session:
        the_site(session, "acme-main").retired = NOW
    with pytest.raises(ReportError, match="out of service"):
        desk.check_in(data, NOW)


def test_many_sites_at_once_are_written_together_and_none_is_lost(life):
    _, fleet, desk = life
    names = [fleet.enrolled(fleet.site(f"plant-{number}")) for number in range(24)]
    reports = [fleet.report(name, "1.0") for name in names]
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda data: desk.check_in(data, NOW), [*reports, *reports]))
    assert [reply.site for reply in replies] == names * 2
    with fleet.register.read() as session:
        assert sorted(session.scalars(select(Report.taken_by))) == [SITES] * 24
        assert session.scalar(select(func.count()).select_from(CheckIn)) == 24
    check_caches(fleet.register)


def test_that_a_site_was_heard_is_written_down_once_an_hour(life):
    _, fleet, desk = life
    data = fleet.report("acme-main", "1.0")
    for minutes, heard in ((0, 0), (9, 0), (70, 70)):
        check_in(desk, data, NOW + timedelta(minutes=minutes))
        with fleet.register.read() as session:
            assert session.scalar(select(CheckIn.heard)) == NOW + timedelta(minutes=heard)


def test_news_of_a_site_that_never_reported_say_so_little(life):
    _, fleet, _ = life
    with fleet.register.read() as session:
        told = check_ins.news(session, fleet.get("acme-main"), NOW)
    assert told["new"] == [] and told["recalled"] == []
