"""Kits by what the register knows of a site: what goes in, what does not and why, and what is recorded of both."""

from datetime import timedelta

import pytest

from patchline.patches.errors import PatchlineError
from patchline.releaser.fleet import entitlements, site_kits, telling
from patchline.releaser.fleet.entitlements import NewEntitlement
from patchline.releaser.fleet.site_kits import Order, make_site_kit
from patchline.releaser.fleet.telling import Wanted
from patchline.releaser.stores import Store
from patchline.releaser.tables.fleet import Download
from patchline.releaser.tables.hotfixes import Revision
from tests import vendor
from tests.fleets import Fleet
from tests.hotfixes import Life, changed
from tests.registers import statements


@pytest.fixture
def life(register, tmp_path):
    (tmp_path / "files").mkdir()
    made = Life(register, tmp_path / "files").prepare()
    fleet = Fleet(register)
    fleet.customer("acme")
    fleet.site("acme-main")
    made.both = [made.published(files=[changed(f"{name}.txt", f"{name}0\n".encode(), b"new\n")]) for name in "bc"]
    return made


def tell(life, *hotfixes):
    life.later(hours=1)
    with life.change() as change:
        telling.tell(change, "acme-main", Wanted("Eve", life.now, baseline="1.0", hotfixes=hotfixes))


def grant(life, **given):
    with life.change() as change:
        entitlements.add(change, NewEntitlement("acme", "demo", **given))


def kit(life, name="kit", times=(), by="rita"):
    clock = iter([*times, *[life.now] * 2]).__next__
    order = Order("acme-main", life.folder / name, by, clock)
    made, _ = make_site_kit(life.register, Store.at(life.register.channel), vendor.signer("kit"), order)
    return [offer.label for offer in made.choice.releases], {one.label: one.why for one in made.choice.left_out}


def downloads(life):
    with life.register.read() as session:
        rows = session.query(Download, Revision).join(Revision, Revision.id == Download.revision).order_by(Download.id)
        return [(f"{revision.hotfix}-r{revision.number}", row.how, row.outcome) for row, revision in rows]


def refused(code, act, *arguments, **more):
    with pytest.raises(PatchlineError) as refusal:
        act(*arguments, **more)
    assert refusal.value.code == code


def test_site_gets_what_it_lacks_and_may_have_and_both_are_recorded(life):
    second = f"{life.both[1]}-r1"
    refused("state.level-unknown", kit, life)
    tell(life, life.both[0])
    went, left = kit(life, "nothing")
    assert went == [] and "not entitled" in left[second]
    assert downloads(life) == [(second, "kit", "not-entitled")]
    grant(life, line="1.*", until=life.now + timedelta(days=1))
    assert kit(life, "one") == ([second], {})
    assert list((life.folder / "one").rglob("*.zip")) and not list((life.folder / "nothing").rglob("*.zip"))
    assert downloads(life)[1:] == [(second, "kit", "done")]
    life.recall(life.both[1], life.recall_file(life.both[1], "ada", "ben"))
    assert kit(life, "recalled")[0] == [], "no path serves what was recalled"
    refused("refused.role", kit, life, "ada", by="ada")


def test_entitlement_that_ends_in_mid_making_ends_the_kit(life):
    tell(life)
    grant(life, until=life.now + timedelta(minutes=1))
    refused("entitlement.expired", kit, life, times=[life.now, life.now + timedelta(minutes=1)])
    assert not (life.folder / "kit").exists() and downloads(life) == []


def test_what_a_site_may_have_takes_the_same_statements_for_any_number(life):
    tell(life)
    with life.register.read() as session, statements(life.register) as said:
        assert len(site_kits.need(session, "acme-main", life.now).withheld) == 2
    first = len(said)
    life.published(files=[changed("a.txt", b"old\n", b"a\n")])
    with life.register.read() as session, statements(life.register) as said:
        assert len(site_kits.need(session, "acme-main", life.now).withheld) == 3
    assert len(said) == first
