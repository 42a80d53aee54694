"""Tokens with which a customer's machines fetch; each is shown once."""

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from patchline.releaser.portal import acting, members, site_tokens
from patchline.web import asking, lists
from patchline.web.lists import Table
from patchline.web.portal import access
from patchline.web.sessions import PORTAL

pages = Blueprint("portal_tokens", __name__, url_prefix=f"{PORTAL}/tokens")


@pages.get("/")
@access.admins
def listed() -> Response:
    """List tokens, and show where one is made."""
    reading, who, now = asking.reading(), access.who(), asking.now()
    found = site_tokens.listed(reading, who.customer)
    rows = [one.as_document(now) for one in found]
    table = Table("tokens", tuple(rows[0]) if rows else (), [tuple(row.values()) for row in rows])
    shown = {"found": found, "names": members.names(reading, who.customer), "sites": acting.own_sites(reading, who)}
    return lists.answer("portal/tokens.html", {"tokens": rows}, table, **shown)


@pages.post("/")
@access.admins
def make() -> str:
    """Make a token, and show it this once."""
    given = request.form
    with access.attempt("token.make", given.get("site", "")[:64]) as change:
        name, days = given.get("name", "").strip(), given.get("days", "")
        made = site_tokens.make(change, access.who(), given.get("site", ""), name, days)
    address = asking.register().settings.web_address
    return render_template("portal/token.html", made=made, address=address)


@pages.post("/end")
@access.admins
def end() -> BaseResponse:
    """End a token."""
    prefix = request.form.get("token", "")[:16]
    with access.attempt("token.revoke", prefix) as change:
        site_tokens.end(change, access.who(), prefix)
    flash(f"{prefix} lets nobody in any more.", "good")
    return redirect(url_for("portal_tokens.listed"), 303)
