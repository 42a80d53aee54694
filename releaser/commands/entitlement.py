"""`patchline entitlement`: which hotfixes a customer may have, and until when."""

from datetime import datetime

import click

from patchline.patches.statements import time_text
from patchline.patches.terminal import example, json_option, report
from patchline.releaser.commands.options import (
    attempt,
    clock,
    home_option,
    page_options,
    page_text,
    paged,
    read_day,
    register_options,
    the_register,
)
from patchline.releaser.documents.customers import entitlement_document
from patchline.releaser.fleet import entitlements
from patchline.releaser.fleet.entitlements import EVERY_LINE, NewEntitlement, counts, end_of, end_of_day
from patchline.releaser.tables.customers import Entitlement


@click.group(epilog=example("patchline entitlement add acme --product shop --line '4.*' --until 2027-12-31"))
def entitlement() -> None:
    """Say which hotfixes a customer may have; whatever hands out bytes asks."""


@entitlement.command(epilog=example("patchline entitlement add acme --product shop --line '4.*' --until 2027-12-31"))
@click.argument("customer")
@click.option("--product", required=True, metavar="P", help="The product.")
@click.option("--line", default=EVERY_LINE, show_default=True, help="Baselines of it; * stands for anything.")
@click.option("--since", metavar="DATE", callback=read_day, help="The first day, YYYY-MM-DD in UTC; default: now.")
@click.option("--until", metavar="DATE", callback=read_day, help="The last day; default: no end.")
@register_options
@json_option
def add(customer: str, product: str, line: str, since: datetime | None, until: datetime | None) -> None:
    """Let a customer have the hotfixes of a product."""
    wanted = NewEntitlement(customer, product, line, since, end_of_day(until) if until else None)
    with attempt("entitlement.add", customer) as change:
        row = entitlements.add(change, wanted)
    report(entitlement_document(row, clock()), f"{customer}: {entitlement_words(row, clock())}")


@entitlement.command(epilog=example("patchline entitlement end 12"))
@click.argument("number", type=int)
@register_options
@json_option
def end(number: int) -> None:
    """End an entitlement now."""
    with attempt("entitlement.end", str(number)) as change:
        row = entitlements.end(change, number)
    report(entitlement_document(row, clock()), f"{row.customer}: {entitlement_words(row, clock())}")


@entitlement.command("list", epilog=example("patchline entitlement list --customer acme"))
@click.option("--customer", metavar="ID", help="Of this customer alone.")
@page_options("NUMBER")
@home_option
@json_option
def list_command(customer: str | None, limit: int, after: str | None) -> None:
    """List entitlements by their numbers, those that ended too."""
    now = clock()
    with the_register() as register, register.read() as session:
        found = entitlements.listed(session, limit + 1, int(after) if after and after.isdecimal() else 0, customer)
        shown, after = paged(found, limit, lambda row: row.id)
    lines = [f"{row.customer}  {entitlement_words(row, now)}" for row in shown]
    document = {"entitlements": [entitlement_document(row, now) for row in shown], "after": after}
    report(document, page_text(lines, after, "no entitlement"))


def entitlement_words(row: Entitlement, now: datetime) -> str:
    """Return an entitlement's line."""
    end = end_of(row)
    state = "" if counts(row, now) else "  not yet" if row.since > now else "  ENDED"
    return f"number {row.id}  {row.product} {row.line}  from {row.since:%Y-%m-%d}{_end_words(end)}{state}"


def _end_words(end: datetime | None) -> str:
    return f" until {time_text(end)}" if end is not None else ", no end"
