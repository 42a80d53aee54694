"""What concerns a person of the vendor alone: password and browsers."""

from flask import Blueprint, flash, g, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from patchline.patches.errors import AccessError, PasswordError, PatchlineError
from patchline.releaser.access import accounts, links, web_sessions
from patchline.releaser.access.accounts import NewPassword, Trying
from patchline.releaser.tables.access import VENDOR, Account
from patchline.web import access, asking

pages = Blueprint("me", __name__, url_prefix="/me")


@pages.get("/")
@access.people
def page() -> Response:
    """Show how I sign in, and where I am signed in."""
    return _page()


def _page(error: PatchlineError | None = None) -> Response:
    reading, me = asking.reading(), asking.person()
    shown = {
        "account": reading.get(Account, (VENDOR, me)),
        "link": links.newest(reading, VENDOR, me),
        "sessions": web_sessions.of(reading, VENDOR, me, asking.now()),
    }
    answer = make_response(render_template("me/page.html", error=error, **shown))
    answer.status_code = error.http_status if error is not None else 200
    return answer


@pages.post("/password")
@access.own
def change_password() -> Response:
    """Change my password; other browsers are signed out."""
    given, me = request.form, asking.person()
    trying = Trying(VENDOR, me, me, request.remote_addr or "")
    new = NewPassword(given.get("password", ""), given.get("again", ""))
    live, now = g.live.digest, asking.now()
    asking.close_reading()
    try:
        accounts.change_password(asking.register(), trying, given.get("old", ""), new, now, live)
    except (PasswordError, AccessError) as error:
        return _page(error)
    flash("The password is changed, and your other browsers are signed out.", "good")
    return redirect(url_for("me.page"), 303)


@pages.post("/browsers/end")
@access.own
def end_browser() -> Response:
    """Sign one of my browsers out."""
    with asking.attempt("account.sign-out", asking.person()) as change:
        web_sessions.end_own(change.session, VENDOR, change.by, request.form.get("session", ""), change.now)
        change.record("account.sign-out", change.by, {"where": "one browser"})
    flash("That browser is signed out.", "good")
    return redirect(url_for("me.page"), 303)


@pages.post("/browsers/end-all")
@access.own
def end_all() -> Response:
    """Sign me out everywhere, here too."""
    with asking.attempt("account.sign-out", asking.person()) as change:
        accounts.end_sessions(change, change.by)
    access.end()
    return redirect(url_for("sign_in.form"), 303)
