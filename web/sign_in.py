"""Signing in to the vendor's pages: by name and password, and the first time by a link.

A link's token stands in an address once. It is taken from there into the cookie, and the form that uses it stands under
an address without it, so that neither the pages' own log nor what a browser tells other pages holds it.
"""

from typing import cast

from flask import Blueprint, make_response, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from patchline.patches.errors import AccessError, LinkError, LockedError, PasswordError, PatchlineError, TriesError
from patchline.releaser.access import accounts, links
from patchline.releaser.tables.access import VENDOR
from patchline.releaser.tables.people import Person
from patchline.web import access, asking, failures, headers, outside
from patchline.web.returning import local

pages = Blueprint("sign_in", __name__, url_prefix="/sign-in")
_PAUSE_S = 60


@pages.get("/")
@access.anyone
def form() -> Response:
    """Show where to sign in; who is signed in goes where they wanted."""
    to = local(request.args.get("to"))
    if access.recognise():
        return redirect(to)
    return _form(to)


@pages.post("/")
@access.anyone
def enter() -> Response:
    """Sign in."""
    given, to = request.form, local(request.form.get("to"))
    address, password = request.remote_addr or "", given.get("password", "")
    try:
        person = accounts.sign_in(asking.register(), given.get("name", ""), password, address, asking.now())
    except (AccessError, TriesError, LockedError) as error:
        if failures.wants_document():
            raise
        return _form(to, error)
    access.begin(person, "password")
    return redirect(to, 303)


def _form(to: str, error: PatchlineError | None = None) -> Response:
    answer = make_response(render_template("sign_in/form.html", to=to, error=error))
    if error is not None:
        answer.status_code = error.http_status
    if isinstance(error, TriesError):
        answer.headers["Retry-After"] = str(_PAUSE_S)
    return cast(Response, answer)


@pages.get("/link/<token>")
@access.anyone
def link(token: str) -> Response:
    """Take the token out of the address. Whoever only looks, such as a mail filter, does not use the link up."""
    links.subject_of(asking.reading(), VENDOR, token, asking.now())
    session[outside.LINK] = token
    return redirect(url_for("sign_in.link_form"), 303)


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
    try:
        person = accounts.set_by_link(
            asking.register(), token, given.get("password", ""), given.get("again", ""), asking.now()
        )
    except PasswordError as error:
        return _link_form(token, error)
    access.begin(person, "link")
    return redirect(url_for("start.page"), 303)


def _linked() -> str:
    token = session.get(outside.LINK)
    if not isinstance(token, str):
        raise LinkError("unknown", "no link was opened in this browser")
    return token


def _link_form(token: str, error: PasswordError | None = None) -> Response:
    subject = links.subject_of(asking.reading(), VENDOR, token, asking.now())
    person = asking.reading().get(Person, subject)
    answer = make_response(render_template("sign_in/link.html", person=person, error=error))
    if outside.is_there():
        headers.let_forms_lead_to(answer, outside.provider().origin)
    if error is not None:
        answer.status_code = error.http_status
    return cast(Response, answer)
