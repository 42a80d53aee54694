"""Recalls that concern a customer, and what it says about them."""

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from patchline.patches.statements import time_text
from patchline.releaser.portal import own_recalls
from patchline.releaser.portal.own_recalls import OwnRecall
from patchline.releaser.tables.rollouts import ACTIONS
from patchline.web import asking, lists
from patchline.web.lists import Table
from patchline.web.portal import access
from patchline.web.sessions import PORTAL

pages = Blueprint("portal_recalls", __name__, url_prefix=f"{PORTAL}/recalls")
_COLUMNS = ("hotfix", "site", "applied", "reason", "recalled", "said", "by")


@pages.get("/")
@access.members
def listed() -> Response:
    """List what was recalled, and ask what was done about it."""
    found = own_recalls.listed(asking.reading(), access.who().customer)
    rows = [_row(one) for one in found]
    table = Table("recalls", _COLUMNS, rows)
    document = {"recalls": [dict(zip(_COLUMNS, row, strict=True)) for row in rows]}
    return lists.answer("portal/recalls.html", document, table, found=found, actions=ACTIONS)


def _row(one: OwnRecall) -> tuple[object, ...]:
    said = one.said
    recalled = time_text(one.recalled) if one.recalled else None
    words = (said.action, said.person) if said else (None, None)
    return (one.label, one.site, one.applied, one.reason, recalled, *words)


@pages.post("/")
@access.members
def acknowledge() -> BaseResponse:
    """Write down what was done about a recall."""
    given = request.form
    label, site = given.get("hotfix", "")[:80], given.get("site", "")[:64]
    with access.attempt("recall.acknowledge", label) as change:
        own_recalls.acknowledge(change, access.who(), label, site, given.get("action", ""))
    flash(f"Your vendor knows now about {label} at {site}. Report the level too: only a report shows it.", "good")
    return redirect(url_for("portal_recalls.listed"), 303)
