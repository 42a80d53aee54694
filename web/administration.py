"""Who acts here and as what, what is to be mended, and what holds: people, health, policies."""

from typing import Any

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as Answer

from patchline.releaser import audit_reading, catalogue, doctor, emergencies, persons, policies, trust_words
from patchline.releaser.access import accounts, links, web_sessions
from patchline.releaser.audit_reading import OVERRIDES, Wanted
from patchline.releaser.documents.office import emergency_document, health_document, person_document
from patchline.releaser.tables.access import VENDOR
from patchline.releaser.tables.people import Role
from patchline.web import access, asking, figures, lists
from patchline.web.lists import Table

pages = Blueprint("administration", __name__, url_prefix="/administration")
_SHOWN = 100


@pages.get("/")
@access.roles(Role.RELEASE_MANAGER)
def people() -> Response:
    """Show who acts here and as what, and the products."""
    reading = asking.reading()
    found, ways = persons.listed(reading), accounts.ways_in(reading)
    document = {"people": [{**person_document(one), "signs_in_by": ways.get(one.id)} for one in found], "after": None}
    rows = [(one.id, one.name, " ".join(one.roles), ways.get(one.id), one.disabled) for one in found]
    table = Table("people", ("id", "name", "roles", "signs_in_by", "disabled"), rows)
    shown: dict[str, Any] = {
        "people": found,
        "ways": ways,
        "roles": list(Role),
        "products": catalogue.list_products(reading),
    }
    return lists.answer("administration/people.html", document, table, **shown)


@pages.post("/")
@access.roles(Role.RELEASE_MANAGER)
def add() -> Answer:
    """Add a person."""
    given = request.form
    id_, name = given.get("id", "").strip(), given.get("name", "").strip()
    with asking.attempt("person.add", id_) as change:
        persons.add(change, id_, name or id_, _roles())
    flash(f"{name or id_} is there now; make a link, by which they set a password.", "good")
    return redirect(url_for("administration.person", id_=id_), 303)


def _roles() -> list[Role]:
    known = {role.value: role for role in Role}
    return [known[one] for one in request.form.getlist("role") if one in known]


@pages.get("/people/<id_>")
@access.roles(Role.RELEASE_MANAGER)
def person(id_: str) -> Response:
    """Show a person."""
    return _person(id_)


def _person(id_: str, link: str | None = None) -> Response:
    reading = asking.reading()
    found = persons.the_person(reading, id_)
    shown: dict[str, Any] = {
        "person": found,
        "way": accounts.ways_in(reading).get(id_),
        "browsers": web_sessions.of(reading, VENDOR, id_, asking.now()),
        "newest": links.newest(reading, VENDOR, id_),
        "lacking": [role for role in Role if role not in found.roles],
        "link": link,
    }
    return lists.answer("administration/person.html", person_document(found), **shown)


@pages.post("/people/<id_>/roles")
@access.roles(Role.RELEASE_MANAGER)
def give_roles(id_: str) -> Answer:
    """Give a person roles."""
    with asking.attempt("person.add", id_) as change:
        persons.the_person(change.session, id_)
        persons.add(change, id_, None, _roles())
    return _back(id_, "The roles are given.")


@pages.post("/people/<id_>/roles/end")
@access.roles(Role.RELEASE_MANAGER)
def take_roles(id_: str) -> Answer:
    """Take a role from a person."""
    with asking.attempt("person.disable", id_) as change:
        persons.the_person(change.session, id_)
        persons.take_roles(change, id_, _roles())
    return _back(id_, "The role is taken away.")


@pages.post("/people/<id_>/disable")
@access.roles(Role.RELEASE_MANAGER)
def disable(id_: str) -> Answer:
    """Let a person act no more."""
    with asking.attempt("person.disable", id_) as change:
        persons.the_person(change.session, id_)
        persons.disable(change, id_)
        accounts.end_sessions(change, id_)
    return _back(id_, "They act no more here. Whose signature counts says the policy: change that too.")


@pages.post("/people/<id_>/sign-out")
@access.roles(Role.RELEASE_MANAGER)
def sign_out(id_: str) -> Answer:
    """Sign a person out everywhere."""
    with asking.attempt("account.sign-out", id_) as change:
        accounts.end_sessions(change, id_)
    return _back(id_, "They are signed out everywhere.")


@pages.post("/people/<id_>/link")
@access.roles(Role.RELEASE_MANAGER)
def link(id_: str) -> Response:
    """Make a link by which a person sets a password, and show it this once: it stands in no address and no cookie."""
    with asking.attempt("account.link", id_) as change:
        persons.the_person(change.session, id_)
        made = accounts.offer_link(change, id_)
    return _person(id_, made.address(asking.register().settings.web_address))


def _back(id_: str, told: str) -> Answer:
    flash(told, "good")
    return redirect(url_for("administration.person", id_=id_), 303)


@pages.get("/health")
@access.roles(Role.RELEASE_MANAGER)
def health() -> Response:
    """Show what the doctor finds: what is to be mended, what expires when, what losing a key would mean."""
    found = doctor.examine(asking.register(), asking.now())
    rows = [(finding.code, finding.message, finding.hint) for finding in found.findings]
    table = Table("findings", ("code", "finding", "hint"), rows)
    expiries = sorted(found.expiries.items(), key=lambda one: one[1])
    warned = {role for role, when in expiries if when - asking.now() <= doctor.WARNING_TIMES[role]}
    shown: dict[str, Any] = {
        "health": found,
        "expiries": expiries,
        "warned": warned,
        "plot": figures.expiries(found.expiries, warned, asking.now()),
    }
    return lists.answer("administration/health.html", health_document(found), table, **shown)


@pages.get("/policies")
@access.roles(Role.ENGINEER, Role.RELEASE_MANAGER)
def held() -> Response:
    """Show what each product's policy says, and who went past a rule."""
    reading = asking.reading()
    found = policies.newest_policies(reading)
    went_past = audit_reading.look(reading, Wanted(actions=tuple(OVERRIDES)), _SHOWN)
    urgent = emergencies.emergencies(reading, _SHOWN)
    document = {
        "policies": {product: trust_words.policy_words(policy) for product, policy in found.items()},
        "emergencies": [emergency_document(one) for one in urgent],
        "overrides": [one.as_document() for one in went_past.events],
    }
    shown: dict[str, Any] = {"words": trust_words, "emergencies": urgent, "overrides": went_past.events}
    shown["policies"] = found
    return lists.answer("administration/policies.html", document, went_past=OVERRIDES, **shown)
