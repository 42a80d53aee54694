"""Reports that were taken, as documents for programs."""

from typing import Any

from patchline.patches.statements import time_text
from patchline.releaser.fleet.report_lists import Row


def report_document(one: Row) -> dict[str, Any]:
    """Return what became of a report, without what it says."""
    return {
        "number": one.number,
        "site": one.site,
        "identity": one.identity,
        "verdict": one.verdict,
        "evidence": one.evidence,
        "via": one.via,
        "made": time_text(one.made),
        "received": time_text(one.received),
        "taken_by": one.taken_by,
    }
