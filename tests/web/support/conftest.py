"""What tests of support's pages share: two customers with four sites, one hotfix that mends a CVE."""

import pytest

from patchline.releaser import persons
from patchline.releaser.fleet import contacts, declared, entitlements
from patchline.releaser.fleet.declared import NewEvent
from patchline.releaser.fleet.entitlements import NewEntitlement
from patchline.releaser.fleet.reports import HAND, receive
from patchline.releaser.issues import Mark, NewIssue, Status, add_issue
from patchline.releaser.register import opened
from patchline.releaser.tables.people import Role
from tests.browser import browser
from tests.conftest import NOTHING_MAY_BE_SKIPPED
from tests.fleets import Fleet
from tests.hotfixes import Life
from tests.pages import Visitor, make_app
from tests.registers import BACKENDS, NOW, embedded, make_home
from tests.samples import fix

__all__ = ["browser", "embedded"]
CVE, HOTFIX = "CVE-2026-1111", "HF-2026-0001"
HOSTILE = "<script>alert(1)</script>\"'"


def furnish(register, folder):
    """Fill a register; Sue is support, Rita manages releases."""
    folder.mkdir()
    life = Life(register, folder, NOW).prepare()
    life.add_baseline("2.0")
    mends = {"fixes": [fix("BUG-1", cve=[CVE])], "severity": "critical"}
    assert life.published(wanted={"title": "Mend BUG-1"}, **mends) == HOTFIX
    fleet = Fleet(register)
    with register.change("rita", NOW) as change:
        persons.add(change, "sue", "Sue", [Role.SUPPORT])
        issue = NewIssue("BUG-1", "demo", f"Orders {HOSTILE}", cve=(CVE,), severity="critical")
        add_issue(change, issue, [Mark("1.0", Status.AFFECTED)])
    fleet.customer("acme", title="Acme Ltd", tier="gold")
    fleet.customer("globex", title=f"Globex {HOSTILE}", tier="bronze")
    for site, customer, more in (
        ("acme-main", "acme", {"title": "Main plant", "window": "Sat 22:00-04:00 Europe/Berlin"}),
        ("acme-lab", "acme", {}),
        ("globex-plant", "globex", {"connectivity": "air-gapped", "title": HOSTILE}),
        ("globex-silent", "globex", {}),
    ):
        fleet.site(site, customer, **more)
        fleet.enrolled(site)
    for site, labels in (("acme-main", [f"{HOTFIX}-r1"]), ("acme-lab", []), ("globex-plant", [])):
        receive(register, fleet.report(site, "1.0", *labels), HAND, "sue", NOW)
    with register.change("rita", NOW) as change:
        contacts.add(change, "acme", contacts.read_person("Eve Ops <eve@acme.example>"))
        entitlements.add(change, NewEntitlement("acme", "demo", "1.*"))
        told = NewEvent("acme-main", "load-balancer", NOW, "Europe/Berlin", "moved", "CHG-4711", "Eve")
        declared.add(change, told)
    return fleet


@pytest.fixture(scope="module", params=BACKENDS if NOTHING_MAY_BE_SKIPPED else BACKENDS[:1])
def shown(request, tmp_path_factory):
    """Give a fleet that tests look at and do not change, once on each database."""
    folder = tmp_path_factory.mktemp("shown")
    with opened(make_home(request.param, folder / "home")) as register:
        yield furnish(register, folder / "life")


@pytest.fixture
def fleet(embedded, tmp_path):
    """Give one of a test's own."""
    return furnish(embedded, tmp_path / "life")


def at_work(fleet, person="sue"):
    """Return somebody of the vendor's before the pages."""
    return Visitor(make_app(fleet.register), fleet.register).signed_in(person)
