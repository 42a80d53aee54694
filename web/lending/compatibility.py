"""On what a hotfix was tested, which customers run something else, and which setup to borrow for a test of that."""

from typing import Any

from flask import Blueprint, Response

from patchline.patches.errors import UsageError
from patchline.releaser.compatibility.answering import Combination, compatibility, sites_on
from patchline.releaser.compatibility.makeup import facet_words
from patchline.releaser.documents.compatibility import compatibility_document, site_on_document
from patchline.web import access, asking, lists
from patchline.web.lists import Page, Table

pages = Blueprint("compatibility", __name__, url_prefix="/hotfixes")
_COLUMNS = ("combination", "tested", "sites", "customers", "lacking", "nearest_setup")
_SHOWN = 20
"""Combinations and pairs on the page; the other forms have all."""


@pages.get("/<identifier>/compatibility")
@access.people
def page(identifier: str) -> Response:
    """Show what is known of a hotfix's compatibility."""
    found = compatibility(asking.reading(), identifier)
    rows = [_row(one) for one in (*found.untested, *found.tested)]
    table = Table(f"compatibility-of-{found.revision}", _COLUMNS, rows)
    document = compatibility_document(found)
    shown = {"found": found, "sites": document["sites"], "words": facet_words, "most": _SHOWN}
    return lists.answer("lending/compatibility.html", document, table, **shown)


def _row(one: Combination) -> tuple[Any, ...]:
    nearest = one.borrow[0].candidate.setup if one.borrow else ""
    customers = " ".join(sorted(one.customers))
    return (str(one.makeup), not one.lacking, one.sites, customers, facet_words(one.lacking), nearest)


@pages.get("/<identifier>/compatibility/<which>")
@access.people
def sites(identifier: str, which: str) -> Response:
    """List the sites on tested combinations, on untested ones, or of which nobody said what they are made of."""
    page, session = Page.asked(), asking.reading()
    found = compatibility(session, identifier)
    groups = {"tested": found.tested, "untested": found.untested, "unknown": None}
    if which not in groups:
        raise UsageError("page", f"sites are {', '.join(groups)}")
    rows = sites_on(session, identifier, groups[which], page.most, page.after)
    shown, after = page.cut(rows, lambda one: one.name)
    document = {"revision": found.revision, "sites": [site_on_document(one) for one in shown], "after": after}
    cells = [(one.name, one.customer, str(one.makeup or "")) for one in shown]
    table = Table(f"{which}-sites-of-{found.revision}", ("site", "customer", "made_of"), cells)
    return lists.answer("lending/sites.html", document, table, found=found, shown=shown, which=which)
