"""What happened at sites, what differs between two, and what one would lose, as documents for programs."""

from typing import Any
from zoneinfo import ZoneInfo

from patchline.patches.statements import time_text
from patchline.releaser.fleet.continuity import Continuity
from patchline.releaser.fleet.differing import Difference
from patchline.releaser.fleet.history import Event, History
from patchline.releaser.fleet.level_words import level_document
from patchline.releaser.fleet.levels import When
from patchline.releaser.tables.customers import Customer


def history_document(customer: Customer, found: History, zone: ZoneInfo | None) -> dict[str, Any]:
    """Return what happened at a site; it names nobody but by alias."""
    return {
        "site": found.site.alias,
        "customer": customer.alias,
        "product": found.site.product,
        "zone": str(zone) if zone is not None else None,
        "events": [_event_document(one, zone) for one in found.events],
    }


def _event_document(one: Event, zone: ZoneInfo | None) -> dict[str, Any]:
    return {
        "at": time_text(one.at),
        "local": one.at.astimezone(zone).isoformat(timespec="seconds") if zone is not None else None,
        "since": time_text(one.since) if one.since is not None else None,
        "kind": one.kind,
        "what": one.what,
        "node": one.node.alias,
        "evidence": one.evidence,
        "reference": one.reference,
    }


def difference_document(found: Difference, when: When) -> dict[str, Any]:
    """Return what differs between two sites."""
    return {
        "same": found.same,
        "comparable": found.comparable,
        "both": list(found.both),
        "sites": [
            {
                **level_document(side.level, when),
                "only": [one.label for one in side.only],
                "fixes_only": list(side.fixes),
            }
            for side in (found.first, found.second)
        ],
    }


def continuity_document(found: Continuity, when: When) -> dict[str, Any]:
    """Return what would become of the fixes of a site."""
    return {
        **level_document(found.level, when),
        "to": found.target,
        "fixes": [
            {"fix": one.fix, "by": list(one.by), "fate": one.fate, "how": one.how, "take": list(one.take)}
            for one in found.fixes
        ],
        "problems": list(found.problems),
        "not_judged": list(found.left_out),
    }
