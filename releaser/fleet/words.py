"""How we say what we know: the grade of the evidence, of when it is, and how long ago that was. The one way."""

from datetime import datetime
from typing import Any

from patchline.patches.statements import time_text
from patchline.patches.wording import counted
from patchline.releaser.tables.fleet import EvidenceGrade

NEVER = "never reported"

_WORDS = {
    EvidenceGrade.SIGNED_ONLINE: "signed report online",
    EvidenceGrade.SIGNED_BY_HAND: "signed report carried by hand",
    EvidenceGrade.TOLD_WITH_CODE: "told by support, code matched",
    EvidenceGrade.TOLD: "told by support",
    EvidenceGrade.INFERRED: "inferred from a download",
    EvidenceGrade.NEVER: NEVER,
}
_DAYS_IN_WORDS, _WEEKS_IN_WORDS, _MONTHS_IN_WORDS = 21, 90, 730


def evidence_words(grade: str) -> str:
    """Return a grade of evidence as people say it."""
    return _WORDS[EvidenceGrade(grade)]


def as_of(grade: str, moment: datetime | None) -> str:
    """Return how we know and of when: `as of 2026-03-03, signed report carried by hand`; the day is that in UTC."""
    if moment is None or grade == EvidenceGrade.NEVER:
        return NEVER
    return f"as of {moment:%Y-%m-%d}, {evidence_words(grade)}"


def age(moment: datetime | None, now: datetime) -> str:
    """Return how long ago something was, as people say it: `today`, `3 days ago`, `5 months ago`."""
    if moment is None:
        return NEVER
    days = (now - moment).days
    return "today" if days < 1 else f"{span(days)} ago"


def span(days: int) -> str:
    """Return a number of days as people say it, rounded down."""
    if days < _DAYS_IN_WORDS:
        return counted(days, "day")
    if days < _WEEKS_IN_WORDS:
        return counted(days // 7, "week")
    if days < _MONTHS_IN_WORDS:
        return counted(days * 12 // 365, "month")
    return counted(days // 365, "year")


def known(grade: str, moment: datetime | None, now: datetime) -> str:
    """Return how we know, of when, and how old that is; every line that states a level ends so."""
    if moment is None or grade == EvidenceGrade.NEVER:
        return NEVER
    return f"{as_of(grade, moment)} ({age(moment, now)})"


def known_document(grade: str, moment: datetime | None, now: datetime) -> dict[str, Any]:
    """Return the same for `--json`."""
    return {
        "evidence": str(grade),
        "as_of": time_text(moment) if moment is not None else None,
        "age_days": (now - moment).days if moment is not None else None,
        "words": known(grade, moment, now),
    }
