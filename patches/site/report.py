"""The report a site sends to its vendor: which level it has, signed with the site's own key.

It names no host, address, user or client; a person sees it before it leaves. The counter only rises, so the vendor
notices a site that was restored or cloned. It says which recall list and audit checkpoint the site has seen.
"""

import secrets
from datetime import datetime
from typing import Any

from patchline.patches import documents
from patchline.patches.envelopes import Envelope, sign
from patchline.patches.errors import InstallationError
from patchline.patches.fields import Fields
from patchline.patches.manifest import CLIENT
from patchline.patches.plain import can_sign, open_plain
from patchline.patches.site.inventory import Inventory
from patchline.patches.site.ledger import REFERENCE_LENGTH, Layer
from patchline.patches.site.state import Site
from patchline.patches.site.view import View

PAYLOAD_TYPE = "application/vnd.patchline.report+json"
KEY = "key.pem"
_COUNTER = "counter.json"


def make_report(inventory: Inventory, view: View, now: datetime) -> Envelope:
    """Return the next report of a site; unsigned where this machine has nothing to sign with."""
    site = inventory.site
    payload = documents.encode(_document(inventory, view, _next_count(site), now))
    key = site.state.path / KEY
    if can_sign() and key.exists():
        return sign(payload, PAYLOAD_TYPE, open_plain(key))
    return Envelope(PAYLOAD_TYPE, payload, ())


def subject_of(inventory: Inventory, view: View, now: datetime) -> str:
    """Return a digest of what a report would say now, but its number and time: the same as long as nothing changed."""
    document = _document(inventory, view, {}, now)
    return documents.digest(documents.encode({key: value for key, value in document.items() if key != "time"}))


def _reference(layer: Layer) -> str | None:
    """Return the change number as a report may hold it; earlier clients bounded it nowhere."""
    text = layer.reference
    return text[:REFERENCE_LENGTH] if text and text.isprintable() else None


def _next_count(site: Site) -> dict[str, Any]:
    """Raise the counter, durably, before a report bears it."""
    data = site.read_document(_COUNTER)
    if data is None:
        count = {"epoch": secrets.token_hex(16), "counter": 1}
    else:
        fields = Fields(documents.decode(data, what=_COUNTER), _COUNTER, InstallationError)
        count = {"epoch": fields.text("epoch"), "counter": fields.integer("counter", 0, 2**53 - 2) + 1}
    site.disk.replace(site.state, _COUNTER, documents.encode(count))
    return count


def _document(inventory: Inventory, view: View, count: dict[str, Any], now: datetime) -> dict[str, Any]:
    return {
        "format": 1,
        "audience": "vendor",
        "product": inventory.site.product,
        "site": inventory.site.id,
        **count,
        "time": now.isoformat(timespec="seconds"),
        "client": CLIENT,
        "baseline": inventory.site.baseline,
        "level": inventory.level.as_document(),
        "hotfixes": [
            {
                "hotfix": layer.hotfix,
                "revision": layer.revision,
                "manifest": layer.manifest,
                "applied": layer.time,
                "preserved": len(layer.preserved),
                "kept": len(layer.kept),
                "lost": list(layer.lost),
                "unratified": layer.manifest in inventory.unratified,
                "pending": layer.manifest in inventory.pending,
                "reference": _reference(layer),
            }
            for layer in inventory.layers
        ],
        "unfinished": inventory.unfinished,
        "checked": inventory.checked,
        # Paths may tell about a customer; their digests let the vendor find its own files among them.
        "drift": [[documents.digest(item.name.encode()), item.owner] for item in inventory.drift],
        "policy": view.trust.policy.version,
        "recalls": view.recalls and view.recalls.newest.number,
        "checkpoint": view.known.checkpoint and vars(view.known.checkpoint),
    }
