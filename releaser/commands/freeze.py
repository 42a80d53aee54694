"""`patchline freeze`: times in which nothing is to be applied."""

from typing import Any

import click

from patchline.patches.terminal import example, json_option, report
from patchline.releaser.commands.options import attempt, clock, home_option, read_moment, register_options, the_register
from patchline.releaser.documents.rollouts import freeze_document
from patchline.releaser.rollouts import freezes


@click.group(epilog=example("patchline freeze add --from 2026-12-20 --until 2027-01-05 --reason 'year end'"))
def freeze() -> None:
    """Say when nothing is to be applied, and where."""


@freeze.command(
    epilog=example(
        "patchline freeze add --from 2026-12-20 --until 2027-01-05 --reason 'year end'",
        "patchline freeze add --customer acme --from 2026-11-24T18:00+01:00 --until 2026-11-28 --reason 'sale'",
    )
)
@click.option("--from", "begins", required=True, metavar="TIME", help="YYYY-MM-DD, or with a time and its zone.")
@click.option("--until", "ends", required=True, metavar="TIME", help="The moment it ends; a day counts from its begin.")
@click.option("--reason", required=True, help="Why.")
@click.option("--product", metavar="P", help="Only this product.")
@click.option("--customer", metavar="ID", help="Only this customer.")
@click.option("--site", metavar="SITE", help="Only this site.")
@register_options
@json_option
def add(begins: str, ends: str, **given: Any) -> None:
    """Add a freeze: everywhere, or of a product, a customer or a site."""
    wanted = freezes.Wanted(read_moment(begins), read_moment(ends), **given)
    with attempt("freeze.add", "freeze") as changing:
        made = freezes.add(changing, wanted)
        document = freeze_document(made, given["site"])
    report(document, f"freeze {_line(document)}")


@freeze.command("list", epilog=example("patchline freeze list"))
@click.option("--all", "everything", is_flag=True, help="Show also those that are over.")
@home_option
@json_option
def list_command(everything: bool) -> None:
    """List the freezes that last or are to come."""
    with the_register() as register, register.read() as session:
        found = [freeze_document(*row) for row in freezes.listed(session, clock(), all_of_them=everything)]
    report(found, "\n".join(_line(one) for one in found) or "no freeze")


@freeze.command(epilog=example("patchline freeze end 3"))
@click.argument("number", type=int)
@register_options
@json_option
def end(number: int) -> None:
    """End a freeze now, or take one back that is to come."""
    with attempt("freeze.end", str(number)) as changing:
        document = freeze_document(freezes.end(changing, number), None)
    report(document, f"freeze {number} ended")


def _line(one: dict[str, Any]) -> str:
    about = [f"{what} {one[what]}" for what in ("product", "customer", "site") if one[what]]
    return f"{one['freeze']}  {one['begins']} to {one['ends']}  {', '.join(about) or 'everywhere'}: {one['reason']}"
