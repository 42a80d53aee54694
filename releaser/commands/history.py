"""`patchline history`: what happened at a site, as one page that can be sent to the customer."""

from pathlib import Path
from zoneinfo import ZoneInfo

import click

from patchline.patches.errors import UsageError
from patchline.patches.files import write_file
from patchline.patches.terminal import example, json_option, report
from patchline.releaser.commands.options import clock, home_option, the_register
from patchline.releaser.documents.sites import history_document
from patchline.releaser.fleet.history import Event, History, history
from patchline.releaser.fleet.levels import named_sites
from patchline.releaser.moments import optional_moment
from patchline.releaser.tables.customers import Customer

FILE = click.Path(path_type=Path)


@click.command(
    "history",
    epilog=example("patchline history acme-main --from 2026-03-01 --to 2026-03-31 --out history.txt"),
)
@click.argument("site")
@click.option("--from", "begin", metavar="DATE", help="Only what happened since then.")
@click.option("--to", "end", metavar="DATE", help="Only what happened up to the end of that day.")
@click.option("--zone", metavar="ZONE", help="The customer's time zone; by default that of what they told last.")
@click.option("--out", type=FILE, metavar="FILE", help="Write the page there.")
@home_option
@json_option
def history_command(site: str, begin: str | None, end: str | None, zone: str | None, out: Path | None) -> None:
    """Show what happened at a site and its nodes, in UTC and in the customer's time; shared names are aliases."""
    now = clock()
    since, until = optional_moment(begin, now, start=True), optional_moment(end, now)
    with the_register() as register, register.read() as session:
        customer, sites, is_site = named_sites(session, site)
        if not is_site:
            raise UsageError("options", f"{site} is a customer; name one of its sites")
        found = history(session, sites[0]).between(since, until)
        there = _zone(zone) or found.zone
        text = _page(customer, found, there, f"{now:%Y-%m-%d %H:%M} UTC")
        document = history_document(customer, found, there)
    if out is not None:
        write_file(out, f"{text}\n".encode())
        text = str(out)
    report({**document, "out": str(out) if out else None}, text)


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name is not None else None
    except (KeyError, ValueError, OSError):
        raise UsageError("customer-field", f"{str(name)[:80]!r} is no time zone such as Europe/Berlin") from None


def _page(customer: Customer, found: History, zone: ZoneInfo | None, made: str) -> str:
    """Return the page; it names nobody but by alias."""
    clocks = f"times in UTC and in {zone}" if zone is not None else "times in UTC"
    lines = [f"History of {found.site.alias} ({customer.alias}), {found.site.product}", f"{clocks}; made {made}", ""]
    for one in found.events:
        local = f"  {one.at.astimezone(zone):%Y-%m-%d %H:%M %Z}" if zone is not None else ""
        node = f"  at {one.node.alias}" if one.node.id != found.site.id else ""
        lines.append(f"{one.at:%Y-%m-%d %H:%M} UTC{local}  {one.kind:<11}  {one.what}{node}")
        if told := "; ".join(_more(one)):
            lines.append(f"    {told}")
    return "\n".join([*lines, *([] if found.events else ["nothing is known of that time"])])


def _more(one: Event) -> list[str]:
    told = [f"between {one.since:%Y-%m-%d %H:%M} and then"] if one.since is not None else []
    told += [f"known by: {one.evidence}"] if one.evidence else []
    return [*told, *([f"change {one.reference}"] if one.reference else [])]
