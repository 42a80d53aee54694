"""Who has it, lacks it, fetched it or is exposed, as documents and as rows of tables."""

from datetime import datetime
from typing import Any

from patchline.patches.statements import time_text
from patchline.patches.wording import counted
from patchline.releaser.fleet.downloads import Downloaded
from patchline.releaser.fleet.exposure import Exposed, Stands
from patchline.releaser.fleet.questions import SiteRow
from patchline.releaser.fleet.subjects import Subject
from patchline.releaser.fleet.words import known_document

COLUMNS = ("customer", "site", "product", "baseline", "stand", "take", "applied", "evidence", "as_of", "why", "marks")


def facts(subject: Subject) -> dict[str, Any]:
    """Return what a question is about."""
    return {
        "asked": subject.asked,
        "products": list(subject.products),
        "counting": sorted(one.label for one in subject.full.values()),
        "not_counting": sorted(one.label for one in subject.less.values()),
        "workaround": dict(subject.workaround),
    }


def marks(row: SiteRow) -> list[str]:
    """Return what makes an answer doubtful."""
    told = ["contested: a restored or cloned site reports beside it"] if row.contested else []
    told += ["a change was cut off there"] if row.unfinished else []
    return [*told, *([f"{counted(row.unknown, 'unknown hotfix', 'unknown hotfixes')}"] if row.unknown else [])]


def stands_document(one: Stands, now: datetime) -> dict[str, Any]:
    """Return a site, how it stands, and how we know."""
    row = one.row
    return {
        "site": row.name,
        "customer": row.customer,
        "product": row.product,
        "baseline": row.baseline,
        "level": row.label,
        "answer": row.answer,
        "stand": one.stand,
        "why": row.why or one.why,
        "take": list(one.take),
        "applied": [
            {"hotfix": had.label, "coverage": had.coverage, "at": _time(had.at), "pending": had.pending}
            for had in row.applied
        ],
        **known_document(row.evidence, row.as_of, now),
        "contested": row.contested,
        "unfinished": row.unfinished,
        "unknown_hotfixes": row.unknown,
    }


def exposed_document(one: Exposed, now: datetime) -> dict[str, Any]:
    """Return a customer that is exposed, with its sites."""
    return {
        "customer": one.customer,
        "title": one.title,
        "tier": one.tier,
        "exposed": one.exposed,
        "unknown": one.unknown,
        "needs": dict(one.needs),
        "sites": [stands_document(stands, now) for stands in one.sites],
    }


def download_document(one: Downloaded) -> dict[str, Any]:
    """Return who has fetched something."""
    return {
        "customer": one.customer,
        "site": one.site,
        "hotfix": one.label,
        "at": time_text(one.at),
        "applied": one.applied,
    }


def cells(one: Stands) -> list[str]:
    """Return a site as a row of a table, in the order of `COLUMNS`."""
    row = one.row
    return [
        row.customer,
        row.name,
        row.product,
        row.baseline or "",
        one.stand,
        " ".join(one.take),
        " ".join(had.label for had in row.applied),
        row.evidence,
        _time(row.as_of) or "",
        row.why or one.why,
        "; ".join(marks(row)),
    ]


def _time(moment: datetime | None) -> str | None:
    return time_text(moment) if moment is not None else None
