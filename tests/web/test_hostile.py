"""Every page is looked at while every text in the register is hostile."""

from datetime import timedelta
from typing import Any

from patchline.releaser.fleet import contacts
from patchline.releaser.issues import NewIssue, add_issue
from patchline.releaser.rollouts import freezes, rings
from patchline.releaser.rollouts.life import Settings, plan
from patchline.releaser.tables.people import PersonRole, Role
from tests.delivering import Shop, copied_shop
from tests.fleets import Fleet
from tests.hotfixes import changed
from tests.pages import Visitor, make_app
from tests.portals import Guest
from tests.registers import NOW
from tests.samples import fix
from tests.setups import endpoint, setup
from tests.web.hostile import MARK, let_through, seed
from tests.web.routes import address, pages, whom

HTML = {"Accept": "text/html"}
KNOWN_NOT_TO_BE_THERE = (301, 302, 303, 308, 400, 404, 405, 409, 422)
"""What a page may answer for a name that the register does not have."""


def furnished(shop: Shop) -> dict[str, str]:
    """Add what pages are about; return names that are there, by what addresses call them."""
    life = shop.life
    shown = "<img src=x onerror=zzhostile()>"
    files = [changed(f"{shown}.txt", b"old\n", b"new\n")]
    in_review = life.reviewed(wanted={"title": f"Mend {shown}"}, files=files, fixes=[fix(title=shown)])
    with life.change() as change:
        rings.add(change, "demo", "early")
        rings.put(change, "demo", "early", ["acme-main"])
        plan(change, shop.label.rpartition("-r")[0], Settings(), ["acme-main"])
        add_issue(change, NewIssue("BUG-7", "demo", "title", workaround="restart it"))
        contacts.add(change, "acme", contacts.Person("Eve", "eve@acme.example"))
        freezes.add(change, freezes.Wanted(NOW, NOW + timedelta(days=9), "holidays", "demo"))
        change.session.add_all(PersonRole(person="rita", role=role) for role in Role if role != Role.RELEASE_MANAGER)
    Fleet(life.register).site("lab-1", "acme", environment="test")
    setup(life.register, "lab-1", endpoint())
    hotfix = shop.label.rpartition("-r")[0]
    names = {
        "identifier": in_review,
        "hotfix": hotfix,
        "revision": shop.label,
        "label": shop.label,
        "customer": "acme",
        "product": "demo",
        "baseline": "1.0",
        "site": "acme-main",
        "ring": "early",
        "setup": "lab-1",
        "id_": "ada",
        "person": "ada",
        "number": "1",
        "name": "acme-main",
        "file": f"{shop.label}.hotfix",
    }
    return names


def told(app: Any, asks: Any, register: Any, kinds: tuple[Any, ...], names: dict[str, str]) -> tuple[int, list[str]]:
    """Look at each page; return how many showed hostile text, and what was wrong with which."""
    showed, wrong = 0, []
    variants = [names, {**names, "identifier": names["hotfix"]}, {**names, "identifier": "acme", "name": "lab-1"}]
    addresses = {
        address(rule, variant)
        for endpoint_, method, rule in pages(app)
        if method == "GET" and (whom(app, endpoint_) in kinds) and endpoint_ != "static"
        for variant in variants
    }
    for path in sorted(addresses):
        for form in ("", "?format=csv"):
            answer = asks.get(path + form, headers=HTML)
            if answer.status_code >= 500 or answer.status_code not in (200, 206, 401, 403, *KNOWN_NOT_TO_BE_THERE):
                wrong.append(f"{path}{form}: {answer.status_code} {answer.text[-300:]}")
            if found := let_through(answer):
                wrong.append(f"{path}{form}: {found}")
            if answer.mimetype == "text/csv":
                cells = [cell for line in answer.text.splitlines() for cell in line.split(",")]
                wrong += [f"{path}{form}: {cell}" for cell in cells if cell.startswith(("=", "+cmd", "@"))]
            showed += answer.status_code == 200 and MARK in answer.text
    return showed, wrong


def test_no_page_lets_hostile_text_do_anything(tmp_path):
    with copied_shop(tmp_path) as shop:
        shop.grant()
        names = furnished(shop)
        app = make_app(shop.register)
        guest = Guest(app, shop)
        columns = seed(shop.register)
        assert {"customer.title", "issue.title", "contact.name", "setup.team"} <= set(columns), columns
        rita = Visitor(app, shop.register).signed_in("rita")
        vendor_kinds = (
            "people",
            "own",
            *{whom(app, one) for one, _, _ in pages(app) if isinstance(whom(app, one), tuple)},
        )
        showed, wrong = told(app, rita, shop.register, ("anyone", *vendor_kinds), names)
        assert not wrong, "\n".join(wrong)
        assert showed >= 12, f"only {showed} pages showed any of {columns}"
        showed, wrong = told(app, guest, shop.register, ("customer",), names)
        assert not wrong, "\n".join(wrong)
        assert showed >= 1


def test_the_reader_tells_what_was_let_through():
    class Answer:
        mimetype, headers = "text/html", [("X-A", MARK)]
        text = "<script>1</script><b onclick=x>1337</b><a href=' JavaScript:x'>"

    assert len(let_through(Answer)) == 5
