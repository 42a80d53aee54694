"""Kits that customers order: made by a worker, fetched as long as the site may have what is in them."""

import hashlib
import zipfile
from datetime import timedelta
from io import BytesIO

import pytest
from ecdsa import NIST256p

from patchline.patches import sealed
from patchline.patches.errors import UsageError
from patchline.patches.keys import Kind
from patchline.releaser.fleet import telling
from patchline.releaser.fleet.telling import Wanted
from patchline.releaser.portal import kit_orders
from patchline.releaser.server_keys import KIT, server_keys_folder
from patchline.releaser.tables.people import Person
from patchline.releaser.work.carrying import carry_out
from patchline.releaser.work.jobs import Workshop
from tests import vendor
from tests.pages import Clock, make_app, text_of
from tests.portals import Guest
from tests.registers import NOW

PAGE = "/portal/sites/acme-main/kits/"


def no_passphrase(name):
    raise UsageError("no-passphrase", f"no passphrase was given for key {name}")


def seal(path, name, passphrase):
    """Put a key that follows from a name where the server's keys lie."""
    secret = hashlib.sha256(name.encode()).digest()
    secret = (int.from_bytes(secret) % NIST256p.order).to_bytes(32)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    sealed.write_private(path, sealed._seal(secret, Kind.P256, vendor.signer(name).public, passphrase, sealed.CHEAPEST))


@pytest.fixture
def told(shop):
    """The level is known; the kit's key is that of the test's vendor."""
    with shop.life.change() as change:
        telling.tell(change, "acme-main", Wanted("Eve", NOW, baseline="1.0"))
    seal(sealed.key_path(server_keys_folder(shop.register.home), KIT), "kit", b"known")
    return shop


def work(shop, number=1, passphrase=lambda _: b"known"):
    return carry_out(Workshop(shop.register, passphrase), number, lambda: shop.life.now)


def test_a_kit_is_ordered_made_and_fetched(told, eve):
    assert eve.send(PAGE, what="lacking").status_code == 303
    page = eve.get(PAGE)
    assert "1 kit is being made" in text_of(page) and "hx-get" in page.text
    assert work(told).outcome == "done"
    page = eve.get(PAGE)
    assert "hx-get" not in page.text and f"kit-1.zip 2026-11-22 12:00 UTC {told.label} done" in text_of(page)
    kit = eve.get(f"{PAGE}kit-1.zip")
    with zipfile.ZipFile(BytesIO(kit.data)) as found:
        assert any(name.endswith(".r1.zip") for name in found.namelist())
    assert hashlib.sha256(kit.data).hexdigest() == kit.headers["ETag"].strip('"')
    assert eve.get(f"{PAGE}kit-1.zip", headers={"Range": "bytes=9-"}).data == kit.data[9:]
    history = eve.get("/portal/downloads/?format=json").json["downloads"]
    assert [(row["how"], row["outcome"]) for row in history] == [("kit", "done")]
    assert told.events("kit.order") == 1 and told.events("kit.make") == 1


def test_a_kit_waits_until_somebody_has_the_key(told, eve):
    eve.send(PAGE, what="all")
    with pytest.raises(UsageError):
        work(told, passphrase=no_passphrase)
    assert "being made" in text_of(eve.get(f"{PAGE}now"))
    assert work(told).outcome == "done"
    assert work(told).told.startswith("kit with")  # Once more changes nothing.


def test_what_was_recalled_meanwhile_is_not_handed_out_in_a_kit(told, eve):
    eve.send(PAGE, what="lacking")
    work(told)
    told.life.recall(told.label, told.life.recall_file(told.label, "ada", "ben"))
    answer = eve.get(f"{PAGE}kit-1.zip", headers={"Accept": "text/html"})
    assert answer.status_code == 403 and "Order another kit" in text_of(answer)


def test_kits_are_of_their_site_and_go_after_some_days(told):
    clock = Clock()
    app = make_app(told.register, clock)
    eve, mallory = Guest(app, told), Guest(app, told, "Mallory", "other")
    eve.send(PAGE, what="lacking")
    work(told)
    assert mallory.get("/portal/sites/other-main/kits/kit-1.zip").status_code == 404
    assert mallory.get(f"{PAGE}kit-1.zip").status_code == 404
    for number in ("0", "2", "x", "9" * 30):
        assert eve.get(f"{PAGE}kit-{number}.zip").status_code in (400, 404)
    clock.now += timedelta(hours=1)
    assert eve.get(f"{PAGE}kit-1.zip").status_code == 200
    with told.register.read() as session:
        own = told.taker()
        found = kit_orders.listed(session, session.get_one(kit_orders.Site, own.site), NOW + timedelta(days=8))
        assert found[0].state == "gone"


def test_nobody_orders_without_end_or_without_a_level(told, eve, app):
    for _ in range(3):
        assert eve.send(PAGE, what="lacking").status_code == 303
    assert eve.send(PAGE, what="lacking").status_code == 409
    mallory = Guest(app, told, "Mallory", "other")
    assert mallory.send("/portal/sites/other-main/kits/").status_code == 409


def test_who_stands_for_the_portal_may_nothing(told, eve):
    eve.send(PAGE, what="lacking")
    with told.register.read() as session:
        found = session.get_one(Person, kit_orders.PORTAL)
        assert found.disabled is not None and not found.roles
