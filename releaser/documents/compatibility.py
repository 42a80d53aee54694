"""What is known of a hotfix's compatibility, as documents for programs."""

from collections.abc import Iterable
from typing import Any

from patchline.patches.statements import time_text
from patchline.releaser.compatibility.answering import Combination, Compatibility, SiteOn
from patchline.releaser.compatibility.borrowing import Near
from patchline.releaser.compatibility.tested import Run
from patchline.releaser.setups.keeping import Facet


def facet_documents(facets: Iterable[Facet]) -> list[dict[str, str]]:
    """Return facets."""
    return [{"kind": facet.kind, "value": facet.value} for facet in facets]


def compatibility_document(found: Compatibility) -> dict[str, Any]:
    """Return all that is known of a revision."""
    return {
        "revision": found.revision,
        "product": found.product,
        "baseline": found.baseline,
        "runs": [_run(one) for one in found.runs],
        "sites": {
            "tested": sum(one.sites for one in found.tested),
            "untested": sum(one.sites for one in found.untested),
            "unknown": sum(found.unknown.values()),
        },
        "tested": [_combination(one) for one in found.tested],
        "untested": [_combination(one) for one in found.untested],
        "unknown": found.unknown,
        "pairs": {
            "all": found.pairs.all,
            "covered": found.pairs.covered,
            "missing": [
                {"facets": facet_documents((one.first, one.second)), "sites": one.sites} for one in found.pairs.missing
            ],
        },
    }


def _run(one: Run) -> dict[str, Any]:
    counts = {"tests": one.tests, "passed": one.passed, "failed": one.failed, "fine": one.fine}
    return {"name": one.name, "setup": one.setup, "facets": facet_documents(one.makeup.facets), **counts}


def _combination(one: Combination) -> dict[str, Any]:
    return {
        "facets": facet_documents(one.makeup.facets),
        "sites": one.sites,
        "customers": one.customers,
        "nearest_run": one.run and {"name": one.run.name, "setup": one.run.setup},
        "lacking": facet_documents(one.lacking),
        "borrow": [_near(near) for near in one.borrow],
    }


def _near(near: Near) -> dict[str, Any]:
    one = near.candidate
    return {
        "setup": one.setup,
        "team": one.team,
        "level": one.level,
        "free": one.loan is None,
        "until": time_text(one.loan.due) if one.loan is not None else None,
        "lacking": facet_documents(near.lacking),
    }


def site_on_document(one: SiteOn) -> dict[str, Any]:
    """Return a site with what it is made of."""
    facets = facet_documents(one.makeup.facets) if one.makeup is not None else None
    return {"site": one.name, "customer": one.customer, "facets": facets}
