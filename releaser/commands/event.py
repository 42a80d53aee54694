"""`patchline event`: what people tell of a site that no report says."""

import click

from patchline.patches.statements import time_text
from patchline.patches.terminal import example, json_option, report
from patchline.releaser.commands.options import attempt, register_options
from patchline.releaser.fleet import declared
from patchline.releaser.fleet.declared import KINDS, NewEvent, read_time

_EXAMPLE = example(
    "patchline event add acme-main --kind load-balancer --at '2026-03-03 22:15' --zone Europe/Berlin \\",
    "    --text 'moved to the new balancer' --reference CHG-4711 --told-by 'Eve Ops'",
)


@click.group(epilog=_EXAMPLE)
def event() -> None:
    """Tell what happened at a site beside hotfixes."""


@event.command(epilog=_EXAMPLE)
@click.argument("site")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="What changed.")
@click.option("--at", required=True, metavar="TIME", help="When, by the clock there: 2026-03-03 22:15.")
@click.option("--zone", required=True, metavar="ZONE", help="The time zone there, such as Europe/Berlin.")
@click.option("--text", required=True, help="What happened, in a line.")
@click.option("--reference", help="The customer's own change reference.")
@click.option("--told-by", metavar="WHO", help="Who of the customer told it.")
@register_options
@json_option
def add(site: str, kind: str, at: str, zone: str, text: str, reference: str | None, told_by: str | None) -> None:
    """Add an event to a site's timeline."""
    with attempt("event.add", site) as change:
        row = declared.add(change, NewEvent(site, kind, read_time(at, zone), zone, text, reference, told_by))
    document = {
        "number": row.id,
        "site": site,
        "kind": row.kind,
        "at": time_text(row.at),
        "zone": row.zone,
        "text": row.text,
        "reference": row.reference,
        "told_by": row.told_by,
    }
    report(document, f"{site}: {row.kind} on {time_text(row.at)}: {row.text}")
