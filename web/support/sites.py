"""Sites: all of them, and of one its state, its history, what differs, what it would lose, and a level told by phone."""

from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from patchline.patches.errors import UsageError
from patchline.patches.identifiers import level_code
from patchline.releaser.documents.customers import key_document, site_document
from patchline.releaser.documents.sites import continuity_document, difference_document, history_document
from patchline.releaser.fleet import enrolling, site_lists, sites, telling, upgrades
from patchline.releaser.fleet.accounts import accounts
from patchline.releaser.fleet.continuity import Fate, continuity, find_target
from patchline.releaser.fleet.customers import the_customer
from patchline.releaser.fleet.differing import difference
from patchline.releaser.fleet.history import History, history
from patchline.releaser.fleet.level_words import account_document
from patchline.releaser.fleet.levels import When, levels
from patchline.releaser.fleet.next_steps import steps
from patchline.releaser.fleet.site_lists import Wanted
from patchline.releaser.fleet.telling import read_time
from patchline.releaser.moments import optional_moment
from patchline.releaser.tables.customers import CONNECTIVITY, Site
from patchline.releaser.tables.fleet import EvidenceGrade, SiteState
from patchline.releaser.tables.people import Role
from patchline.web import access, asking, lists
from patchline.web.lists import Page, Table

pages = Blueprint("sites", __name__, url_prefix="/support/sites")
_COLUMNS = ("site", "customer", "product", "environment", "connectivity", "baseline", "level", "evidence", "as_of")


@pages.get("/")
@access.people
def listed() -> Response:
    """List sites in service."""
    page, now = Page.asked(), asking.now()
    found = site_lists.listed(asking.reading(), _wanted(), now, page.most, page.after)
    shown, after = page.cut(found, lambda one: one.site.name)
    document = {"sites": [site_document(one.site, one.state, now) for one in shown], "after": after}
    table = Table("sites", _COLUMNS, [_row(one) for one in shown])
    grades, ways = [("", "any"), *((str(one), str(one)) for one in EvidenceGrade)], [("", "any"), *CONNECTIVITY]
    return lists.answer("support/sites.html", document, table, shown=shown, grades=grades, ways=ways)


def _wanted() -> Wanted:
    days = request.args.get("silent", "").strip()
    if days and not (days.isascii() and days.isdecimal() and len(days) < 6):
        raise UsageError("page", "silent for is a number of days")
    names = ("customer", "product", "baseline", "evidence", "connectivity")
    given = {name: request.args.get(name, "").strip() or None for name in names}
    return Wanted(**given, silent_days=int(days) if days else None)


def _row(one: sites.Listed) -> tuple[Any, ...]:
    site, state = one.site, one.state
    where = (site.name, site.customer, site.product, site.environment, site.connectivity)
    return (*where, state.baseline, state.label, state.evidence, state.as_of)


@pages.get("/<name>")
@access.people
def page(name: str) -> Response:
    """Show what is known of a site."""
    session, now = asking.reading(), asking.now()
    when = When(now, *(optional_moment(request.args.get(one) or None, now) for one in ("at", "known_at")))
    site = sites.the_site(session, name)
    account = accounts(session, levels(session, [site], when), when, closely=True)[0]
    keys, nodes = enrolling.keys_of(session, site), sites.nodes(session, site)
    document = {
        **site_document(site, session.get_one(SiteState, site.id), now),
        "account": account_document(account, when),
        "nodes": [node.name for node in nodes],
        "keys": [key_document(key) for key in keys],
    }
    return lists.answer(
        "support/site.html",
        document,
        Table(f"hotfixes-at-{site.name}", _AT, [_at(one) for one in document["account"]["hotfixes"]]),
        site=site,
        customer=the_customer(session, site.customer),
        account=account,
        code=level_code(account.level.digest) if account.level.digest else None,
        when=when,
        keys=keys,
        nodes=nodes,
        whole=session.get(Site, site.part_of) if site.part_of is not None else None,
        steps=steps(account),
        targets=upgrades.baselines(session, site.product),
    )


_AT = ("hotfix", "revision", "state", "severity", "title", "applied", "why")


def _at(one: dict[str, Any]) -> list[Any]:
    return [one[column] for column in _AT]


@pages.get("/<name>/history")
@access.people
def events(name: str) -> Response:
    """Show what happened at a site, in UTC and in the customer's time."""
    session, now = asking.reading(), asking.now()
    begin = optional_moment(request.args.get("from") or None, now, start=True)
    end = optional_moment(request.args.get("to") or None, now)
    found = history(session, sites.the_site(session, name)).between(begin, end)
    there = _zone(request.args.get("zone", "").strip()) or found.zone
    document = history_document(the_customer(session, found.site.customer), found, there)
    rows = [tuple(one.values()) for one in document["events"]]
    columns = ("at", "local", "since", "kind", "what", "node", "evidence", "reference")
    table = Table(f"history-of-{name}", columns, rows)
    return lists.answer("support/history.html", document, table, found=_newest_first(found), zone=there)


def _newest_first(found: History) -> History:
    return History(found.site, tuple(reversed(found.events)), found.zone)


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        raise UsageError("customer-field", f"{name[:80]!r} is no time zone such as Europe/Berlin") from None


@pages.get("/<name>/compare")
@access.people
def compare(name: str) -> Response:
    """Show what differs between two sites."""
    session, when = asking.reading(), When(asking.now())
    other = request.args.get("with", "").strip()
    both = levels(session, [sites.the_site(session, one) for one in (name, other)], when)
    found = difference(session, *both)
    return lists.answer("support/compare.html", difference_document(found, when), found=found)


@pages.get("/<name>/loses")
@access.people
def loses(name: str) -> Response:
    """Show what a site would lose by going to another baseline, or by taking a hotfix."""
    session, when = asking.reading(), When(asking.now())
    site = sites.the_site(session, name)
    target = find_target(session, site.product, request.args.get("to", "").strip())
    level = levels(session, [site], when)[0]
    found = continuity(session, level, target, asking.register().home, when)
    document = continuity_document(found, when)
    columns = ("fix", "by", "fate", "how", "take")
    rows = [(one.fix, " ".join(one.by), one.fate, one.how, " ".join(one.take)) for one in found.fixes]
    table = Table(f"{name}-to-{found.target}", columns, rows)
    return lists.answer("support/loses.html", document, table, found=found, Fate=Fate, site=site)


@pages.post("/<name>/tell")
@access.roles(Role.SUPPORT, Role.RELEASE_MANAGER)
def tell(name: str) -> BaseResponse:
    """Keep a level that somebody told by phone."""
    form = request.form
    given = {field: form.get(field, "").strip() or None for field in ("label", "code", "at")}
    moment = asking.now() if given["at"] is None else read_time(given["at"])
    wanted = telling.Wanted(form.get("by", ""), moment, given["label"], code=given["code"])
    with asking.attempt("site.tell", name) as change:
        told, verdict = telling.tell(change, name, wanted)
    counts = "it counts now" if verdict == "accepted" else verdict.words
    matched = ", the code fits" if told.code else ", without a code"
    flash(f"{told.site}: {told.label}, told by {told.by}{matched}; {counts}", "good")
    return redirect(url_for("sites.page", name=name), 303)


@pages.get("/<name>/tell")
@access.roles(Role.SUPPORT, Role.RELEASE_MANAGER)
def telling_form(name: str) -> str:
    """Show the form for a level told by phone."""
    return render_template("support/tell.html", site=sites.the_site(asking.reading(), name))
