"""`patchline setup edit`."""

from typing import Any

import click

from patchline.patches.errors import UsageError
from patchline.patches.terminal import example, json_option, report
from patchline.releaser.commands.options import clock, register_options, the_person, the_register
from patchline.releaser.commands.setup_keep import endpoint_of, pin_of
from patchline.releaser.commands.setup_secrets import team_secrets
from patchline.releaser.documents.setups import whole_document
from patchline.releaser.setups.editing import Edit, Edited
from patchline.releaser.setups.editing import edit as change_setup
from patchline.releaser.setups.keeping import read_facet


@click.command(
    epilog=example(
        "patchline setup edit lab-1 --facet 'database=PostgreSQL 16' --facet ldap=OpenLDAP",
        "patchline setup edit lab-1 --endpoint shell=ssh,ssh://lab-1.example --pin shell=SHA256:…",
        "patchline setup edit lab-1 --drop old-db",
    )
)
@click.argument("name", metavar="SETUP")
@click.option("--team", metavar="TEAM", help="Whose it becomes; policies in Vault are changed there.")
@click.option(
    "--sensitive/--not-sensitive", default=None, help="Whether lending needs the lender's own login to Vault."
)
@click.option("--facet", "facets", multiple=True, metavar="KIND=VALUE", help="What it is made of, all of it; several.")
@click.option("--no-facets", is_flag=True, help="It is made of nothing in particular.")
@click.option(
    "--endpoint",
    "endpoints",
    multiple=True,
    metavar="NAME=KIND,URL[,STRATEGY]",
    help="A new endpoint, or a changed one under its name; several.",
)
@click.option(
    "--pin", "pins", multiple=True, metavar="ENDPOINT=SHA256:…", help="The host key that you compared; several."
)
@click.option("--drop", multiple=True, metavar="ENDPOINT", help="Remove it, and destroy its credential; several.")
@click.option("--seen", type=int, metavar="VERSION", help="Only if nobody changed it since `show` told this version.")
@register_options
@json_option
def edit(name: str, team: str | None, sensitive: bool | None, seen: int | None, **given: Any) -> None:
    """Change a setup. Whoever moves or drops an endpoint must be able to see its credential in Vault.

    What is dropped is destroyed in Vault; at the target the login goes on working until somebody ends it there.
    """
    if given["no_facets"] and given["facets"]:
        raise UsageError("options", "give either --facet or --no-facets")
    wanted = Edit(
        team,
        sensitive,
        () if given["no_facets"] else tuple(map(read_facet, given["facets"])) or None,
        tuple(map(endpoint_of, given["endpoints"])),
        dict(map(pin_of, given["pins"])),
        given["drop"],
    )
    with the_register() as register:
        by, now = the_person(), clock()
        with register.refusals_told("setup.edit", name, by, now):
            done = change_setup(register, team_secrets, name, wanted, by, now, seen)
    report({**whole_document(done.setup, now), "destroyed": list(done.destroyed)}, _words(name, done))


def _words(name: str, done: Edited) -> str:
    lines = [f"{name} changed"]
    lines += [f"  {one}: its credential is gone from Vault; end the login at the target too" for one in done.destroyed]
    return "\n".join(lines)
