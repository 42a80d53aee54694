"""An evening of Eve's, who applies hotfixes at a customer, in a real browser: click by click."""

import hashlib
from datetime import timedelta
from pathlib import Path

from patchline.releaser.fleet import telling
from patchline.releaser.fleet.telling import Wanted
from tests.browser import serving
from tests.fleets import Fleet
from tests.portals import invited
from tests.registers import NOW

PASSWORD = "otter violin candle harbour"


def test_eve_comes_in_fetches_reports_and_answers_a_recall(browser, shop, app, tmp_path):
    fleet = Fleet(shop.register, now=NOW)
    fleet.enrolled("acme-main")
    report = tmp_path / "report.jsonl"
    report.write_bytes(fleet.report("acme-main", "1.0", shop.label))
    with shop.life.change() as change:
        telling.tell(change, "acme-main", Wanted("Eve", NOW - timedelta(days=3), baseline="1.0"))
    _, token = invited(shop, "Eve")
    with serving(app) as address, browser.reader(address, accept_downloads=True) as eve:
        page = eve.open(f"/portal/link/{token}")
        eve.look("portal-link")
        page.get_by_label("New password").fill(PASSWORD)
        page.get_by_label("The same again").fill(PASSWORD)
        page.get_by_role("button", name="Set it and sign in").click()
        assert "1 moderate fix available" in page.locator("main").inner_text()
        eve.look("portal-overview")
        page.get_by_role("button", name="Show 1 hotfix for it").click()
        eve.look("portal-site")
        page.get_by_role("link", name=shop.label).click()
        page.get_by_text("Check by hand who released it").click()
        eve.look("portal-hotfix")
        with page.expect_download() as waiting:
            page.get_by_role("button", name=f"Download {shop.label}.zip").click()
        fetched = Path(waiting.value.path()).read_bytes()
        assert hashlib.sha256(fetched).hexdigest() == shop.revision().zip_sha256
        assert waiting.value.suggested_filename == f"{shop.label}.zip"
        _kit(eve)
        page.get_by_role("link", name=shop.label).click()
        _report(eve, report)
        _token(eve)
        _people(eve)
        for name in ("Downloads", "What we know"):
            page.get_by_role("navigation", name="Sections").get_by_role("link", name=name).click()
            eve.look(f"portal-{name.lower().replace(' ', '-')}")
        shop.life.recall(shop.label, shop.life.recall_file(shop.label, "ada", "ben"))
        _recall(eve)
        page.get_by_role("button", name="Sign out").click()
        eve.look("portal-sign-in")
        page.get_by_label("Your mail address").fill("eve@acme.example")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        assert "How your sites stand" in page.locator("main").inner_text()


def _report(eve, report):
    page = eve.page
    page.get_by_role("link", name="Report the level").click()
    eve.look("portal-report")
    page.get_by_label("The file").set_input_files(report)
    page.get_by_role("button", name="Show what it says").click()
    eve.look("portal-preview")
    page.get_by_role("button", name="Send it").click()
    assert "Received" in page.get_by_role("status").inner_text()
    assert "nothing to do" in page.locator("main").inner_text()


def _kit(eve):
    page = eve.page
    page.get_by_role("link", name="acme-main").click()
    page.get_by_role("link", name="order a kit").click()
    page.get_by_role("button", name="Order a kit").click()
    assert "Kit 1 is ordered" in page.locator("main").inner_text()
    eve.look("portal-kits")
    page.get_by_role("link", name="acme-main").click()


def _token(eve):
    page = eve.page
    page.get_by_role("link", name="Tokens").click()
    page.get_by_label("What for").fill("the night of the 12th")
    page.get_by_role("button", name="Make a token").click()
    assert "Authorization: Bearer plt_" in page.locator("main").inner_text()
    eve.look("portal-token")
    page.get_by_role("link", name="I have saved it").click()
    eve.look("portal-tokens")


def _people(eve):
    page = eve.page
    page.get_by_role("link", name="People").click()
    eve.look("portal-people")
    page.get_by_label("Name", exact=True).fill("Ron Night")
    page.get_by_label("Mail address").fill("ron@acme.example")
    page.get_by_role("button", name="Make a link").click()
    assert "/portal/link/" in page.locator("main").inner_text()
    page.get_by_role("link", name="Back to the people").click()
    assert "Ron Night" in page.locator("main").inner_text()


def _recall(eve):
    page = eve.page
    page.get_by_role("link", name="Overview").click()
    assert "act now" in page.locator("main").inner_text()
    eve.look("portal-recalled")
    page.get_by_role("link", name="say what was done").click()
    eve.look("portal-recalls")
    page.get_by_label("What was done").select_option(label="It was taken back")
    page.get_by_role("button", name="Say it about").click()
    assert "rolled-back, says Eve" in page.locator("main").inner_text()
