"""Signing in to the portal, by address and password, and the first time by a link; as on the vendor's pages."""

from typing import cast
from urllib.parse import unquote

from flask import Blueprint, make_response, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from patchline.patches.errors import AccessError, LinkError, LockedError, PasswordError, PatchlineError, TriesError
from patchline.releaser.access.accounts import NewPassword
from patchline.releaser.portal import accounts
from patchline.web import access, asking, failures
from patchline.web.portal import access as portal_access
from patchline.web.returning import local
from patchline.web.sessions import PORTAL

pages = Blueprint("portal_sign_in", __name__, url_prefix=PORTAL)
_LINK = "link"
_PAUSE_S = 60


@pages.get("/sign-in/")
@access.anyone
def form() -> Response:
    """Show where to sign in; who is signed in goes where they wanted."""
    to = _within(request.args.get("to"))
    if portal_access.recognise():
        return redirect(to)
    return _form(to)


@pages.post("/sign-in/")
@access.anyone
def enter() -> Response:
    """Sign in."""
    given, to = request.form, _within(request.form.get("to"))
    address, password = given.get("address", ""), given.get("password", "")
    try:
        who = accounts.sign_in(asking.register(), address, password, request.remote_addr or "", asking.now())
    except (AccessError, TriesError, LockedError) as error:
        if failures.wants_document():
            raise
        return _form(to, error)
    portal_access.begin(who.id, "password")
    return redirect(to, 303)


@pages.post("/sign-out")
@portal_access.members
def leave() -> Response:
    """End the session."""
    portal_access.end()
    return redirect(url_for("portal_sign_in.form"), 303)


def _within(to: str | None) -> str:
    """Return a page of the portal, whatever else was asked for."""
    path = local(to)
    closed = (f"{PORTAL}/sign-", f"{PORTAL}/link")
    within = path.startswith(f"{PORTAL}/") and not path.startswith(closed) and ".." not in unquote(path)
    return path if within else url_for("portal.overview")


def _form(to: str, error: PatchlineError | None = None) -> Response:
    answer = make_response(render_template("portal/sign_in.html", to=to, error=error))
    if error is not None:
        answer.status_code = error.http_status
    if isinstance(error, TriesError):
        answer.headers["Retry-After"] = str(_PAUSE_S)
    return cast(Response, answer)


@pages.get("/link/<token>")
@access.anyone
def link(token: str) -> Response:
    """Take the token out of the address; looking at a link does not use it up."""
    accounts.linked(asking.register(), token, asking.now())
    session[_LINK] = token
    return redirect(url_for("portal_sign_in.link_form"), 303)


@pages.get("/link/")
@access.anyone
def link_form() -> Response:
    """Show where to set a password by the link that was opened."""
    return _link_form(_linked())


@pages.post("/link/")
@access.anyone
def use_link() -> Response:
    """Set the password by the link, and sign in."""
    given, token = request.form, _linked()
    new = NewPassword(given.get("password", ""), given.get("again", ""))
    try:
        who = accounts.set_by_link(asking.register(), token, new, asking.now())
    except PasswordError as error:
        return _link_form(token, error)
    portal_access.begin(who.id, "link")
    return redirect(url_for("portal.overview"), 303)


def _linked() -> str:
    token = session.get(_LINK)
    if not isinstance(token, str):
        raise LinkError("unknown", "no link was opened in this browser")
    return token


def _link_form(token: str, error: PasswordError | None = None) -> Response:
    member = accounts.linked(asking.register(), token, asking.now())
    answer = make_response(render_template("portal/link.html", member=member, error=error))
    if error is not None:
        answer.status_code = error.http_status
    return cast(Response, answer)
