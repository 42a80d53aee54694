"""`patchline customer invite|people|dismiss`: who of a customer may use the portal."""

from typing import Any

import click

from patchline.patches.statements import time_text
from patchline.patches.terminal import example, json_option, note, report
from patchline.releaser.commands.options import attempt, clock, home_option, register_options, the_person, the_register
from patchline.releaser.fleet import contacts
from patchline.releaser.fleet.customers import the_customer
from patchline.releaser.portal import members
from patchline.releaser.tables.members import MEMBER_ROLES, READER, Member


@click.command(epilog=example("patchline customer invite acme 'Eve Ops <eve@acme.example>' --role admin"))
@click.argument("id_", metavar="ID")
@click.argument("person", metavar="'NAME <ADDRESS>'")
@click.option(
    "--role", type=click.Choice(MEMBER_ROLES), default=READER, show_default=True, help="Administrators invite others."
)
@register_options
@json_option
def invite(id_: str, person: str, role: str) -> None:
    """Let somebody of a customer use the portal: prints a link, good once and for a day. Again: a new link."""
    with the_register() as register, register.attempt("member.invite", id_, the_person(), clock()) as change:
        member, made = members.invite(change, id_, contacts.read_person(person), role)
        address, document = made.address(register.settings.web_address, members.LINK_PATH), _document(member)
    note("Give it to that person alone, by a way that others do not read; it is not shown again.")
    report({**document, "link": address, "expires": time_text(made.expires)}, address)


@click.command(epilog=example("patchline customer dismiss acme eve@acme.example"))
@click.argument("id_", metavar="ID")
@click.argument("address")
@register_options
@json_option
def dismiss(id_: str, address: str) -> None:
    """Let somebody of a customer use the portal no more; they are signed out at once."""
    with attempt("member.end", id_) as change:
        member = members.end(change, id_, address)
        document = _document(member)
    report(document, f"{member.name} <{member.address}> may not come in any more")


@click.command(epilog=example("patchline customer people acme"))
@click.argument("id_", metavar="ID")
@home_option
@json_option
def people(id_: str) -> None:
    """List who of a customer may use the portal."""
    with the_register() as register, register.read() as session:
        the_customer(session, id_)
        found = members.listed(session, id_)
    lines = [f"{one.name} <{one.address}>  {one.role}  since {one.added:%Y-%m-%d}" for one in found]
    text = "\n".join(lines) or f"nobody yet: patchline customer invite {id_} 'NAME <ADDRESS>'"
    report({"customer": id_, "people": [_document(one) for one in found]}, text)


def _document(one: Member) -> dict[str, Any]:
    ended = time_text(one.ended) if one.ended else None
    facts = {"id": one.id, "customer": one.customer, "name": one.name, "address": one.address, "role": one.role}
    return {**facts, "added": time_text(one.added), "ended": ended}


COMMANDS = (invite, dismiss, people)
