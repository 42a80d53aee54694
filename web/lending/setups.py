"""Setups: who has which, what one is made of and where its credentials lie, and the form to borrow it. Vault is not asked."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from patchline.patches.errors import RefusedError
from patchline.releaser.documents.setups import whole_document
from patchline.releaser.loans import asking as wishes
from patchline.releaser.loans import board, looking
from patchline.releaser.loans.asking import Wanted
from patchline.releaser.loans.documents import loan_document
from patchline.releaser.moments import moment_to_come
from patchline.releaser.setups import editing, keeping
from patchline.releaser.setups.editing import Edit
from patchline.releaser.setups.keeping import KEEPERS, read_facet
from patchline.releaser.tables.setups import FACETS
from patchline.vault.setups import TeamSecrets
from patchline.web import access, asking, lists
from patchline.web.lists import Page, Table

pages = Blueprint("setups", __name__, url_prefix="/setups")
_COLUMNS = ("setup", "team", "state", "loan", "borrowing_team", "due", "booked_from", "level", "evidence", "as_of")
_HISTORY = 20


@pages.get("/")
@access.people
def listed() -> Response:
    """List setups: which are free, who has the others until when, and how we know their levels."""
    page, session, now = Page.asked(), asking.reading(), asking.now()
    team, state = (request.args.get(name, "").strip() or None for name in ("team", "state"))
    facets = [one.strip() for one in request.args.getlist("facet") if one.strip()]
    found = board.listed(session, now, page.most, page.after, team=team, facets=facets, state=state)
    shown, after = page.cut(found, lambda one: one.known.site.name)
    document = {"setups": [board.document(one, now) for one in shown], "after": after}
    table = Table("setups", _COLUMNS, [_row(one) for one in shown])
    totals, states = board.totals(session, now), [str(one) for one in board.STANDINGS]
    return lists.answer("lending/setups.html", document, table, shown=shown, totals=totals, states=states)


def _row(one: board.Row) -> tuple[Any, ...]:
    state, loan, booking = one.known.state, one.loan, one.booking
    lent = (loan.id, loan.team, loan.due) if loan is not None else (None, None, None)
    booked = booking.starts if booking is not None else None
    head = (one.known.site.name, one.known.setup.team, one.state.value)
    return (*head, *lent, booked, state.label, state.evidence, state.as_of)


@pages.get("/<name>")
@access.people
def page(name: str) -> Response:
    """Show a setup, its loans, and where its credentials lie; never what they are."""
    session, now = asking.reading(), asking.now()
    found = keeping.the_setup(session, name)
    row = board.beside(session, [found], now)[0]
    loans = looking.listed(session, _HISTORY, setup=name, ended=True)
    document = {
        **whole_document(found, now),
        **board.document(row, now),
        "loans": [loan_document(one, now) for one in loans],
    }
    return lists.answer(
        "lending/setup.html", document, found=found, row=row, loans=loans, most=_HISTORY, kinds=FACETS, keepers=KEEPERS
    )


@pages.post("/<name>/edit")
@access.roles(*KEEPERS)
def edit(name: str) -> Response:
    """Change whose a setup is, whether it is sensitive and what it is made of; endpoints are moved by the command."""
    given, register = request.form, asking.register()
    facets = tuple(read_facet(line) for line in given.get("facets", "").splitlines() if line.strip())
    wanted = Edit(given.get("team", ""), given.get("sensitive") == "1", facets)
    seen, by, now = given.get("seen", ""), asking.person(), asking.now()
    asking.close_reading()
    with register.refusals_told("setup.edit", name, by, now):
        editing.edit(register, _no_vault, name, wanted, by, now, int(seen) if seen.isdecimal() else 0)
    flash(f"{name} is changed.", "good")
    return redirect(url_for("setups.page", name=name), 303)


def _no_vault() -> TeamSecrets:
    """Refuse what needs a person's own login to Vault, which no page has."""
    raise RefusedError("loan-login", "no page logs in to Vault for somebody")


@pages.get("/<name>/borrow")
@access.people
def borrow(name: str) -> str:
    """Show the form that asks for a setup, with what the link to it says already."""
    session, now = asking.reading(), asking.now()
    row = board.beside(session, [keeping.the_setup(session, name)], now)[0]
    before = looking.listed(session, 1, borrower=asking.person(), ended=True)
    given = {field: request.args.get(field, "")[:300] for field in ("purpose", "team", "starts", "due")}
    given["team"] = given["team"] or (before[0].loan.team if before else "")
    certificates = any(endpoint.strategy == "ssh-certificate" for endpoint, _ in row.known.endpoints)
    shown = {"row": row, "given": given, "certificates": certificates, "longest": wishes.LONGEST.days}
    return render_template("lending/borrow.html", **shown)


@pages.post("/<name>/borrow")
@access.people
def ask(name: str) -> Response:
    """Ask for a setup; nobody else gets it in that time."""
    given = {field: request.form.get(field, "").strip() for field in ("team", "purpose", "starts", "due", "ssh_key")}
    starts = moment_to_come(given["starts"]) if given["starts"] else None
    due = moment_to_come(given["due"])
    wanted = Wanted(name, given["team"], given["purpose"], due, starts, given["ssh_key"] or None)
    with asking.attempt("loan.request", name) as change:
        seen = wishes.request(change, wanted)
    flash(f"{name} is reserved for team {seen.loan.team}; a keeper of setups lends it.", "good")
    return redirect(url_for("loans.page", identifier=seen.loan.id), 303)
