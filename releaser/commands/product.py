"""`patchline product`: what the vendor releases."""

from pathlib import Path

import click

from patchline.patches.statements import time_text
from patchline.patches.terminal import example, json_option, report
from patchline.patches.wording import counted
from patchline.releaser.catalogue import add_product, list_products
from patchline.releaser.commands.options import change, home_option, register_options, the_register


@click.group(epilog=example("patchline product add shop --name 'Web shop' --repo ~/src/shop"))
def product() -> None:
    """Add and list products."""


@product.command(epilog=example("patchline product add shop --name 'Web shop' --repo ~/src/shop"))
@click.argument("identifier", metavar="ID")
@click.option("--name", help="What people call it; by default the id.")
@click.option("--repo", type=click.Path(path_type=Path), help="Where its git repository lies on this machine.")
@register_options
@json_option
def add(identifier: str, name: str | None, repo: Path | None) -> None:
    """Add a product."""
    with change() as changing:
        made = add_product(changing, identifier, name, repo)
    report({"product": made.id, "name": made.name, "repository": made.repository}, f"added {made.id}: {made.name}")


@product.command("list", epilog=example("patchline product list"))
@home_option
@json_option
def list_command() -> None:
    """List the products."""
    with the_register() as register, register.read() as session:
        found = list_products(session)
    document = [
        {
            "product": one.product.id,
            "name": one.product.name,
            "repository": one.product.repository,
            "baselines": one.baselines,
            "added": time_text(one.product.added),
        }
        for one in found
    ]
    lines = [f"{one.product.id}  {one.product.name}  {counted(one.baselines, 'baseline')}" for one in found]
    report(document, "\n".join(lines) or "no product yet: patchline product add ID")
