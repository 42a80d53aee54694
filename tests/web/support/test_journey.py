"""Support at work in a real browser: what do they have, how do we know, what do they lack, who is exposed."""

from tests.browser import serving
from tests.web.support.conftest import CVE, at_work, furnish


def test_support_answers_what_is_asked_on_every_call(browser, embedded, tmp_path):
    fleet = furnish(embedded, tmp_path / "life")
    sue = at_work(fleet)
    with serving(sue.app) as address, browser.reader(address, sue.cookie) as reader:
        page = reader.open("/")
        page.get_by_role("link", name="Support").click()
        reader.look("support")
        # Typing shows what may be meant; Enter goes to what is meant.
        page.get_by_label("Search").press_sequentially("acm", delay=20)
        page.get_by_role("link", name="acme-main").wait_for()
        reader.look("support-hits")
        page.get_by_label("Search").fill("acme ltd")
        page.get_by_label("Search").press("Enter")
        page.get_by_role("heading", name="Acme Ltd").wait_for()
        reader.look("support-customer")
        # How do we know, and what do they lack?
        page.get_by_role("link", name="acme-lab", exact=True).click()
        assert "Fetch and apply HF-2026-0001-r1" in page.inner_text("main")
        reader.look("support-site")
        page.get_by_role("link", name="History").click()
        reader.look("support-history")
        page.go_back()
        page.get_by_label("Between it and the site").fill("acme-main")
        page.get_by_role("button", name="Compare").click()
        reader.look("support-compare")
        page.go_back()
        page.get_by_role("link", name="Tell its level").click()
        reader.look("support-tell")
        # A mail with a report comes in, and is pasted.
        page.get_by_role("link", name="Support").click()
        page.get_by_role("link", name="reports", exact=True).click()
        page.get_by_label("The text of a mail").fill(fleet.report("acme-lab", "1.0", "HF-2026-0001-r1").decode())
        page.get_by_role("button", name="Take them").click()
        assert "1.0+HF-2026-0001-r1" in page.inner_text(".notice.good")
        reader.look("support-taken")
        page.get_by_label("On going to a baseline").fill("2.0")
        page.get_by_role("button", name="Show").first.click()
        reader.look("support-loses")
        # Who is exposed?
        page.get_by_role("link", name="Support").click()
        page.get_by_label("Search").fill(CVE)
        page.get_by_role("button", name="Find").click()
        page.get_by_role("heading", name=CVE).wait_for()
        page.get_by_text("As a picture").click()
        reader.look("support-exposure")
        page.get_by_role("link", name="1 unknown, bronze").click()
        assert "globex-silent" in page.inner_text("main")
        for path, name in (
            ("/support/fleet/", "support-fleet"),
            ("/support/fleet/demo", "support-product"),
            ("/support/fleet/adoption/HF-2026-0001", "support-adoption"),
            ("/support/reports/", "support-reports"),
            ("/support/sites/", "support-sites"),
            ("/support/customers/", "support-customers"),
        ):
            reader.open(path)
            reader.look(name)
