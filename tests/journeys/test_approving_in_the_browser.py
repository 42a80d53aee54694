"""From a submitted build to a customer's own check: engineer, two approvers and release manager, with real programs.

Ada signs in a browser, by keyboard; Ben on his own machine, after rebuilding. The customer's client counts both.
"""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from patchline.releaser.register import opened
from patchline.web.app import create_app
from patchline.web.asking import Office
from tests import office, shop
from tests.browser import browser, serving
from tests.conftest import NOTHING_MAY_BE_SKIPPED
from tests.office import HOTFIX, server
from tests.pages import Visitor
from tests.programs import run

__all__ = ["browser"]
BUNDLE = f"{HOTFIX}-r1.hotfix"
pytestmark = pytest.mark.skipif(
    not NOTHING_MAY_BE_SKIPPED, reason="a minute and more of real programs: PATCHLINE_REQUIRE_ALL=1"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A vendor with keys, register and channel; Bob has built and signed a hotfix and not submitted it."""
    shop.repository(tmp_path / "shop")
    shop.ceremony(tmp_path)
    office.found(tmp_path)
    for name in ("ada", "ben"):
        server(tmp_path, "sam", "person", "add", name, "--role", "engineer")
    server(tmp_path, "sam", "baseline", "add", "4.1.2", "--product", "shop", "--tag", "v4.1.2")
    named = ("--product", "shop", "--baseline", "4.1.2", "--title", "The total counts every item", "--fix", "BUG-7")
    server(tmp_path, "bob", "hotfix", "new", "--id", HOTFIX, *named)
    server(tmp_path, "bob", "hotfix", "build", HOTFIX, "--head", "v4.1.3", "--people", "people.toml")
    shop.person(tmp_path, "bob", "bundle", "sign", BUNDLE, "--key", "bob")
    return tmp_path


def test_a_hotfix_goes_from_its_engineer_to_a_customer_by_pages_and_two_kinds_of_signatures(
    folder, browser, monkeypatch
):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", office.environment(folder)["CREDENTIALS_DIRECTORY"])
    with opened(folder / "register") as register:
        app = create_app(Office(register))
        cookies = {
            name: Visitor(app, register, datetime.now(UTC)).signed_in(name).cookie
            for name in ("bob", "ada", "ben", "rita")
        }
        with serving(app) as address:
            with browser.reader(address, cookies["bob"]) as bob:
                _submit(bob, folder)
            with browser.reader(address, cookies["ada"]) as ada:
                _enrol(ada, folder)
                _sign_by_keyboard(ada)
            with browser.reader(address, cookies["ben"], accept_downloads=True) as ben:
                _approve_on_own_machine(ben, folder)
            with browser.reader(address, cookies["rita"]) as rita:
                _publish(rita, folder)
    _verify_as_customer(folder)


def _submit(bob, folder):
    page = bob.open(f"/hotfixes/{HOTFIX}")
    page.set_input_files("#provenance", folder / f"{BUNDLE}.provenance.jsonl")
    page.click(f"text=Submit {HOTFIX}-r1")
    page.wait_for_selector("text=approvers find it in their queue")


def _enrol(ada, folder):
    page = ada.open("/approvals/keys")
    page.wait_for_selector("#enrol button:enabled")
    page.focus("#device")
    page.keyboard.type("laptop")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=made, not yet in the policy")
    fingerprint = page.inner_text("td code.digest")
    with page.expect_download() as downloading:
        page.click("text=Enrolment of laptop")
    downloading.value.save_as(folder / "ada-laptop.enrolment")
    previous = ("--product", "shop", "--previous", "policy.json")
    made = ("--approver", "ada-laptop.enrolment", "--out", "policy-2.json")
    shop.person(folder, "olga", "trust", "policy", *previous, *made)
    for name in shop.OFFLINE[:2]:
        shop.person(folder, name, "trust", "sign", "policy-2.json", "--key", name, "--fingerprint", fingerprint)
    server(folder, "sam", "product", "policy", "shop", "policy-2.json")
    page = ada.open("/approvals/keys")
    page.wait_for_selector("text=in the policy of shop")


def _sign_by_keyboard(ada):
    page = ada.open("/approvals/")
    page.wait_for_selector("text=This device can.")
    page.focus(f"text={HOTFIX}-r1")
    page.keyboard.press("Enter")
    page.wait_for_selector("#sign button:enabled")
    assert "echo total: 42" in page.inner_text("pre.diff") and "echo total: 41" in page.inner_text("pre.diff")
    while page.evaluate("document.activeElement.textContent.trim()") != f"Sign {HOTFIX}-r1":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=approved by ada")


def _approve_on_own_machine(ben, folder):
    page, own = ben.open(f"/approvals/{HOTFIX}"), folder / "of-ben"
    for link in (BUNDLE, "its provenance"):
        with page.expect_download() as downloading:
            page.click(f"#main >> a:text-is('{link}')")
        downloading.value.save_as(own / downloading.value.suggested_filename)
    shown = shop.person(folder, "ben", "bundle", "show", own / BUNDLE).out
    assert page.inner_text(".fingerprint").strip() in shown
    signs = ("--key", "ben", "--trust", "shop.trust", "--yes", "--repo", "shop", "--people", "people.toml")
    shop.person(folder, "ben", "bundle", "approve", own / BUNDLE, *signs, "--out", "ben.approval")
    page.set_input_files("#approval", folder / "ben.approval")
    page.click("text=Hand it in")
    page.wait_for_selector("text=enough, it is approved")


def _publish(rita, folder):
    (folder / "out").mkdir()
    server(folder, "rita", "hotfix", "show", HOTFIX, "--save", "out")
    papers = ("--root", "root-2.json", "--policy", "policy-2.json", "--channel", "https://updates.example/shop")
    shop.person(folder, "olga", "trust", "file", *papers, "--out", "shop-2.trust")
    signs = ("--key", "release", "--trust", "shop-2.trust")
    shop.person(folder, "release", "bundle", "release", f"out/{BUNDLE}", *signs)
    page = rita.open(f"/hotfixes/{HOTFIX}")
    page.set_input_files("#line", folder / "out" / f"{BUNDLE}.sha256")
    page.set_input_files("#signature", folder / "out" / f"{BUNDLE}.sha256.sig")
    page.click(f"text=Publish {HOTFIX}-r1")
    page.wait_for_selector(f"text={HOTFIX}-r1 is published")
    page.on("dialog", lambda dialog: dialog.accept())
    page.fill("#reason", "it loses orders")
    page.click("button:text-is('Hold back')")
    page.wait_for_selector("text=is held back")
    page.click("text=Offer it again")
    page.wait_for_selector("text=is published again")


def _verify_as_customer(folder):
    """The customer's client, without any server, counts the signature of the browser as the policy says."""
    verified = run("patchline-site", "verify", f"out/{BUNDLE}", "--trust", "shop-2.trust", "--json", cwd=folder)
    assert verified.document["approved_by"] == ["ada", "ben"]
    sidecar = folder / "out" / f"{BUNDLE}.approvals.jsonl"
    lines = sidecar.read_bytes().splitlines(keepends=True)
    sidecar.write_bytes(lines[0])
    alone = run("patchline-site", "verify", f"out/{BUNDLE}", "--trust", "shop-2.trust", cwd=folder, expect=21)
    assert "0 of 1 approvals were made independently of the server" in alone.err
