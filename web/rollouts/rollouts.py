"""Rollouts: all of them, and of one its stages, what it waits for, and what may be done."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from patchline.patches.errors import UsageError
from patchline.releaser.documents.rollouts import listed_document, rollout_document, target_document
from patchline.releaser.rollouts import freezes, life, listing
from patchline.releaser.rollouts.life import Found, Settings
from patchline.releaser.rollouts.outlook import enough_at, outlook
from patchline.releaser.rollouts.targets import Measured, Stand, listed, measure
from patchline.releaser.states import State
from patchline.releaser.tables.people import Role
from patchline.releaser.tables.rollouts import STATES, RolloutStage
from patchline.web import access, asking, lists, plots
from patchline.web.lists import Page, Table

pages = Blueprint("rollouts", __name__, url_prefix="/rollouts")
_TONES = {
    Stand.APPLIED: "good",
    Stand.SUPERSEDED: "good",
    Stand.PENDING: "busy",
    Stand.DOWNLOADED: "busy",
    Stand.AVAILABLE: "busy",
    Stand.FAILED: "bad",
    Stand.ROLLED_BACK: "bad",
    Stand.FROZEN: "warn",
    Stand.UNKNOWN: "warn",
    Stand.LATER: "off",
}


@pages.get("/", endpoint="listed")
@access.people
def all_of_them() -> Response:
    """List rollouts, and show the form that plans another one."""
    page, state = Page.asked(), request.args.get("state") or None
    found = listing.rollouts(asking.reading(), state, page.most, page.after)
    shown, after = page.cut(found, lambda one: one.number)
    rows = [listed_document(one) for one in shown]
    table = Table("rollouts", list(rows[0]) if rows else (), [list(row.values()) for row in rows])
    document = {"rollouts": rows, "after": after}
    return lists.answer("rollouts/listed.html", document, table, shown=shown, states=STATES, usual=Settings())


@pages.get("/<identifier>")
@access.people
def page(identifier: str) -> Response:
    """Show how a rollout stands, and what comes next."""
    session, now, page = asking.reading(), asking.now(), Page.asked()
    found = life.the_rollout(session, identifier)
    counts = measure(session, found.rollout, found.aimed, now)
    freeze = freezes.of_product(session, found.aimed.product, now)
    ahead = outlook(counts, State(found.revision.state), freeze, enough_at(session, counts, found.aimed, now), now)
    stands = _stands()
    rows = listed(session, found.rollout, found.aimed, now, stands, page.most, page.after or "") if stands else []
    shown, after = page.cut(rows, lambda row: row.name)
    document = {
        **rollout_document(found, counts),
        "next": vars(ahead),
        "sites": [target_document(row) for row in shown],
        "after": after,
    }
    columns = ("site", "customer", "stage", "stand", "evidence", "as_of")
    return lists.answer(
        "rollouts/page.html",
        document,
        Table(f"sites-of-{found.label}", columns, [row.values() for row in document["sites"]]),
        found=found,
        counts=counts,
        ahead=ahead,
        stands=stands,
        all_stands=list(Stand),
        tones=_TONES,
        rows=shown,
        names={stage.number: stage_name(stage) for stage in counts.stages},
        plot=_plot(found, counts),
    )


def _stands() -> list[Stand]:
    wanted = request.args.get("stand", "")
    if wanted and wanted not in tuple(Stand):
        raise UsageError("page", f"{wanted[:40]!r} is none of {', '.join(Stand)}")
    return [Stand(wanted)] if wanted else []


def stage_name(stage: RolloutStage) -> str:
    """Return what people call a stage."""
    return {"named": "named sites", "everyone": "everyone else"}.get(stage.kind, f"ring {stage.ring}")


def _plot(found: Found, counts: Measured) -> plots.Plot:
    there = [stand for stand in Stand if counts.sites(stands=[stand])]
    stacks = [
        plots.Stack(f"{stage.number}: {stage_name(stage)}", {s.value: counts.sites(stage.number, [s]) for s in there})
        for stage in counts.stages
    ]
    heading = plots.Heading("stages", f"Sites of {found.label} by stage", "sites", asking.now())
    return plots.stacked(heading, stacks, {stand.value: _TONES[stand] for stand in there}, shares=True)


# What may be done


@pages.post("/")
@access.roles(Role.RELEASE_MANAGER)
def plan() -> BaseResponse:
    """Plan a rollout."""
    form = request.form
    identifier, sites = form.get("identifier", "").strip(), form.get("sites", "").split()
    numbers = {name: _number(name) for name in vars(Settings()) if name != "automatic"}
    settings = Settings(automatic="automatic" in form, **numbers)
    with asking.attempt("rollout.plan", identifier) as change:
        planned = life.plan(change, identifier, settings, sites)
        label = f"{planned.revision.hotfix}-r{planned.revision.number}"
    left_out = f"; left out, as they have no site for it: {', '.join(planned.left_out)}" if planned.left_out else ""
    flash(f"The rollout of {label} is planned; it reaches nobody until you start it{left_out}", "good")
    return redirect(url_for("rollouts.page", identifier=label), 303)


def _number(name: str) -> int:
    given = request.form.get(name, "").strip()
    if not (given.isascii() and given.isdecimal() and len(given) < 9):
        raise UsageError("rollout-setting", f"{name.replace('_', ' ')} is a number")
    return int(given)


_ACTIONS: dict[str, tuple[Callable[..., Measured], str]] = {
    "start": (life.start, "It runs"),
    "promote": (life.promote, "The next stage is open"),
    "pause": (life.pause, "It is paused: nobody new is reached"),
    "stop": (life.stop, "It is stopped: nobody new is reached for good"),
    "problem": (life.tell_problem, "The problem is written down, and counts as an error"),
}


@pages.post("/<identifier>/<action>")
@access.roles(Role.SUPPORT, Role.RELEASE_MANAGER)
def act(identifier: str, action: str) -> BaseResponse:
    """Start, promote, pause or stop it, or tell a problem at a site."""
    if action not in _ACTIONS:
        raise UsageError("page", f"{action[:40]!r} is nothing that is done to a rollout")
    do, told = _ACTIONS[action]
    with asking.attempt(f"rollout.{action}", identifier) as change:
        do(change, identifier, *_given(action))
    flash(f"{told}.", "good")
    return redirect(url_for("rollouts.page", identifier=identifier), 303)


def _given(action: str) -> list[Any]:
    reason = request.form.get("reason", "").strip()
    return {
        "pause": [reason],
        "stop": [reason],
        "problem": [request.form.get("site", "").strip(), reason],
    }.get(action, [])
