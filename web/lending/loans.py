"""Loans: asked for, lent, returned. Pages write down what somebody wants; the broker, who alone comes to Vault, does it."""

from typing import Any

from flask import Blueprint, Response, flash, g, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from patchline.releaser.loans import ahead, brokered, looking
from patchline.releaser.loans import asking as wishes
from patchline.releaser.loans.documents import loan_document, whole_document
from patchline.releaser.loans.lending import takes_own_login
from patchline.releaser.loans.looking import Seen
from patchline.releaser.moments import moment_to_come
from patchline.releaser.setups import keeping
from patchline.releaser.setups.keeping import KEEPERS
from patchline.web import access, asking, lists
from patchline.web.lists import Page, Table

pages = Blueprint("loans", __name__, url_prefix="/loans")
_COLUMNS = ("loan", "state", "setup", "owner", "team", "borrower", "lender", "purpose", "starts", "due", "handover")
_DONE = "done-"


@pages.get("/")
@access.people
def listed() -> Response:
    """List loans and bookings, the newest request first."""
    page, session, now = Page.asked(), asking.reading(), asking.now()
    setup, team = (request.args.get(name, "").strip() or None for name in ("setup", "team"))
    borrower = asking.person() if request.args.get("mine") else None
    ended = bool(request.args.get("ended"))
    found = looking.listed(session, page.most, page.after, setup=setup, team=team, borrower=borrower, ended=ended)
    shown, after = page.cut(found, lambda one: one.loan.id)
    documents = [loan_document(one, now) for one in shown]
    table = Table("loans", _COLUMNS, [[one[name] for name in _COLUMNS] for one in documents])
    rows = [(one, one.stands(now), ahead.ahead(one, now)) for one in shown]
    return lists.answer("lending/loans.html", {"loans": documents, "after": after}, table, rows=rows)


@pages.get("/<identifier>")
@access.people
def page(identifier: str) -> Response:
    """Show a loan: what comes next, its logins and how each ended, the hand-over, and every step of it."""
    session, now = asking.reading(), asking.now()
    seen = looking.the_loan(session, identifier)
    known = keeping.the_setup(session, seen.setup)
    return lists.answer(
        "lending/loan.html",
        whole_document(seen, now),
        may=ahead.permitted(seen, asking.person(), g.roles, now),
        with_login=takes_own_login(known),
        by_hand=[endpoint.name for endpoint, _ in known.endpoints if endpoint.strategy == "by-hand"],
        keeper=not g.roles.isdisjoint(KEEPERS),
        told=ahead.to_be_told(seen),
        longest=wishes.LONGEST.days,
        **_stand(seen),
    )


def _stand(seen: Seen) -> dict[str, Any]:
    now = asking.now()
    state = seen.stands(now)
    return {"seen": seen, "state": state, "ahead": ahead.ahead(seen, now), "moving": state in ahead.MOVING}


@pages.get("/<identifier>/state")
@access.people
def state(identifier: str) -> Response:
    """Show how a loan stands, for a page that asks again and again; the whole page is loaded when it moved on."""
    seen = looking.the_loan(asking.reading(), identifier)
    found = _stand(seen)
    response = make_response(render_template("lending/state.html", **found))
    if request.args.get("was") != found["state"]:
        response.headers["HX-Refresh"] = "true"
    return response


@pages.post("/<identifier>/approve")
@access.roles(*KEEPERS)
def approve(identifier: str) -> BaseResponse:
    """Lend what was asked for."""
    _ask_vault_for(identifier)
    with asking.attempt("loan.approve", identifier) as change:
        seen = brokered.approve(change, identifier, _done())
    begun = "the broker issues it" if seen.loan.state == "issuing" else "the broker issues it when its time comes"
    return _back(identifier, f"{seen.setup} is lent to team {seen.loan.team}; {begun}.")


@pages.post("/<identifier>/extend")
@access.roles(*KEEPERS)
def extend(identifier: str) -> BaseResponse:
    """Move the date on which a loan is due."""
    due = moment_to_come(request.form.get("due", ""))
    _ask_vault_for(identifier)
    with asking.attempt("loan.extend", identifier) as change:
        brokered.extend(change, identifier, due)
    return _back(identifier, f"It is due on {due:%Y-%m-%d %H:%M} UTC now; the broker tells Vault.")


@pages.post("/<identifier>/return")
@access.people
def give_back(identifier: str) -> BaseResponse:
    """Give a setup back; while Vault does not answer, it waits, written down."""
    with asking.attempt("loan.return", identifier) as change:
        seen = brokered.give_back(change, identifier, _done())
    return _back(identifier, f"{seen.setup} is given back; the broker ends its logins and proves it.")


@pages.post("/<identifier>/cancel")
@access.people
def cancel(identifier: str) -> BaseResponse:
    """End a loan that was not lent yet."""
    with asking.attempt("loan.cancel", identifier) as change:
        seen = wishes.cancel(change, identifier, request.form.get("reason", ""))
    return _back(identifier, f"The loan of {seen.setup} is cancelled.")


def _ask_vault_for(identifier: str) -> None:
    """Refuse what needs Vault while it does not work; of a loan that is not there nothing need be asked."""
    looking.the_loan(asking.reading(), identifier)
    asking.close_reading()
    brokered.ask_vault(asking.register())


def _done() -> dict[str, str]:
    """Return what somebody did by hand, by endpoint."""
    found = {name[len(_DONE) :]: text.strip() for name, text in request.form.items() if name.startswith(_DONE)}
    return {name: text for name, text in found.items() if text}


def _back(identifier: str, told: str) -> BaseResponse:
    flash(told, "good")
    return redirect(url_for("loans.page", identifier=identifier), 303)
