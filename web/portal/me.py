"""What concerns a customer's person alone: browsers, and a new password."""

from flask import Blueprint, flash, g, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from patchline.patches.errors import AccessError, PasswordError, PatchlineError
from patchline.releaser.access import web_sessions
from patchline.releaser.access.accounts import NewPassword
from patchline.releaser.portal import accounts
from patchline.releaser.tables.access import CUSTOMER
from patchline.web import asking
from patchline.web.portal import access
from patchline.web.sessions import PORTAL

pages = Blueprint("portal_me", __name__, url_prefix=f"{PORTAL}/me")


@pages.get("/")
@access.members
def page() -> Response:
    """Show where I am signed in."""
    return _page()


def _page(error: PatchlineError | None = None) -> Response:
    sessions = web_sessions.of(asking.reading(), CUSTOMER, access.who().id, asking.now())
    answer = make_response(render_template("portal/me.html", error=error, sessions=sessions))
    answer.status_code = error.http_status if error is not None else 200
    return answer


@pages.post("/password")
@access.members
def change_password() -> Response:
    """Change my password; other browsers are signed out."""
    given = request.form
    new = NewPassword(given.get("password", ""), given.get("again", ""))
    trying = accounts.Own(access.who(), request.remote_addr or "", g.live.digest)
    asking.close_reading()
    try:
        accounts.change_password(asking.register(), trying, given.get("old", ""), new, asking.now())
    except (PasswordError, AccessError) as error:
        return _page(error)
    flash("The password is changed, and your other browsers are signed out.", "good")
    return redirect(url_for("portal_me.page"), 303)


@pages.post("/browsers/end")
@access.members
def end_browser() -> Response:
    """Sign one of my browsers out."""
    with access.attempt("account.sign-out", access.who().id) as change:
        web_sessions.end_own(change.session, CUSTOMER, change.by, request.form.get("session", ""), change.now)
        change.record("account.sign-out", change.by, {"where": "one browser"})
    flash("That browser is signed out.", "good")
    return redirect(url_for("portal_me.page"), 303)
