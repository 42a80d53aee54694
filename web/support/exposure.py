"""Who has it, who is exposed, who may fetch it: the matrix of a hotfix, a fix or a CVE, and the sites in its cells."""

from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from patchline.patches.errors import UsageError
from patchline.releaser.documents.answers import COLUMNS, cells, facts, stands_document
from patchline.releaser.fleet.matrix import EXPOSED, Kind, kinds_of, listed, matrix
from patchline.releaser.fleet.subjects import Subject, of_cve, of_fix, of_hotfix
from patchline.releaser.tables.customers import TIERS
from patchline.web import access, asking, lists, plots
from patchline.web.lists import Page, Table

pages = Blueprint("exposure", __name__, url_prefix="/support/exposure")
_TONES = {
    Kind.NO_FIX: "bad",
    Kind.NOT_ENTITLED: "bad",
    Kind.WAITING: "warn",
    Kind.AVAILABLE: "busy",
    Kind.DOWNLOADED: "busy",
    Kind.PENDING: "warn",
    Kind.APPLIED: "good",
    Kind.NOT_NEEDED: "good",
    Kind.UNKNOWN: "off",
}


@pages.get("/")
@access.people
def page() -> Response:
    """Show how all sites stand to what is asked for, and those of one kind."""
    asked = {name: request.args.get(name, "").strip() for name in ("hotfix", "fix", "cve")}
    if not any(asked.values()):
        return lists.answer("support/ask.html", {"question": None})
    session, now, page = asking.reading(), asking.now(), Page.asked()
    subject = _subject(session, **asked)
    kinds = kinds_of(session, subject, now)
    counted = matrix(session, subject, kinds)
    chosen, tier = _chosen()
    condition = kinds.condition(chosen, tier)
    rows, after = listed(session, subject, condition, now, limit=page.limit, after=page.after)
    document = {
        **facts(subject),
        "exposed": counted.exposed,
        "sites": counted.sites,
        "matrix": counted.rows(),
        "kinds": list(chosen),
        "tier": tier,
        "rows": [stands_document(one, now) for one in rows],
        "after": after,
    }
    return lists.answer(
        "support/exposure.html",
        document,
        Table(f"sites-{subject.asked}", COLUMNS, [cells(one) for one in rows]),
        subject=subject,
        matrix=counted,
        kinds=list(Kind),
        tiers=TIERS,
        rows=rows,
        chosen=chosen,
        tier=tier,
        tones=_TONES,
        plot=_plot(subject, counted.rows()),
    )


def _subject(session: Session, hotfix: str, fix: str, cve: str) -> Subject:
    if [hotfix, fix, cve].count("") != 2:
        raise UsageError("search", "ask for one of a hotfix, a fix and a CVE")
    if hotfix:
        return of_hotfix(session, hotfix)
    return of_fix(session, fix) if fix else of_cve(session, cve.upper())


def _chosen() -> tuple[tuple[Kind, ...], str | None]:
    kind, tier = request.args.get("kind", ""), request.args.get("tier") or None
    if kind and kind not in tuple(Kind):
        raise UsageError("page", f"{kind[:40]!r} is none of {', '.join(Kind)}")
    if tier is not None and tier not in TIERS:
        raise UsageError("page", f"{tier[:40]!r} is none of {', '.join(TIERS)}")
    return ((Kind(kind),) if kind else EXPOSED), tier


def _plot(subject: Subject, rows: list[dict[str, Any]]) -> plots.Plot:
    heading = plots.Heading("tiers", f"How sites stand to {subject.asked}, by tier", "sites", asking.now())
    stacks = [plots.Stack(row["tier"], {kind.value: row[kind.value] for kind in Kind}) for row in rows]
    tones = {kind.value: tone for kind, tone in _TONES.items() if any(row[kind.value] for row in rows)}
    return plots.stacked(heading, stacks, tones, shares=True)
