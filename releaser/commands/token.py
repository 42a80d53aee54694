"""`patchline token`: by what programs come in at the API."""

from datetime import timedelta

import click

from patchline.patches.terminal import example, json_option, note, report
from patchline.releaser.access import tokens
from patchline.releaser.access.tokens import NewToken, Scope
from patchline.releaser.commands.options import (
    attempt,
    clock,
    page_options,
    page_text,
    paged,
    register_options,
    the_person,
    the_register,
)
from patchline.releaser.tables.tokens import PERSON, SITE_DOWNLOAD, SITE_REPORT

_SCOPES = click.Choice([scope.value for scope in tokens.RULES[PERSON].scopes])
_OF_SITES = {"download": SITE_DOWNLOAD, "report": SITE_REPORT}


@click.group(epilog=example("patchline token new 'nightly export' --scope read --as ben"))
def token() -> None:
    """Make, list and revoke the tokens by which programs come in."""


@token.command(
    epilog=example(
        "patchline token new 'nightly export' --scope read --as ben",
        "patchline token new 'build server' --scope read --scope write --days 30 --as ben",
        "patchline token new 'curl of acme' --site acme-main --good-for download",
    )
)
@click.argument("name")
@click.option("--scope", "scopes", type=_SCOPES, multiple=True, help="What a person's token is good for; several.")
@click.option("--for", "person", metavar="PERSON", help="For whom it acts; default: who makes it.")
@click.option("--site", metavar="SITE", help="For a site instead of a person.")
@click.option(
    "--good-for",
    type=click.Choice(list(_OF_SITES)),
    default="download",
    show_default=True,
    help="What a site's token is for.",
)
@click.option("--days", type=click.IntRange(1, 366), help="How long it is good; a site's for downloads at most 30.")
@register_options
@json_option
def new(
    name: str, scopes: tuple[str, ...], person: str | None, site: str | None, good_for: str, days: int | None
) -> None:
    """Make a token. It is shown now and never again; only its digest is kept."""
    if site is None and person is None:
        person = the_person()
    asked = NewToken(
        kind=_OF_SITES[good_for] if site is not None else PERSON,
        name=name,
        scopes=tuple(Scope(scope) for scope in scopes),
        person=person,
        site=site,
        life=None if days is None else timedelta(days=days),
    )
    with attempt("token.make", person or site or name) as change:
        made = tokens.make(change, asked)
    note("Keep it where only its program reads it; it is not shown again.")
    report({**made.listed.as_document(clock()), "secret": made.secret}, made.secret)


@token.command("list", epilog=example("patchline token list", "patchline token list --site acme-main"))
@click.option("--for", "person", metavar="PERSON", help="Those of a person.")
@click.option("--site", metavar="SITE", help="Those of a site.")
@page_options("TOKEN")
@register_options
@json_option
def list_command(person: str | None, site: str | None, after: str | None, limit: int) -> None:
    """List tokens: for whom, what for, until when, and when each was used last."""
    now = clock()
    with the_register() as register, register.read() as session:
        found = tokens.listed(session, person=person, site=site, after=after or "", most=limit + 1)
    shown, more = paged(found, limit, lambda one: one.prefix)
    document = {"tokens": [one.as_document(now) for one in shown], "after": more}
    report(document, page_text([tokens.words(one, now) for one in shown], more, "no tokens"))


@token.command(epilog=example("patchline token revoke plt_7c2q4m5x"))
@click.argument("prefix", metavar="TOKEN")
@register_options
@json_option
def revoke(prefix: str) -> None:
    """End a token, named by its first twelve characters. Programs that use it are refused from now on."""
    with attempt("token.revoke", prefix[:12]) as change:
        ended = tokens.revoke(change, prefix[:12])
    report(ended.as_document(clock()), f"{ended.prefix} is revoked")
