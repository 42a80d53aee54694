"""Signing in to the vendor's pages."""

from flask import Blueprint, render_template

from patchline.web import access

pages = Blueprint("sign_in", __name__, url_prefix="/sign-in")


@pages.get("/")
@access.anyone
def form() -> str:
    """Show where to sign in."""
    return render_template("sign_in/form.html")
