"""Customers: all of them, and what one has, how we know it, and what it lacks."""

from typing import Any

from flask import Blueprint, Response, request

from patchline.releaser.documents.customers import contact_document, customer_document, entitlement_document
from patchline.releaser.fleet import contacts, customers, entitlements, lately, sites
from patchline.releaser.fleet.accounts import Account, accounts
from patchline.releaser.fleet.level_words import account_document
from patchline.releaser.fleet.levels import When, levels
from patchline.releaser.fleet.next_steps import CRITICAL, missing, recalled, steps
from patchline.releaser.fleet.upgrades import newest_baselines
from patchline.releaser.fleet.words import known
from patchline.releaser.tables.customers import TIERS
from patchline.web import access, asking, lists
from patchline.web.lists import Page, Table

pages = Blueprint("customers", __name__, url_prefix="/support/customers")
_LATELY = 10


@pages.get("/")
@access.people
def listed() -> Response:
    """List customers."""
    page = Page.asked()
    tier, text = request.args.get("tier") or None, request.args.get("q", "").strip() or None
    found = customers.listed(asking.reading(), page.most, page.after, tier=tier, text=text)
    shown, after = page.cut(found, lambda one: one.customer.id)
    document = {"customers": [{**customer_document(one.customer), "sites": one.sites} for one in shown], "after": after}
    rows = [(one.customer.id, one.customer.title, one.customer.tier, one.sites) for one in shown]
    table = Table("customers", ("customer", "title", "tier", "sites"), rows)
    return lists.answer("support/customers.html", document, table, shown=shown, tiers=("", *TIERS))


@pages.get("/<identifier>")
@access.people
def page(identifier: str) -> Response:
    """Show what a customer has."""
    session, when, asked = asking.reading(), When(asking.now()), Page.asked()
    customer = customers.the_customer(session, identifier)
    found = sites.listed(session, asked.most, asked.after, customer=customer.id)
    rows, after = asked.cut(found, lambda one: one.site.name)
    of_sites = accounts(session, levels(session, [one.site for one in rows], when), when)
    people, granted = contacts.of(session, customer.id), entitlements.rights(session, customer.id).entitlements
    document = {
        **customer_document(customer),
        "sites": [account_document(one, when) for one in of_sites],
        "contacts": [contact_document(row) for row in people],
        "entitlements": [entitlement_document(row, when.now) for row in granted],
        "after": after,
    }
    return lists.answer(
        "support/customer.html",
        document,
        Table(f"sites-of-{customer.id}", _COLUMNS, [_row(one, when) for one in of_sites]),
        customer=customer,
        accounts=of_sites,
        whole=asked.after is None and after is None,
        people=people,
        granted=document["entitlements"],
        targets=newest_baselines(session, {one.level.site.product for one in of_sites}),
        downloads=lately.downloads(session, customer.id, _LATELY),
        events=lately.events(session, customer.id, _LATELY),
        missing=missing,
        recalled=recalled,
        steps=steps,
        critical=CRITICAL,
    )


_COLUMNS = ("site", "product", "environment", "baseline", "level", "known", "missing", "missing critical", "recalled")


def _row(one: Account, when: When) -> tuple[Any, ...]:
    level = one.level
    return (
        level.site.name,
        level.site.product,
        level.site.environment,
        level.baseline,
        level.label,
        known(level.evidence, level.as_of, when.now),
        " ".join(at.revision.label for at in missing(one)),
        len(missing(one, CRITICAL)),
        " ".join(at.revision.label for at in recalled(one)),
    )
