"""`patchline ring`: groups of sites that get hotfixes at the same stage."""

import click

from patchline.patches.terminal import example, json_option, report
from patchline.patches.wording import counted
from patchline.releaser.commands.options import attempt, home_option, register_options, the_register
from patchline.releaser.rollouts import rings

_PRODUCT = click.option("--product", required=True, metavar="P", help="The product.")


@click.group(epilog=example("patchline ring add early --product shop --site acme-test --site beta-test"))
def ring() -> None:
    """Say in which order sites get hotfixes."""


@ring.command(epilog=example("patchline ring add early --product shop --site acme-test"))
@click.argument("name")
@_PRODUCT
@click.option("--number", type=click.IntRange(0, 10_000), help="The lowest goes first; by default after all others.")
@click.option("--site", "sites", multiple=True, metavar="SITE", help="A site to put in; several.")
@register_options
@json_option
def add(name: str, product: str, number: int | None, sites: tuple[str, ...]) -> None:
    """Add a ring. With the first one, what is published from then on goes out by `patchline rollout` alone."""
    with attempt("ring.add", f"{product}/{name}") as changing:
        made = rings.add(changing, product, name, number)
        moved = rings.put(changing, product, name, sites)
        ordinal = made.ordinal
    document = {"product": product, "ring": name, "number": ordinal, "moved": moved}
    report(document, f"ring {name} of {product}, number {ordinal}, {counted(len(moved), 'site')}")


@ring.command(epilog=example("patchline ring put early acme-prod --product shop"))
@click.argument("name", metavar="RING|none")
@click.argument("sites", nargs=-1, required=True, metavar="SITE...")
@_PRODUCT
@register_options
@json_option
def put(name: str, sites: tuple[str, ...], product: str) -> None:
    """Put sites into a ring, out of whichever they were in; `none` takes them out."""
    with attempt("ring.put", f"{product}/{name}") as changing:
        moved = rings.put(changing, product, None if name == "none" else name, sites)
    report({"product": product, "ring": name, "moved": moved}, f"{name}: {counted(len(moved), 'site')} moved")


@ring.command("list", epilog=example("patchline ring list --product shop"))
@click.option("--product", metavar="P", help="Only those of this product.")
@home_option
@json_option
def list_command(product: str | None) -> None:
    """List the rings in their order."""
    with the_register() as register, register.read() as session:
        found = rings.listed(session, product)
    document = [{"product": one.product, "ring": one.name, "number": one.ordinal, "sites": one.sites} for one in found]
    lines = [
        f"{one.product}  {one.ordinal}  {one.name}  {counted(one.sites, 'site') if one.sites else 'no sites'}"
        for one in found
    ]
    report(document, "\n".join(lines) or "no rings: what is published reaches every site at once")
