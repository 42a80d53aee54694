"""`patchline site add`, `enrol`, `list` and `show`."""

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from patchline.patches.files import read_file
from patchline.patches.limits import LIMITS
from patchline.patches.statements import time_text
from patchline.patches.terminal import example, json_option, report
from patchline.releaser.commands.options import (
    attempt,
    clock,
    home_option,
    page_options,
    page_text,
    paged,
    register_options,
    the_register,
)
from patchline.releaser.documents.customers import key_document, site_document
from patchline.releaser.fleet import enrolling, sites
from patchline.releaser.fleet.enrolling import Key
from patchline.releaser.fleet.sites import NewSite
from patchline.releaser.fleet.words import known
from patchline.releaser.tables.customers import CONNECTIVITY, ENVIRONMENTS, Site
from patchline.releaser.tables.fleet import SiteState


@click.command(
    epilog=example(
        "patchline site add acme-main --customer acme --product shop --title 'Acme, main plant' \\",
        "    --air-gapped --window 'Sat 22:00-04:00 Europe/Berlin'",
    )
)
@click.argument("name", metavar="SITE")
@click.option("--customer", required=True, metavar="ID", help="Whose it is.")
@click.option("--product", required=True, metavar="P", help="What runs there.")
@click.option("--title", help="What it is called, inside; default: the name.")
@click.option("--alias", help="What shared texts show; by default one is made that tells nothing.")
@click.option(
    "--environment", type=click.Choice(ENVIRONMENTS), default="production", show_default=True, help="What it is for."
)
@click.option("--air-gapped", is_flag=True, help="It has no network: kits go there, reports come by hand.")
@click.option("--part-of", metavar="SITE", help="It is a node of this site.")
@click.option("--window", metavar="TIMES", help="When it may be changed; default: at any time.")
@register_options
@json_option
def add(name: str, air_gapped: bool, **given: Any) -> None:
    """Add a site of a customer, or a node of a site. Nothing is known of its level then."""
    online, apart = CONNECTIVITY
    with attempt("site.add", name) as change:
        made = sites.add(change, NewSite(name, connectivity=apart if air_gapped else online, **given))
        state = change.session.get_one(SiteState, made.id)
    text = f"added {made.name} of {made.customer}; shared texts call it {made.alias}"
    report(site_document(made, state, clock()), text)


@click.command(
    epilog=example(
        "patchline site enrol acme-main                          prints a code for the customer",
        "patchline site enrol acme-main --take enrolment.json    what patchline-site enrol CODE wrote there",
        "patchline site enrol acme-main --fingerprint 7Q2M4-…    as they read it on the phone",
    )
)
@click.argument("name", metavar="SITE")
@click.option("--take", type=click.Path(path_type=Path), metavar="FILE", help="What patchline-site enrol wrote.")
@click.option("--fingerprint", metavar="F", help="The key's fingerprint, as the customer's person read it.")
@register_options
@json_option
def enrol(name: str, take: Path | None, fingerprint: str | None) -> None:
    """Enrol a site's key: make a code, take what the site wrote with it, confirm the fingerprint by phone.

    Until it is confirmed, reports count as carried by hand. A new key ends the earlier one when it is confirmed.
    """
    if take is not None:
        data = read_file(take, limit=LIMITS.key_file)
        with attempt("site.enrol", name) as change:
            key = enrolling.take(change, data, name)
        report(key_document(key), taken_words(key))
    elif fingerprint is not None:
        with attempt("site.confirm", name) as change:
            key = enrolling.confirm(change, name, fingerprint)
        report(key_document(key), f"{name}: the key {key.fingerprint} counts")
    else:
        _report_code(name)


def _report_code(name: str) -> None:
    with attempt("site.code", name) as change:
        code = enrolling.make_code(change, name)
    lines = [code.code, f"for {name}, once, until {time_text(code.expires)}; it is kept nowhere. At the site:"]
    lines.append(f"  patchline-site enrol {code.code} --out enrolment.json")
    report({"site": name, "code": code.code, "expires": time_text(code.expires)}, "\n".join(lines))


def taken_words(key: Key) -> str:
    """Return what is to be done with a key that was taken."""
    if key.confirmed is not None:
        return f"{key.site}: the key {key.fingerprint} counts already"
    asked = "call the customer's person, let them read the fingerprint to you, and type what you hear:"
    return f"{key.site}: a key waits; {asked}\n  patchline site enrol {key.site} --fingerprint F"


@click.command("list", epilog=example("patchline site list --customer acme"))
@click.option("--customer", metavar="ID", help="Of this customer.")
@click.option("--product", metavar="P", help="Of this product.")
@page_options("SITE")
@home_option
@json_option
def list_command(customer: str | None, product: str | None, limit: int, after: str | None) -> None:
    """List sites by name, and how we know their levels."""
    now = clock()
    with the_register() as register, register.read() as session:
        found = sites.listed(session, limit + 1, after, customer, product)
        shown, after = paged(found, limit, lambda one: one.site.name)
    lines = [site_words(one.site, one.state, now) for one in shown]
    document = {"sites": [site_document(one.site, one.state, now) for one in shown], "after": after}
    report(document, page_text(lines, after, "no site yet: patchline site add SITE --customer ID --product P"))


@click.command(epilog=example("patchline site show acme-main"))
@click.argument("name", metavar="SITE")
@home_option
@json_option
def show(name: str) -> None:
    """Show a site: where, its keys and nodes, and how we know its level."""
    now = clock()
    with the_register() as register, register.read() as session:
        found = sites.the_site(session, name)
        state = session.get_one(SiteState, found.id)
        keys, nodes = enrolling.keys_of(session, found), sites.nodes(session, found)
        whole = session.get(Site, found.part_of) if found.part_of is not None else None
    document = {
        **site_document(found, state, now),
        "part_of": whole and whole.name,
        "nodes": [node.name for node in nodes],
        "keys": [key_document(key) for key in keys],
    }
    lines = [site_words(found, state, now), f"  {found.title}; shared texts call it {found.alias}"]
    lines.append(f"  {found.environment}, {found.connectivity}, changed {found.window or 'at any time'}")
    lines += [f"  ring {found.ring}"] if found.ring else []
    lines += [f"  node of {whole.name}"] if whole else []
    lines += [f"  nodes: {', '.join(node.name for node in nodes)}"] if nodes else []
    lines += [f"  key {_key_words(key)}" for key in keys] or ["  no key: patchline site enrol " + name]
    report(document, "\n".join(lines))


def _key_words(key: Key) -> str:
    if key.ended is not None:
        return f"{key.fingerprint}  ended {key.ended:%Y-%m-%d}"
    if key.confirmed is None:
        return f"enrolled {key.enrolled:%Y-%m-%d}, waits for its fingerprint to be heard by phone"
    return f"{key.fingerprint}  confirmed {key.confirmed:%Y-%m-%d}"


def site_words(site: Site, state: SiteState, now: datetime) -> str:
    """Return a site's line."""
    level = f"{state.label}, " if state.label else ""
    return f"{site.name}  {site.product}  {level}{known(state.evidence, state.as_of, now)}"
