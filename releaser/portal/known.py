"""What the vendor knows about a customer: whatever the register holds of it, for the customer itself."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from patchline.patches.statements import time_text
from patchline.releaser.documents.customers import contact_document, entitlement_document, site_document
from patchline.releaser.fleet import contacts, entitlements, sites
from patchline.releaser.fleet.customers import the_customer
from patchline.releaser.portal import members
from patchline.releaser.tables.customers import Declared, Site
from patchline.releaser.tables.fleet import Download, Report

_DECLARED = 100


def document(session: Session, customer: str, now: datetime) -> dict[str, Any]:
    """Return all of it, in a constant number of statements."""
    found = the_customer(session, customer)
    own = sites.of_customer(session, found)
    return {
        "customer": {"id": found.id, "name": found.title, "called": found.alias, "since": time_text(found.added)},
        "as_of": time_text(now),
        "sites": [site_document(one.site, one.state, now) for one in own],
        "contacts": [contact_document(row) for row in contacts.of(session, customer)],
        "people": [
            {"name": one.name, "address": one.address, "role": one.role, "ended": one.ended is not None}
            for one in members.listed(session, customer, ended=True)
        ],
        "entitlements": [entitlement_document(row, now) for row in entitlements.rights(session, customer).entitlements],
        "told": [_declared(row.Declared, row.name) for row in _events(session, customer)],
        "reports": _reports(session, customer),
        "downloads": session.scalar(select(func.count()).select_from(Download).where(Download.customer == customer)),
    }


def _events(session: Session, customer: str) -> Any:
    query = select(Declared, Site.name).join(Site, Site.id == Declared.site).where(Site.customer == customer)
    return session.execute(query.order_by(Declared.at.desc(), Declared.id.desc()).limit(_DECLARED))


def _declared(one: Declared, site: str) -> dict[str, Any]:
    return {
        "site": site,
        "at": time_text(one.at),
        "kind": one.kind,
        "text": one.text,
        "reference": one.reference,
        "told_by": one.told_by,
    }


def _reports(session: Session, customer: str) -> int:
    query = select(func.count()).select_from(Report).join(Site, Site.id == Report.site)
    return session.scalar(query.where(Site.customer == customer)) or 0
