"""The first page of the vendor's people, the look of all pages, and signing out."""

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from patchline.web import access, asking, samples

pages = Blueprint("start", __name__)


@pages.get("/")
@access.people
def page() -> str:
    """Show what waits for whom."""
    return render_template("start/page.html")


@pages.get("/style")
@access.people
def style() -> str:
    """Show every part that pages are made of, once."""
    return render_template("start/style.html", plots=samples.plots(asking.now()))


@pages.post("/sign-out")
@access.own
def sign_out() -> Response:
    """End the session."""
    access.end()
    return redirect(url_for("sign_in.form"))
