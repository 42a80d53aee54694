"""Freezes: times in which nothing is to be applied."""

from datetime import datetime

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from patchline.releaser.documents.rollouts import freeze_document
from patchline.releaser.fleet.telling import read_time
from patchline.releaser.rollouts import freezes
from patchline.releaser.tables.people import Role
from patchline.web import access, asking, lists
from patchline.web.lists import Table

pages = Blueprint("freezes", __name__, url_prefix="/rollouts/freezes")


@pages.get("/")
@access.people
def listed() -> Response:
    """List freezes, and show the form that adds one."""
    everything = request.args.get("all") == "1"
    found = freezes.listed(asking.reading(), asking.now(), all_of_them=everything)
    rows = [freeze_document(*row) for row in found]
    table = Table("freezes", list(rows[0]) if rows else (), [list(row.values()) for row in rows])
    return lists.answer("rollouts/freezes.html", {"freezes": rows}, table, found=found, everything=everything)


@pages.post("/")
@access.roles(Role.RELEASE_MANAGER)
def add() -> BaseResponse:
    """Add a freeze."""
    given = {name: request.form.get(name, "").strip() or None for name in ("product", "customer", "site")}
    wanted = freezes.Wanted(_moment("begins"), _moment("ends"), request.form.get("reason", "").strip(), **given)
    with asking.attempt("freeze.add", "freeze") as change:
        made = freezes.add(change, wanted)
        flash(f"Frozen until {made.ends:%Y-%m-%d %H:%M} UTC: {made.reason}", "good")
    return redirect(url_for("freezes.listed"), 303)


def _moment(name: str) -> datetime:
    return read_time(request.form.get(name, "").strip())


@pages.post("/<int:number>/end")
@access.roles(Role.RELEASE_MANAGER)
def end(number: int) -> BaseResponse:
    """End a freeze now."""
    with asking.attempt("freeze.end", str(number)) as change:
        freezes.end(change, number)
    flash(f"Freeze {number} ended.", "good")
    return redirect(url_for("freezes.listed"), 303)
