"""`patchline kit`: what a site behind an air gap needs, in a folder or one zip."""

from pathlib import Path
from typing import Any

import click

from patchline.patches.errors import UsageError
from patchline.patches.files import read_file
from patchline.patches.passphrases import passphrase_for, passphrase_option
from patchline.patches.statements import time_text
from patchline.patches.terminal import example, json_option, note, report
from patchline.patches.wording import counted, readable_size
from patchline.releaser.commands.options import clock, register_options, the_person, the_register
from patchline.releaser.fleet.reading import MOST_BYTES, Carried, read_report
from patchline.releaser.fleet.site_kits import Order, make_site_kit
from patchline.releaser.kit_choice import Wish
from patchline.releaser.kits import Kit, make_kit
from patchline.releaser.server_keys import KIT, open_server_key
from patchline.releaser.stores import Store

_FILE = click.Path(path_type=Path)


@click.group(epilog=example("patchline kit make --report report.json --out /media/stick/kit"))
def kit() -> None:
    """Make kits for sites without a network."""


@kit.command(
    epilog=example(
        "patchline kit make --report report.json --out /media/stick/kit",
        "patchline kit make --site acme-main --out /media/stick/kit",
    )
)
@click.option("--report", "report_file", type=_FILE, help="The site's report: only what it lacks goes in.")
@click.option("--site", "site_name", metavar="SITE", help="What this site lacks, as far as is known, and may have.")
@click.option("--full", is_flag=True, help="Everything goes in that is approved for all customers.")
@click.option("--product", "products", multiple=True, metavar="P", help="With --full: only this product; several.")
@click.option("--customer", metavar="ID", help="What is approved for this customer alone goes in too.")
@click.option("--zip", "as_zip", is_flag=True, help="Make one zip instead of a folder.")
@click.option("--out", type=_FILE, required=True, metavar="DIR", help="The folder or zip to be made.")
@register_options
@passphrase_option
@json_option
def make(
    report_file: Path | None,
    site_name: str | None,
    full: bool,
    products: tuple[str, ...],
    customer: str | None,
    as_zip: bool,
    out: Path,
) -> None:
    """Make a kit with what a site lacks, or with everything.

    With --site the register says what the site lacks and may have; what goes out is recorded, and so is what does not.
    """
    if [full, report_file is not None, site_name is not None].count(True) != 1:
        raise UsageError("options", "give --report FILE, --site SITE or --full")
    if site_name is not None:
        if products or customer:
            raise UsageError("options", "--site knows its product and customer")
        _make_for(Order(site_name, out, the_person(), clock, as_zip))
        return
    if products and not full:
        raise UsageError("options", "--product goes with --full; a report names the product")
    site = None if report_file is None else read_report(read_file(report_file, limit=MOST_BYTES))
    wish = Wish(site.statement if site else None, frozenset(products), customer)
    with the_register() as register:
        store = Store.at(register.channel)
        key = open_server_key(register.home, KIT, passphrase_for)
        made = make_kit(store, key, wish, out, clock(), as_zip=as_zip)
    for offer in made.choice.left_out:
        note(f"left out: {offer.label}: {offer.why}")
    report(_document(made, site), "\n".join(_lines(made, site)))


def _make_for(order: Order) -> None:
    with the_register() as register:
        key = open_server_key(register.home, KIT, passphrase_for)
        made, wanted = make_site_kit(register, Store.at(register.channel), key, order)
    for offer in made.choice.left_out:
        note(f"left out: {offer.label}: {offer.why}")
    lines = _lines(made, None)
    lines.insert(1, f"for {order.site} of {wanted.site.customer}: {wanted.level}")
    report({**_document(made, None), "site": order.site, "customer": wanted.site.customer}, "\n".join(lines))


def _document(made: Kit, site: Carried | None) -> dict[str, Any]:
    return {
        "kit": str(made.out),
        "site": site and site.statement.site,
        "products": list(made.choice.products),
        "releases": [offer.label for offer in made.choice.releases],
        "left_out": [{"release": offer.label, "why": offer.why} for offer in made.choice.left_out],
        "expires": time_text(made.expires),
        "bytes": made.size,
    }


def _lines(made: Kit, site: Carried | None) -> list[str]:
    lines = [f"{made.out}: {counted(len(made.choice.releases), 'release')}, {readable_size(made.size)}"]
    if site is not None:
        signed = "its signature was not looked at" if site.envelope.signatures else "not signed"
        said = site.statement
        lines.append(f"for site {said.site} as it reported on {time_text(said.made)} ({signed}; carried by hand)")
    lines += [f"  {offer.label}" for offer in made.choice.releases]
    lines.append(f"good until {time_text(made.expires)}")
    return lines
