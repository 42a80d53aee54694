"""Recalls: what was taken back, who runs it still, and what customers say about it."""

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from patchline.releaser.documents.rollouts import recalled_document
from patchline.releaser.fleet.telling import read_time
from patchline.releaser.hotfixes import find, label
from patchline.releaser.rollouts import listing, notices
from patchline.releaser.rollouts.acknowledging import Said, acknowledge, still_there
from patchline.releaser.rollouts.drafting import said_of_recall
from patchline.releaser.tables.people import Role
from patchline.releaser.tables.rollouts import ACTIONS
from patchline.web import access, asking, lists
from patchline.web.lists import Page, Table

pages = Blueprint("recalls", __name__, url_prefix="/rollouts/recalls")


@pages.get("/")
@access.people
def listed() -> Response:
    """List what was recalled."""
    page = Page.asked()
    shown, after = page.cut(listing.recalled(asking.reading(), page.most, page.after), lambda one: one.number)
    rows = [recalled_document(one) for one in shown]
    table = Table("recalls", list(rows[0]) if rows else (), [list(row.values()) for row in rows])
    return lists.answer("rollouts/recalls.html", {"recalls": rows, "after": after}, table, shown=shown)


@pages.get("/<identifier>")
@access.people
def page(identifier: str) -> Response:
    """Show who runs a recalled hotfix still, who has fetched it, and who acknowledged."""
    session, page = asking.reading(), Page.asked()
    revision = find(session, identifier)
    found = still_there(session, revision)
    begin = next((at + 1 for at, one in enumerate(found) if one.site == page.after), 0)
    shown, after = page.cut(found[begin : begin + page.most], lambda one: one.site)
    reason, instead = said_of_recall(session, revision)
    document = {
        "revision": label(revision),
        "state": revision.state,
        "reason": reason,
        "replacement": instead,
        "sites": [one.as_document() for one in shown],
        "after": after,
    }
    rows = [(one.site, one.customer, one.stand, one.evidence, one.as_of, one.words()) for one in shown]
    return lists.answer(
        "rollouts/recall.html",
        document,
        Table(f"recall-of-{label(revision)}", ("site", "customer", "stand", "evidence", "as_of", "words"), rows),
        revision=revision,
        label=label(revision),
        reason=reason,
        instead=instead,
        found=found,
        shown=shown,
        told=notices.told(session, revision.id)[-page.limit :],
        actions=ACTIONS,
    )


@pages.post("/<identifier>")
@access.roles(Role.SUPPORT, Role.RELEASE_MANAGER)
def say(identifier: str) -> BaseResponse:
    """Write down what a customer says about it."""
    given = {name: value.strip() for name, value in request.form.items()}
    said = Said(
        person=given.get("person", ""),
        action=given.get("action", ""),
        evidence=given.get("evidence", ""),
        customer=given.get("customer") or None,
        site=given.get("site") or None,
        at=read_time(given["at"]) if given.get("at") else None,
    )
    with asking.attempt("recall.acknowledge", identifier) as change:
        acknowledge(change, identifier, said)
    flash(f"Kept: {said.person} says {said.action}. It counts as there until a report says otherwise.", "good")
    return redirect(url_for("recalls.page", identifier=identifier), 303)
