"""The first page of the vendor's people, the look of all pages, and signing out."""

from flask import Blueprint, g, redirect, render_template, url_for
from werkzeug.wrappers import Response

from patchline.releaser.desk import my_work
from patchline.web import access, asking, lists, samples

pages = Blueprint("start", __name__)


@pages.get("/")
@access.people
def page() -> Response:
    """Show what waits for whom."""
    found = my_work.work(asking.reading(), asking.person(), g.roles)
    return lists.answer("start/page.html", my_work.document(found), work=found)


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
