"""Campaigns as programs read them, and how one stands at a baseline in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from patchline.patches.statements import time_text
from patchline.releaser.campaigns import Stand
from patchline.releaser.hotfixes import label
from patchline.releaser.tables.hotfixes import Campaign


def campaign_facts(one: Campaign) -> dict[str, Any]:
    """Return what a campaign carries."""
    return {
        "campaign": one.id,
        "product": one.product,
        "title": one.title,
        "severity": one.severity,
        "commits": one.commits,
        "fixes": [fix["id"] for fix in one.fixes],
        "customers": one.customers,
        "added": time_text(one.added),
        "added_by": one.added_by,
    }


NOWHERE: Mapping[str, int] = {}


def campaign_document(one: Campaign, stands: Sequence[Stand], lacking: Mapping[str, int] = NOWHERE) -> dict[str, Any]:
    """Return a campaign for `--json`, with the number of sites that lack the fix where that was asked."""
    rows = [{**stand.as_document(), "sites_exposed": lacking.get(stand.row.baseline)} for stand in stands]
    return {**campaign_facts(one), "baselines": rows}


def told(stand: Stand) -> str:
    """Say how a campaign stands at a baseline."""
    row = stand.row
    if row.conflicts:
        return f"{(row.stopped_at or '')[:12]} collides in {', '.join(row.conflicts)}"
    if row.hotfix is None:
        return "the baseline has it already"
    name = label(stand.revision) if stand.revision else row.hotfix
    return " ".join(
        [name, (row.head or "")[:12], *([f"from {row.resolved}"] if row.resolved else []), *([row.problem or ""])]
    ).strip()
