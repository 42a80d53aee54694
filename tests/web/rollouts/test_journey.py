"""A release manager takes a rollout through its stages in a real browser, then a recall comes."""

from tests.browser import serving
from tests.rings import HOTFIX
from tests.web.rollouts.conftest import Office

LABEL = f"{HOTFIX}-r1"


def test_a_rollout_goes_out_and_is_taken_back(browser, embedded, tmp_path):
    office = Office(embedded, tmp_path / "life")
    rita = office.visitor("rita")
    with serving(office.app) as address, browser.reader(address, rita.cookie) as reader:
        page = reader.open("/")
        page.on("dialog", lambda asked: asked.accept())
        page.get_by_role("link", name="Rollouts").click()
        page.get_by_text("Plan another one").click()
        page.get_by_label("Hotfix").fill(HOTFIX)
        page.get_by_label("Sites of the first stage").fill("acme-test")
        reader.look("rollouts")
        page.get_by_role("button", name="Plan it").click()
        page.get_by_role("button", name="Open the first stage").click()
        page.get_by_text("too few have applied it yet").wait_for()
        office.ground.applies("acme-test")
        office.ground.applies("acme-lab", pending=True)
        page.get_by_label("Site", exact=True).fill("globex-one")
        page.get_by_label("What was told").fill("orders get lost")
        page.get_by_role("button", name="Write it down").click()
        page.get_by_role("link", name="1 failed in stage 3").click()
        reader.look("rollout")
        page.get_by_text("Pause or stop it").click()
        page.get_by_label("Why").fill("look at globex")
        page.get_by_role("button", name="Pause it").click()
        page.get_by_text("Paused: look at globex").wait_for()
        page.get_by_role("link", name="tell customers").click()
        reader.look("notices")
        page.get_by_role("link", name="Rollouts").click()
        page.get_by_role("link", name="Freezes").click()
        page.fill("#begins", "2026-11-20")
        page.fill("#ends", "2026-12-24")
        page.fill("#reason", "year end")
        page.get_by_role("button", name="Freeze").click()
        reader.look("freezes")
        office.recall()
        page.get_by_role("link", name="Rollouts").click()
        page.get_by_role("link", name="Recalls").click()
        reader.look("recalls")
        page.get_by_role("link", name=LABEL).click()
        page.get_by_label("Of this site").fill("acme-test")
        page.get_by_label("Who says so").fill("Eve Ops")
        page.get_by_label("By what we know").fill("mail of 22 November")
        page.get_by_role("button", name="Keep it").click()
        page.get_by_text("rolled-back, says Eve Ops").wait_for()
        reader.look("recall")
