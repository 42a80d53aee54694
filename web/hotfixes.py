"""Pages of engineers: hotfixes, one revision with all that belongs to it, and what may be done with it next."""

import tempfile
from datetime import datetime
from pathlib import Path

from flask import Blueprint, flash, g, redirect, request, url_for
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response

from patchline.patches.errors import UsageError
from patchline.patches.limits import LIMITS
from patchline.patches.manifest import SEVERITIES
from patchline.releaser import close_up, hotfixes, moments, recalls, submitting
from patchline.releaser import evidence as testing
from patchline.releaser.desk import listing
from patchline.releaser.hotfixes import Edit, label
from patchline.releaser.overview import Filter
from patchline.releaser.policies import newest_root
from patchline.releaser.publishing import Release, follow
from patchline.releaser.states import Action, State, permitted
from patchline.releaser.tables.hotfixes import Hotfix
from patchline.releaser.tables.people import Role
from patchline.releaser.work import asking as wishing
from patchline.releaser.work.carrying import left_to_worker
from patchline.releaser.work.jobs import Workshop
from patchline.web import access, asking, lists, server_keys
from patchline.web.lists import Page, Table

pages = Blueprint("hotfixes", __name__, url_prefix="/hotfixes")
_MAKERS = (Role.ENGINEER, Role.RELEASE_MANAGER)
_LINE = 1024


@pages.get("/")
@access.people
def listed() -> Response:
    """List hotfixes, the newest first: how each stands, since when, and who is waited for."""
    page, given = Page.asked(), request.args
    wanted = Filter(
        product=given.get("product") or None,
        states=tuple(given.getlist("state")) if any(given.getlist("state")) else (),
        severity=given.get("severity") or None,
        text=given.get("text") or None,
    )
    found = listing.listed(asking.reading(), wanted, limit=page.limit, after=page.after)
    documents = [listing.document(one) for one in found.rows]
    table = Table("hotfixes", listing.COLUMNS, [[one[name] for name in listing.COLUMNS] for one in documents])
    shown = {"rows": found.rows, "states": [str(state) for state in State], "severities": SEVERITIES}
    document = {"hotfixes": documents, "after": found.after}
    return lists.answer("hotfixes/listed.html", document, table, products=found.products, **shown)


@pages.get("/<identifier>")
@access.people
def show(identifier: str) -> Response:
    """Show a revision and all that belongs to it."""
    register, now = asking.register(), asking.now()
    found = listing.looked_at(register, identifier, asking.person(), now)
    may = permitted(State(found.close.revision.state), g.roles)
    return lists.answer(
        "hotfixes/show.html",
        close_up.document(found.close),
        close=found.close,
        review=found.review,
        problem=found.problem,
        may=may,
        can_revise=found.can_revise,
        severities=SEVERITIES,
    )


@pages.post("/<identifier>/edit")
@access.roles(*_MAKERS)
def edit(identifier: str) -> Response:
    """Change what a hotfix is meant to be."""
    given = request.form
    wanted = Edit(title=given.get("title") or None, severity=given.get("severity") or None)
    seen = given.get("seen", "")
    with asking.attempt("hotfix.edit", identifier) as change:
        hotfixes.edit(change, identifier, wanted, int(seen) if seen.isdecimal() else None)
    return _done(identifier, f"{identifier} is changed; you may not approve it now.")


@pages.post("/<identifier>/evidence")
@access.people
def evidence(identifier: str) -> Response:
    """Attach test results."""
    file = _file("results")
    with tempfile.TemporaryDirectory(prefix="patchline-evidence-") as folder:
        path = Path(folder) / (Path(file.filename or "").name or "results.xml")
        path.write_bytes(file.read())
        results = testing.read_results(path)
    with asking.attempt("hotfix.evidence", identifier) as change:
        revision = testing.attach(change, identifier, [results], request.form.get("setup") or None, {})
    told = (
        f"{results.passed} of {results.tests} tests passed; the builder's statement must name them before submitting."
    )
    return _done(label(revision), told)


@pages.post("/<identifier>/submit")
@access.roles(*_MAKERS)
def submit(identifier: str) -> Response:
    """Submit a built revision for review."""
    given = request.files.get("provenance")
    data = given.read(LIMITS.sidecar) if given else b""
    embargo = _day(request.form.get("embargo", ""))
    root = newest_root(asking.register())
    with asking.attempt("hotfix.submit", identifier) as change:
        revision = submitting.submit(change, identifier, root, provenance=data or None, embargo=embargo)
    return _done(label(revision), f"{label(revision)} is in review; approvers find it in their queue.")


@pages.post("/<identifier>/stop")
@access.roles(*_MAKERS)
def stop(identifier: str) -> Response:
    """Give a revision up."""
    with asking.attempt("hotfix.abandon", identifier) as change:
        revision = hotfixes.stop(change, identifier, Action.ABANDON, request.form.get("reason", ""))
    return _done(label(revision), f"{label(revision)} is abandoned.")


@pages.post("/<identifier>/revise")
@access.roles(*_MAKERS)
def revise(identifier: str) -> Response:
    """Begin the next revision."""
    with asking.attempt("hotfix.new", identifier) as change:
        revision = hotfixes.revise(change, identifier)
    return _done(label(revision), f"{label(revision)} is a draft: build it with patchline hotfix build.")


@pages.post("/<identifier>/publish")
@access.roles(Role.RELEASE_MANAGER)
def publish(identifier: str) -> Response:
    """Publish an approved revision, at once or by a worker."""
    register = asking.register()
    release = Release(_file("line").read(_LINE), _file("signature").read(_LINE))
    root = newest_root(register)
    with asking.attempt("hotfix.publish", identifier) as change:
        wish, named = wishing.publication(change, identifier, root, release)
    told = left_to_worker(Workshop(register, server_keys.passphrase), wish, asking.clock())
    return _done(named, f"{named} {told}.")


@pages.post("/<identifier>/hold")
@access.roles(*_MAKERS)
def hold(identifier: str) -> Response:
    """Hold a published revision back."""
    return _held(identifier, request.form.get("reason", ""))


@pages.post("/<identifier>/lift")
@access.roles(Role.RELEASE_MANAGER)
def lift(identifier: str) -> Response:
    """Take a hold back."""
    return _held(identifier, None)


def _held(identifier: str, reason: str | None) -> Response:
    channel = server_keys.channel()
    action = "hotfix.lift" if reason is None else "hotfix.hold"
    with asking.attempt(action, identifier) as change:
        found = recalls.lift(change, identifier) if reason is None else recalls.hold(change, identifier, reason)
        product = change.session.get_one(Hotfix, found.hotfix).product
        named = label(found)
    follow(asking.register(), channel, product, asking.now())
    return _done(named, f"{named} is {'published again' if reason is None else 'held back'}.")


def _file(name: str) -> FileStorage:
    given = request.files.get(name)
    if given is None or not given.filename:
        raise UsageError("page", f"choose a file for {name}")
    return given


def _day(written: str) -> datetime | None:
    return moments.moment_to_come(written) if written else None


def _done(identifier: str, told: str) -> Response:
    flash(told, "good")
    return redirect(url_for("hotfixes.show", identifier=identifier), 303)
