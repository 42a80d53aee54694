"""`patchline site facets`: what a customer's site is made of."""

import click

from patchline.patches.errors import UsageError
from patchline.patches.statements import time_text
from patchline.patches.terminal import example, json_option, report
from patchline.releaser.commands.options import attempt, register_options, the_register
from patchline.releaser.compatibility.declaring import declare, declared
from patchline.releaser.documents.compatibility import facet_documents
from patchline.releaser.setups.keeping import read_facet


@click.command(
    epilog=example(
        "patchline site facets acme-main --facet 'database=Oracle 19' --facet 'ldap=Active Directory'",
        "patchline site facets acme-main                        shows what was said",
    )
)
@click.argument("name", metavar="SITE")
@click.option("--facet", "facets", multiple=True, metavar="KIND=VALUE", help="What it is made of, all of it; several.")
@click.option("--unknown", is_flag=True, help="Nobody knows any more what it is made of.")
@register_options
@json_option
def facets(name: str, facets: tuple[str, ...], unknown: bool) -> None:
    """Say what a site is made of (database, ldap, load-balancer, …), or show what was said.

    A hotfix's compatibility compares it with what tests ran on. What holds for a site holds for its nodes, until
    something else is said of one.
    """
    if facets and unknown:
        raise UsageError("options", "give either --facet or --unknown")
    if facets or unknown:
        with attempt("site.facets", name) as change:
            declare(change, name, [read_facet(text) for text in facets])
    with the_register() as register, register.read() as session:
        made, row = declared(session, name)
    by_whom = {"told": time_text(row.told) if row else None, "told_by": row.told_by if row else None}
    document = {"site": name, "facets": facet_documents(made.facets), **by_whom}
    told = f", told by {row.told_by} on {row.told:%Y-%m-%d}" if row else ""
    report(document, f"{name}: {made}{told}" if row else f"{name}: nobody said what it is made of")
