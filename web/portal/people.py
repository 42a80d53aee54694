"""Who of a customer may use the portal; links for new ones are shown once, to be handed over by another way."""

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from patchline.patches.statements import time_text
from patchline.releaser.fleet import contacts
from patchline.releaser.portal import members
from patchline.releaser.tables.members import MEMBER_ROLES, Member
from patchline.web import asking, lists
from patchline.web.lists import Table
from patchline.web.portal import access
from patchline.web.sessions import PORTAL

pages = Blueprint("portal_people", __name__, url_prefix=f"{PORTAL}/people")


@pages.get("/")
@access.members
def listed() -> Response:
    """List who may come in."""
    found = members.listed(asking.reading(), access.who().customer)
    rows = [_document(one) for one in found]
    table = Table("people", tuple(rows[0]), [tuple(row.values()) for row in rows])
    return lists.answer("portal/people.html", {"people": rows}, table, found=found, roles=MEMBER_ROLES)


def _document(one: Member) -> dict[str, object]:
    return {"id": one.id, "name": one.name, "address": one.address, "role": one.role, "added": time_text(one.added)}


@pages.post("/")
@access.admins
def invite() -> str:
    """Invite somebody, or make a new link for who is there."""
    given = request.form
    with access.attempt("member.invite", access.who().customer) as change:
        person = contacts.read_named(given.get("name", "").strip(), given.get("address", "").strip())
        member, made = members.invite_own(change, access.who(), person, given.get("role", ""))
        name = member.name
    address = made.address(asking.register().settings.web_address, members.LINK_PATH)
    return render_template("portal/invited.html", name=name, address=address, expires=made.expires)


@pages.post("/end")
@access.admins
def end() -> BaseResponse:
    """Let somebody in no more."""
    with access.attempt("member.end", access.who().customer) as change:
        name = members.end_own(change, access.who(), request.form.get("member", "")[:80]).name
    flash(f"{name} may not come in any more, and is signed out.", "good")
    return redirect(url_for("portal_people.listed"), 303)
