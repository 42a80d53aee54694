"""`patchline recall acknowledge|show`: what customers say about a recalled hotfix, and who still runs it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from patchline.patches.terminal import example, json_option, report
from patchline.releaser.commands.options import (
    attempt,
    home_option,
    read_moment,
    register_options,
    the_register,
)
from patchline.releaser.hotfixes import find, label
from patchline.releaser.rollouts.acknowledging import Said, There, still_there
from patchline.releaser.rollouts.acknowledging import acknowledge as write_down


@click.command(
    epilog=example(
        "patchline recall acknowledge HF-2026-0012-r1 --site acme-prod --person 'Eve Example' \\",
        "  --action rolled-back --evidence 'mail of 3 March'",
    )
)
@click.argument("identifier", metavar="ID")
@click.option("--customer", metavar="ID", help="For all sites of this customer.")
@click.option("--site", metavar="SITE", help="For this site.")
@click.option("--person", required=True, help="Who says so at the customer's.")
@click.option("--action", required=True, metavar="ACTION", help="rolled-back, patched or accepted-risk.")
@click.option("--evidence", required=True, help="By what we know, such as the mail or call.")
@click.option("--at", metavar="TIME", help="When it was said: YYYY-MM-DD, or with a time and its zone; default: now.")
@register_options
@json_option
def acknowledge(identifier: str, at: str | None, **given: Any) -> None:
    """Write down what a customer says about a recalled hotfix."""
    when: datetime | None = read_moment(at) if at is not None else None
    with attempt("recall.acknowledge", identifier) as changing:
        write_down(changing, identifier, Said(**given, at=when))
        revision = find(changing.session, identifier)
        name, found = label(revision), still_there(changing.session, revision)
    _report(name, found)


@click.command(epilog=example("patchline recall show HF-2026-0012-r1"))
@click.argument("identifier", metavar="ID")
@home_option
@json_option
def show(identifier: str) -> None:
    """Show who still runs a recalled hotfix, and who acknowledged."""
    with the_register() as register, register.read() as session:
        revision = find(session, identifier)
        name, found = f"{label(revision)}, {revision.state}", still_there(session, revision)
    _report(name, found)


def _report(name: str, found: Sequence[There]) -> None:
    lines = [name, *(one.words() for one in found)]
    report(
        [one.as_document() for one in found], "\n".join(lines if found else [f"{name}: no site is known to have it"])
    )
