"""`patchline setup add`, `list` and `show`."""

from datetime import datetime

import click

from patchline.patches.errors import UsageError
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
from patchline.releaser.documents.setups import setup_document, whole_document
from patchline.releaser.fleet.words import known
from patchline.releaser.setups import keeping
from patchline.releaser.setups.endpoints import Endpoint, pinned, read_endpoint
from patchline.releaser.setups.keeping import Known, NewSetup, read_facet
from patchline.releaser.tables.setups import SetupCredential


@click.command(
    epilog=example(
        "patchline setup add lab-1 --team platform --facet 'database=PostgreSQL 15' --facet ldap=OpenLDAP \\",
        "    --endpoint db=database,postgresql://lab-1.example:5432/shop",
    )
)
@click.argument("name", metavar="SITE")
@click.option("--team", required=True, metavar="TEAM", help="Whose it is.")
@click.option("--sensitive", is_flag=True, help="Lending it needs the lender's own login to Vault.")
@click.option("--facet", "facets", multiple=True, metavar="KIND=VALUE", help="What it is made of; several.")
@click.option(
    "--endpoint",
    "endpoints",
    multiple=True,
    metavar="NAME=KIND,URL[,STRATEGY]",
    help="Where one logs in (ssh, database, ldap, http), and how loans do; several.",
)
@click.option(
    "--pin",
    "pins",
    multiple=True,
    metavar="ENDPOINT=SHA256:…",
    help="The host key of SSH, compared by you; without it no password goes there. Several.",
)
@register_options
@json_option
def add(
    name: str, team: str, sensitive: bool, facets: tuple[str, ...], endpoints: tuple[str, ...], pins: tuple[str, ...]
) -> None:
    """Make a setup of a site of a test environment. Passwords are not given here: setup import puts them into Vault."""
    with attempt("setup.add", name) as change:
        logins = pinned(map(endpoint_of, endpoints), dict(map(pin_of, pins)))
        wanted = NewSetup(name, team, sensitive, tuple(map(read_facet, facets)), tuple(logins))
        made = keeping.add(change, wanted)
    report(whole_document(made, clock()), f"added {name} of team {team}")


def pin_of(text: str) -> tuple[str, str]:
    """Read `ENDPOINT=FINGERPRINT`."""
    name, _, fingerprint = text.partition("=")
    return name, fingerprint


def endpoint_of(text: str) -> Endpoint:
    """Read `NAME=KIND,URL[,STRATEGY]`."""
    name, _, rest = text.partition("=")
    kind, _, rest = rest.partition(",")
    address, _, strategy = rest.partition(",")
    if not address:
        raise UsageError("setup-field", "an endpoint is written as NAME=KIND,URL[,STRATEGY]")
    return read_endpoint(name, kind, address, strategy or None)


@click.command("list", epilog=example("patchline setup list --team platform --facet 'PostgreSQL 15'"))
@click.option("--team", metavar="TEAM", help="Of this team.")
@click.option("--facet", "facets", multiple=True, metavar="VALUE", help="With this facet; several: with all of them.")
@page_options("SETUP")
@home_option
@json_option
def list_command(team: str | None, facets: tuple[str, ...], limit: int, after: str | None) -> None:
    """List setups by name, and how we know their levels."""
    now = clock()
    with the_register() as register, register.read() as session:
        found = keeping.listed(session, limit + 1, after, team, facets)
        shown, after = paged(found, limit, lambda one: one.site.name)
    document = {"setups": [setup_document(one, now) for one in shown], "after": after}
    lines = [_line(one, now) for one in shown]
    report(document, page_text(lines, after, "no setup: patchline setup add SITE --team TEAM"))


def _line(one: Known, now: datetime) -> str:
    made_of = ", ".join(facet.value for facet in one.facets) or "no facets"
    return f"{one.site.name}  {one.setup.team}  {_level(one, now)}  {made_of}"


def _level(one: Known, now: datetime) -> str:
    label = f"{one.state.label}, " if one.state.label else ""
    return f"{label}{known(one.state.evidence, one.state.as_of, now)}"


@click.command(epilog=example("patchline setup show lab-1"))
@click.argument("name", metavar="SETUP")
@home_option
@json_option
def show(name: str) -> None:
    """Show a setup: level, facets, endpoints, and in which place of Vault its credentials lie."""
    now = clock()
    with the_register() as register, register.read() as session:
        found = keeping.the_setup(session, name)
    lines = [f"{name}: team {found.setup.team}{', sensitive' if found.setup.sensitive else ''}"]
    lines.append(f"  {found.site.product}  {_level(found, now)}")
    lines += [f"  {facet.kind}: {facet.value}" for facet in found.facets]
    for endpoint, credential in found.endpoints:
        lines.append(f"  {endpoint.name}: {endpoint.address}, loans by {endpoint.strategy}")
        if endpoint.kind == "ssh":
            lines.append(f"    {endpoint.host_fingerprint or 'no host key pinned, so no password goes there'}")
        lines.append(f"    {_credential_words(credential)}")
    report(whole_document(found, now), "\n".join(lines))


def _credential_words(credential: SetupCredential | None) -> str:
    if credential is None:
        return "no credential in Vault: patchline setup import"
    when = f"rotated {credential.rotated:%Y-%m-%d}" if credential.rotated else "never rotated"
    return f"{credential.username}, {credential.mount}/{credential.path}, version {credential.number}, {when}"
