"""Every page and who may see it, written down a second time: a page that is new, or shown to others than before, is told.

A page of the vendor's that is not in `PAGES` fails the test; add it under its blueprint, with whom it is for. Those of
programs and customers are listed by their kind, and what lies behind it is tested where the kind is.
"""

from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from patchline.web import access

ANYONE, PEOPLE, OWN = "anyone", "people", "own"
ENGINEERS, MANAGERS, SUPPORT = ("engineer",), ("release-manager",), ("support",)
KEEPERS = ("release-manager", "support")
BUILDERS = ("engineer", "release-manager")
OTHER_KINDS = ("site-token", "token", "customer", "site", "machines")
"""Kinds with checks of their own: the vendor's cookie is nothing there."""

WITHOUT_FORMS = {"api-check-in.check_in"}
"""What is no form of a page: the report that a site sends is signed."""

PAGES: dict[str, Any] = {
    "static": ANYONE,
    # approvals; whose signature counts says the policy, so everybody may bring one
    "approvals.queue": PEOPLE,
    "approvals.review": PEOPLE,
    "approvals.file": PEOPLE,
    "approvals.sign": OWN,
    "approvals.upload": PEOPLE,
    "approvals.reject": PEOPLE,
    "approvals.keys": PEOPLE,
    "approvals.enrol": OWN,
    "approvals.retire": OWN,
    "approvals.enrolment": PEOPLE,
    # hotfixes
    "hotfixes.listed": PEOPLE,
    "hotfixes.show": PEOPLE,
    "hotfixes.edit": BUILDERS,
    "hotfixes.evidence": PEOPLE,
    "hotfixes.submit": BUILDERS,
    "hotfixes.stop": BUILDERS,
    "hotfixes.revise": BUILDERS,
    "hotfixes.publish": MANAGERS,
    "hotfixes.hold": BUILDERS,
    "hotfixes.lift": MANAGERS,
    # baselines
    "baselines.listed": PEOPLE,
    "baselines.campaign": PEOPLE,
    # setups and loans; who may lend, return or cancel what says the rule, page and command alike
    "setups.listed": PEOPLE,
    "setups.page": PEOPLE,
    "setups.edit": BUILDERS,
    "setups.borrow": PEOPLE,
    "setups.ask": PEOPLE,
    "loans.listed": PEOPLE,
    "loans.page": PEOPLE,
    "loans.state": PEOPLE,
    "loans.approve": BUILDERS,
    "loans.extend": BUILDERS,
    "loans.give_back": PEOPLE,
    "loans.cancel": PEOPLE,
    # compatibility
    "compatibility.page": PEOPLE,
    "compatibility.sites": PEOPLE,
    # sign_in
    "sign_in.form": ANYONE,
    "sign_in.enter": ANYONE,
    "sign_in.link": ANYONE,
    "sign_in.link_form": ANYONE,
    "sign_in.use_link": ANYONE,
    # outside
    "outside.begin": ANYONE,
    "outside.bind": ANYONE,
    "outside.back": ANYONE,
    # me
    "me.page": PEOPLE,
    "me.change_password": OWN,
    "me.end_browser": OWN,
    "me.end_all": OWN,
    # start
    "start.page": PEOPLE,
    "start.style": PEOPLE,
    "start.sign_out": OWN,
    # audit
    "audit.events": BUILDERS,
    "audit.export": BUILDERS,
    "audit.checkpoint": BUILDERS,
    # administration
    "administration.people": MANAGERS,
    "administration.add": MANAGERS,
    "administration.person": MANAGERS,
    "administration.give_roles": MANAGERS,
    "administration.take_roles": MANAGERS,
    "administration.disable": MANAGERS,
    "administration.sign_out": MANAGERS,
    "administration.link": MANAGERS,
    "administration.health": MANAGERS,
    "administration.held": BUILDERS,
    # api
    "api.document": ANYONE,
    "api.page": ANYONE,
    # api-check-in
    "api-check-in.check_in": ANYONE,
    # customers
    "customers.listed": PEOPLE,
    "customers.page": PEOPLE,
    # exposure
    "exposure.page": PEOPLE,
    # fleet
    "fleet.come": PEOPLE,
    "fleet.of_product": PEOPLE,
    "fleet.page": PEOPLE,
    # health
    "health.alive": ANYONE,
    "health.ready": ANYONE,
    # reports
    "reports.listed": PEOPLE,
    "reports.take": KEEPERS,
    # sites
    "sites.compare": PEOPLE,
    "sites.events": PEOPLE,
    "sites.listed": PEOPLE,
    "sites.loses": PEOPLE,
    "sites.page": PEOPLE,
    "sites.tell": KEEPERS,
    "sites.telling_form": KEEPERS,
    # support
    "support.search": PEOPLE,
    # rollouts
    "freezes.add": MANAGERS,
    "freezes.end": MANAGERS,
    "freezes.listed": PEOPLE,
    "notices.page": PEOPLE,
    "notices.send": KEEPERS,
    "recalls.listed": PEOPLE,
    "recalls.page": PEOPLE,
    "recalls.say": KEEPERS,
    "rollouts.act": KEEPERS,
    "rollouts.listed": PEOPLE,
    "rollouts.page": PEOPLE,
    "rollouts.plan": MANAGERS,
    # portal_sign_in; all else of the portal is for customers
    "portal_sign_in.enter": ANYONE,
    "portal_sign_in.form": ANYONE,
    "portal_sign_in.link": ANYONE,
    "portal_sign_in.link_form": ANYONE,
    "portal_sign_in.use_link": ANYONE,
    # channel_files
    "channel.file": ANYONE,
}

SAMPLES = {"int": "1", "float": "1.5", "uuid": "00000000-0000-4000-8000-000000000000", "default": "x", "path": "x/y"}


def address(rule: Rule, known: dict[str, str] | None = None) -> str:
    """Return an address of a page; what it is about is there where `known` says so by the argument's name."""
    path = rule.rule
    for name in rule.arguments:
        kind = type(rule._converters[name]).__name__.removesuffix("Converter").lower()
        kind = {"integer": "int", "unicode": "default"}.get(kind, kind)
        given = (known or {}).get(name, SAMPLES.get(kind, "x"))
        for form in (f"<{name}>", f"<string:{name}>", f"<{kind}:{name}>"):
            path = path.replace(form, given)
    return path


def pages(app: Flask) -> list[tuple[str, str, Rule]]:
    """Return endpoint, method and rule of everything that can be asked."""
    found = []
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            found.append((rule.endpoint, method, rule))
    return sorted(found, key=lambda one: (one[0], one[1]))


def whom(app: Flask, endpoint: str) -> Any:
    """Return whom a page is for as the page itself says, in the words of `PAGES`."""
    found = access.of(app, endpoint)
    if found.kind == "anyone":
        return ANYONE
    if found.kind != "vendor":
        return found.kind
    if found.own:
        return OWN
    return tuple(sorted(found.roles - {"auditor"})) or (PEOPLE if not found.roles else ())
