"""Somebody borrows a setup in a real browser and a keeper lends it; the broker does its part by a real OpenBao."""

from patchline.releaser import persons
from patchline.releaser.loans.brokering import tend
from patchline.releaser.register import opened
from patchline.releaser.tables.people import Role
from tests import lending, setups
from tests.bao import space
from tests.browser import serving
from tests.lending import MAKERS_PASSWORD, opens
from tests.pages import Visitor, make_app
from tests.registers import make_home
from tests.web.lending.conftest import untested

__all__ = ["space"]


def everything_shown(visitor, loan):
    pages = ("/setups/", "/setups/lab-1", "/setups/lab-1/borrow", "/loans/?ended=1", f"/loans/{loan}")
    forms = ("", "format=json", "format=csv")
    answers = [visitor.get(f"{page}{'&' if '?' in page else '?'}{form}") for page in pages for form in forms]
    return "".join(answer.text for answer in (*answers, visitor.get(f"/loans/{loan}/state?was=on-loan")))


def test_a_setup_is_borrowed_lent_and_given_back_and_no_page_holds_a_secret(browser, space, tmp_path):
    home = make_home("sqlite", tmp_path / "home")
    settings = home / "settings.toml"
    vault = f'vault_address = "{space.bao.address}"\nvault_namespace = "{space.name}"\n'
    settings.write_text(settings.read_text() + vault)
    with opened(home) as register:
        hotfix = untested(register, tmp_path / "life", setups.endpoint("db", setups.target_address()))
        lab = lending.prepared(register, space)
        lab.lend_users()
        with register.change("rita", lab.clock()) as change:
            persons.add(change, "sue", "Sue", [Role.SUPPORT])
        app = make_app(register, lab.clock)
        sue, ada = (Visitor(app, register, lab.clock.now).signed_in(name) for name in ("sue", "ada"))
        with (
            serving(app) as address,
            browser.reader(address, sue.cookie) as borrower,
            browser.reader(address, ada.cookie) as lender,
        ):
            page = borrower.open(f"/hotfixes/{hotfix}")
            page.get_by_role("link", name="Tested on").click()
            borrower.look("compatibility")
            page.get_by_role("link", name="borrow lab-1").click()
            assert page.get_by_label("What for").input_value() == f"Test {hotfix}-r1"
            page.get_by_label("Your team").fill("mobile")
            page.get_by_label("Until, UTC").fill(f"{lab.clock.now + 48 * lending.HOUR:%Y-%m-%dT%H:%M}")
            borrower.look("borrow")
            page.get_by_role("button", name="Ask for it").click()
            page.get_by_text("It waits until a keeper of setups, not sue, lends it.").wait_for()
            loan = page.url.rpartition("/")[2]

            desk = lender.open("/")
            desk.on("dialog", lambda asked: asked.accept())
            desk.get_by_role("link", name="Setups").click()
            lender.look("setups")
            desk.get_by_role("link", name="All loans and bookings").click()
            lender.look("loans")
            desk.get_by_role("link", name=loan).click()
            lender.look("loan-asked")
            desk.get_by_role("button", name="Lend lab-1").click()
            desk.get_by_text("a login of its own at each endpoint").wait_for()
            lender.look("loan-issuing")
            tend(lab.broker())
            desk.get_by_text("It is ready: sue opens it").wait_for()  # The page asked again by itself.

            page.reload()
            assert page.get_by_text(f"patchline loan open {loan}").is_visible()
            borrower.look("loan-lent")
            login = lab.login(loan)
            assert opens(login)
            shown = everything_shown(sue, loan) + everything_shown(ada, loan) + page.content()
            assert login.username in shown, "people see which login it is"
            for secret in (login.password, MAKERS_PASSWORD):
                assert secret not in shown
            desk.goto(f"{address}/setups/lab-1")
            desk.get_by_text("Change it").first.click()
            lender.look("setup")
            desk.goto(f"{address}/loans/{loan}")
            desk.get_by_role("button", name="Return lab-1").click()
            desk.get_by_text("it is back when each was seen to fail").wait_for()
            tend(lab.broker())
            desk.get_by_text("It is back: each of its logins was seen to fail").wait_for()
            assert not opens(login)
            lender.look("loan-returned")
