import json
from dataclasses import replace
from datetime import timedelta

import pytest

from patchline.releaser.fleet.declared import NewEvent, add
from patchline.releaser.fleet.history import history
from patchline.releaser.fleet.sites import the_site
from patchline.releaser.tables.fleet import Download
from tests.hotfixes import changed
from tests.programs import run
from tests.registers import statements
from tests.releaser.fleet.a_march import a_march, day


@pytest.fixture
def march(register):
    return a_march(register)


def events(march, site="acme-main"):
    with march.register.read() as session:
        return history(session, the_site(session, site)).events


def told(march):
    return [(one.at.day, one.kind, one.what) for one in events(march) if one.kind != "reported"]


def test_what_reports_show_becomes_events_with_the_sites_own_times(march):
    march.report(day(3), march.one, at=day(2))
    march.report(day(20), march.two, at=day(19))
    assert told(march) == [
        (2, "applied", march.one),
        (19, "applied", march.two),
        (20, "rolled back", march.one),
    ]
    gone = events(march)[-2]
    assert (gone.since, gone.evidence) == (day(3), "signed report carried by hand")
    assert [one.what for one in events(march) if one.kind == "reported"] == [f"1.0+{march.one}", f"1.0+{march.two}"]


def test_change_number_of_an_apply_stands_in_the_history(march):
    (layer,) = march.fleet.layers(march.one)
    march.report(day(3), layers=[replace(layer, reference="CHG-7")])
    march.report(day(4), layers=[layer])
    (applied,) = (one for one in events(march) if one.kind == "applied")
    assert applied.reference == "CHG-7"


def test_replaced_hotfix_and_new_baseline_are_not_told_as_rolled_back(march):
    both = march.hotfix(3, [changed("c.txt", b"c0\n", b"c1\n")], "BUG-1", "BUG-3")
    march.report(day(3), march.one, march.two, at=day(2))
    march.report(day(10), both, march.two, at=day(2))
    march.report(day(20), baseline="2.0", layers=[], hotfixes=[])
    found = told(march)
    assert (10, "replaced", f"{march.one} by {both}") in found
    assert (20, "baseline", "1.0 to 2.0") in found
    assert (20, "replaced", f"{march.two} by another baseline") in found
    assert not [one for one in found if one[1] == "rolled back"]


def test_declared_events_downloads_and_recalls_stand_on_the_same_line_of_time(march):
    march.report(day(3), march.one, at=day(2))
    march.declare(day(5), "load-balancer", "new one in front", reference="CHG-17")
    with march.register.database.write() as session:
        session.add(Download(customer="acme", site=None, revision=1, at=day(1), how="hand", outcome="done"))
        session.add(Download(customer="acme", site=None, revision=2, at=day(1), how="hand", outcome="expired"))
    march.recall(march.one, day(9))
    assert told(march) == [
        (1, "downloaded", f"{march.one}, hand, for no site in particular"),
        (1, "not downloaded", f"{march.two}: expired, hand, for no site in particular"),
        (2, "applied", march.one),
        (5, "declared", "load-balancer: new one in front"),
        (9, "recalled", march.one),
    ]
    assert next(one.reference for one in events(march) if one.kind == "declared") == "CHG-17"


def test_nodes_stand_in_the_history_of_their_site_and_statements_stand_still(march):
    march.report(day(3), march.one, at=day(2))
    with statements(march.register) as before:
        events(march)
    march.fleet.site("acme-node", part_of="acme-main")
    march.report(day(4), march.one, march.two, at=day(2))
    with march.register.change("rita", day(6)) as change:
        add(change, NewEvent("acme-node", "database", day(6), "Asia/Kolkata", "moved"))
    with statements(march.register) as after:
        assert {one.node.name for one in events(march)} == {"acme-main", "acme-node"}
    assert len(before) == len(after) <= 12


def test_page_shows_both_clocks_and_nobody_but_by_alias(march, tmp_path):
    march.report(day(3), march.one, at=day(2), late=timedelta(days=2))
    march.declare(day(5), "upgrade", "new release", reference="CHG-17", told_by="Mrs Gold")
    home = ["--home", march.register.home]
    page = tmp_path / "page.txt"
    run("patchline", "history", "acme-main", "--from", "2026-03-01", "--to", "2026-03-31", "--out", page, *home)
    text = page.read_text()
    assert text.startswith("History of S-7 (K-7), demo\ntimes in UTC and in Europe/Berlin; made ")
    assert f"2026-03-02 12:00 UTC  2026-03-02 13:00 CET  applied      {march.one}" in text
    assert "known by: signed report carried by hand" in text and "change CHG-17" in text
    assert "(received 2026-03-05)" in text
    for private in ("acme", "Acme", "hall 3", "Mrs Gold", "rita"):
        assert private not in text
    again = run("patchline", "history", "acme-main", "--out", page, *home, expect=12)
    assert "exists" in again.err
    asked = json.loads(run("patchline", "history", "acme-main", "--from", "2026-03-05", "--json", *home).out)
    assert [one["kind"] for one in asked["events"]] == ["declared"]
    assert asked["events"][0]["local"] == "2026-03-05T13:00:00+01:00"
    assert "nothing is known" in run("patchline", "history", "acme-main", "--to", "2026-01-01", *home).out
    assert "a customer" in run("patchline", "history", "acme", *home, expect=2).err
