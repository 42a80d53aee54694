"""`patchline product`: what the vendor releases."""

from pathlib import Path

import click

from patchline.patches.files import read_file
from patchline.patches.limits import LIMITS
from patchline.patches.passphrases import passphrase_for, passphrase_option
from patchline.patches.statements import time_text
from patchline.patches.terminal import example, json_option, report
from patchline.patches.wording import counted
from patchline.releaser import recalls
from patchline.releaser.catalogue import add_product, list_products, require_simulation
from patchline.releaser.channel_home import open_channel
from patchline.releaser.commands.options import (
    attempt,
    clock,
    home_option,
    register_options,
    the_person,
    the_register,
)
from patchline.releaser.policies import newest_root, take
from patchline.releaser.publishing import follow


@click.group(epilog=example("patchline product add shop --name 'Web shop' --repo ~/src/shop"))
def product() -> None:
    """Add and list products, and take their policies in."""


@product.command(epilog=example("patchline product add shop --name 'Web shop' --repo ~/src/shop"))
@click.argument("identifier", metavar="ID")
@click.option("--name", help="What people call it; by default the id.")
@click.option("--repo", type=click.Path(path_type=Path), help="Where its git repository lies on this machine.")
@register_options
@json_option
def add(identifier: str, name: str | None, repo: Path | None) -> None:
    """Add a product."""
    with attempt("product.add", identifier) as changing:
        made = add_product(changing, identifier, name, repo)
    report({"product": made.id, "name": made.name, "repository": made.repository}, f"added {made.id}: {made.name}")


@product.command("set", epilog=example("patchline product set shop --simulation required"))
@click.argument("identifier", metavar="ID")
@click.option(
    "--simulation",
    type=click.Choice(["required", "shown"]),
    required=True,
    help="Whether nothing is submitted before it was tried on all known levels, or that is only shown.",
)
@register_options
@json_option
def set_command(identifier: str, simulation: str) -> None:
    """Say what the review of a product asks for."""
    with attempt("product.set", identifier) as changing:
        require_simulation(changing, identifier, required=simulation == "required")
    report({"product": identifier, "simulation": simulation}, f"simulations for {identifier}: {simulation}")


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


@product.command(epilog=example("patchline product policy shop policy.json"))
@click.argument("identifier", metavar="ID")
@click.argument("file", type=click.Path(path_type=Path), metavar="POLICY")
@register_options
@passphrase_option
@json_option
def policy(identifier: str, file: Path) -> None:
    """Take a signed policy into the register and the channel; the newest one counts."""
    data = read_file(file, limit=LIMITS.trust_file)
    with the_register() as register:
        channel, root = open_channel(register, passphrase_for), newest_root(register)
        with register.attempt("policy.take", identifier, the_person(), clock()) as changing:
            taken = take(changing, identifier, data, root)
            recalls.begin(changing, identifier)
        follow(register, channel, identifier, clock())
    document = {"product": identifier, "version": taken.version, "policy": taken.digest}
    report(document, f"policy {taken.version} of {identifier} counts now")
