"""Customers, their sites, contacts and entitlements as documents for programs."""

from datetime import datetime
from typing import Any

from patchline.patches.statements import time_text
from patchline.releaser.fleet.enrolling import Key
from patchline.releaser.fleet.entitlements import counts, end_of
from patchline.releaser.fleet.words import known_document
from patchline.releaser.tables.customers import Contact, Customer, Entitlement, Site
from patchline.releaser.tables.fleet import SiteState


def customer_document(row: Customer) -> dict[str, Any]:
    """Return a customer."""
    return {
        "customer": row.id,
        "title": row.title,
        "alias": row.alias,
        "tier": row.tier,
        "added": time_text(row.added),
        "added_by": row.added_by,
    }


def contact_document(row: Contact) -> dict[str, Any]:
    """Return whom to write to."""
    return {"name": row.name, "address": row.address, "ended": time_text(row.ended) if row.ended else None}


def entitlement_document(row: Entitlement, now: datetime) -> dict[str, Any]:
    """Return an entitlement for scripts."""
    end = end_of(row)
    return {
        "number": row.id,
        "customer": row.customer,
        "product": row.product,
        "line": row.line,
        "since": time_text(row.since),
        "end": time_text(end) if end else None,
        "counts": counts(row, now),
    }


def site_document(site: Site, state: SiteState, now: datetime) -> dict[str, Any]:
    """Return a site for scripts."""
    return {
        "site": site.name,
        "customer": site.customer,
        "product": site.product,
        "title": site.title,
        "alias": site.alias,
        "environment": site.environment,
        "connectivity": site.connectivity,
        "ring": site.ring,
        "window": site.window,
        "added": time_text(site.added),
        "retired": time_text(site.retired) if site.retired else None,
        "baseline": state.baseline,
        "level": state.label,
        "known": known_document(state.evidence, state.as_of, now),
    }


def key_document(key: Key) -> dict[str, Any]:
    """Return a site's key for scripts; its fingerprint is told only once somebody heard it."""
    return {
        "site": key.site,
        "fingerprint": key.fingerprint if key.confirmed or key.ended else None,
        "enrolled": time_text(key.enrolled),
        "confirmed": time_text(key.confirmed) if key.confirmed else None,
        "ended": time_text(key.ended) if key.ended else None,
    }
