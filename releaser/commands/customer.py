"""`patchline customer`: whom hotfixes are for, their contacts, and taking all of them in on the first day."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from patchline.patches.errors import ProblemsError
from patchline.patches.files import read_file
from patchline.patches.progress import progress
from patchline.patches.terminal import example, json_option, json_wanted, note, report
from patchline.patches.wording import counted
from patchline.releaser.commands.customer_people import COMMANDS
from patchline.releaser.commands.entitlement import entitlement_words
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
from patchline.releaser.commands.site_keep import site_words
from patchline.releaser.documents.customers import (
    contact_document,
    customer_document,
    entitlement_document,
    site_document,
)
from patchline.releaser.fleet import contacts, customers, entitlements, sites
from patchline.releaser.fleet.customers import DEFAULT_TIER, NewCustomer
from patchline.releaser.fleet.importing import MOST_BYTES, import_table
from patchline.releaser.tables.customers import TIERS

_CONTACT = "'NAME <ADDRESS>'"


@click.group(epilog=example("patchline customer add acme --title 'Acme Ltd' --tier gold"))
def customer() -> None:
    """Add, import, list and show customers, and whom to write to there."""


@customer.command(
    epilog=example("patchline customer add acme --title 'Acme Ltd' --tier gold --contact 'Eve Ops <eve@acme.example>'")
)
@click.argument("id_", metavar="ID")
@click.option("--title", help="What it is called, inside; default: the id.")
@click.option("--tier", type=click.Choice(TIERS), default=DEFAULT_TIER, show_default=True, help="How much it matters.")
@click.option("--alias", help="What shared texts show; by default one is made that tells nothing.")
@click.option("--contact", "people", multiple=True, metavar=_CONTACT, help="Whom to write to; several.")
@register_options
@json_option
def add(id_: str, title: str | None, tier: str, alias: str | None, people: tuple[str, ...]) -> None:
    """Add a customer. Its id is what approvals and trust files name: it never changes."""
    with attempt("customer.add", id_) as change:
        persons = [contacts.read_person(written) for written in people]
        made = customers.add(change, NewCustomer(id_, title or id_, tier, alias))
        rows = [contacts.add(change, id_, person) for person in persons]
    document = {**customer_document(made), "contacts": [contact_document(row) for row in rows]}
    report(document, f"added {made.id}: {made.title}, {made.tier}; shared texts call it {made.alias}")


@customer.command(
    epilog=example(
        "patchline customer contact acme 'Eve Ops <eve@acme.example>'",
        "patchline customer contact acme old@acme.example --end",
    )
)
@click.argument("id_", metavar="ID")
@click.argument("person", metavar=_CONTACT)
@click.option("--end", is_flag=True, help="Write to this address no more.")
@register_options
@json_option
def contact(id_: str, person: str, end: bool) -> None:
    """Say whom to write to at a customer, or no more."""
    with attempt(f"contact.{'end' if end else 'add'}", id_) as change:
        wanted = contacts.read_person(person)
        row = contacts.end(change, id_, wanted.address) if end else contacts.add(change, id_, wanted)
    report({"customer": id_, **contact_document(row)}, f"{id_}: {row.name} <{row.address}>{' ended' if end else ''}")


@customer.command(
    "import",
    epilog=example(
        "patchline customer import customers.csv --told-at 2026-03-01",
        "",
        "customer,customer_title,tier,contacts,site,product,connectivity,baseline,hotfixes,entitled,entitled_until",
        "acme,Acme Ltd,gold,Eve <eve@acme.example>,acme-main,shop,air-gapped,4.1.2,HF-2026-0012,4.*,2027-12-31",
    ),
)
@click.argument("file", type=click.Path(path_type=Path), metavar="CSV")
@click.option("--told-at", metavar="DATE", callback=read_day, help="When levels were so of rows without told_at.")
@register_options
@json_option
def import_command(file: Path, told_at: datetime | None) -> None:
    """Take customers, sites, contacts, levels and entitlements in from one table, as a spreadsheet saves it.

    A row tells of a customer and, if it names one, of a site. The first row names the columns; all but `customer` may
    be left out: customer_title, tier, customer_alias, contacts (NAME <ADDRESS>; …), site, product, site_title,
    site_alias, environment, connectivity, window, part_of, baseline, hotfixes (separated by blanks), code, told_at,
    told_by, entitled (baselines of the product, * for any), entitled_until.

    Levels count as told by support. An empty cell changes nothing; the same file again changes nothing; what is wrong
    with any row is told at once, and then nothing is taken in.
    """
    data = read_file(file, limit=MOST_BYTES)
    try:
        with attempt("customer.import", file.name) as change, progress("importing"):
            taken = import_table(change, data, told_at)
    except ProblemsError as error:
        for problem in [] if json_wanted() else error.problems[1:]:  # The first one ends the command, and is told then.
            note(problem.message)
        raise
    words = [f"{number} {what.replace('_', ' ')}" for what, number in vars(taken).items() if number]
    report(vars(taken), ", ".join(words) or "nothing is new")


@customer.command("list", epilog=example("patchline customer list --limit 20"))
@page_options("ID")
@home_option
@json_option
def list_command(limit: int, after: str | None) -> None:
    """List customers by id, page by page."""
    with the_register() as register, register.read() as session:
        shown, after = paged(customers.listed(session, limit + 1, after), limit, lambda one: one.customer.id)
    lines = [
        f"{one.customer.id}  {one.customer.tier:6}  {one.customer.title}  {counted(one.sites, 'site')}" for one in shown
    ]
    document = {"customers": [{**customer_document(one.customer), "sites": one.sites} for one in shown], "after": after}
    report(document, page_text(lines, after, "no customer yet: patchline customer add ID"))


@customer.command(epilog=example("patchline customer show acme"))
@click.argument("id_", metavar="ID")
@home_option
@json_option
def show(id_: str) -> None:
    """Show a customer: its sites and how we know their levels, contacts and entitlements."""
    now = clock()
    with the_register() as register, register.read() as session:
        found = customers.the_customer(session, id_)
        rows, people = sites.of_customer(session, found), contacts.of(session, id_)
        granted = entitlements.rights(session, id_).entitlements
    document = {
        **customer_document(found),
        "sites": [site_document(one.site, one.state, now) for one in rows],
        "contacts": [contact_document(row) for row in people],
        "entitlements": [entitlement_document(row, now) for row in granted],
    }
    lines = [f"{found.id}: {found.title}, {found.tier}; shared texts call it {found.alias}"]
    lines += _part("sites", [site_words(one.site, one.state, now) for one in rows])
    lines += _part("contacts", [f"{row.name} <{row.address}>" for row in people])
    lines += _part("entitlements", [entitlement_words(row, now) for row in granted])
    report(document, "\n".join(lines))


def _part(name: str, lines: Sequence[str]) -> list[str]:
    return [f"{name}:", *(f"  {line}" for line in lines or ("none",))]


for command in COMMANDS:
    customer.add_command(command)
