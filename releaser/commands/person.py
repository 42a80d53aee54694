"""`patchline person`: who acts in the register, and as what."""

from pathlib import Path

import click

from patchline.patches.errors import SettingsError, UsageError
from patchline.patches.files import write_file
from patchline.patches.statements import time_text
from patchline.patches.terminal import example, json_option, note, report
from patchline.releaser import persons
from patchline.releaser.access import accounts, binding
from patchline.releaser.access.binding import Somebody
from patchline.releaser.approving import browser_keys
from patchline.releaser.commands.options import attempt, clock, register_options, the_person, the_register
from patchline.releaser.documents.office import person_document
from patchline.releaser.persons import Listed
from patchline.releaser.rollouts.waiting import set_address
from patchline.releaser.tables.people import Role

_ROLES = click.Choice([role.value for role in Role])


@click.group(epilog=example("patchline person add ben --name 'Ben Example' --role engineer"))
def person() -> None:
    """Say who acts in the register, and as what."""


@person.command(epilog=example("patchline person add ben --name 'Ben Example' --role engineer"))
@click.argument("id_", metavar="ID")
@click.option("--name", help="How the person is called; default: the id.")
@click.option("--role", "roles", type=_ROLES, multiple=True, help="What the person does; several.")
@register_options
@json_option
def add(id_: str, name: str | None, roles: tuple[str, ...]) -> None:
    """Add a person, or with --role alone roles to one who is there."""
    with attempt("person.add", id_) as change:
        added = persons.add(change, id_, name, [Role(role) for role in roles])
    _report(added)


@person.command("list", epilog=example("patchline person list"))
@register_options
@json_option
def list_persons() -> None:
    """List all persons and their roles."""
    with the_register() as register, register.read() as session:
        found = persons.listed(session)
    width = max((len(one.id) for one in found), default=0)
    report([person_document(one) for one in found], "\n".join(persons.words(one, width) for one in found))


@person.command(epilog=example("patchline person disable ben"))
@click.argument("id_", metavar="ID")
@click.option("--role", "roles", type=_ROLES, multiple=True, help="Take only this role away; several.")
@register_options
@json_option
def disable(id_: str, roles: tuple[str, ...]) -> None:
    """Let a person act no more. Whose signature counts says the policy: change that too."""
    with attempt("person.disable", id_) as change:
        left = persons.disable(change, id_, [Role(role) for role in roles])
    _report(left)


@person.command(epilog=example("patchline person mail ben ben@vendor.example"))
@click.argument("id_", metavar="ID")
@click.argument("address")
@register_options
@json_option
def mail(id_: str, address: str) -> None:
    """Say where a person is told of what waits for them."""
    with attempt("person.address", id_) as change:
        written = set_address(change, id_, address)
    report({"id": id_, "address": written}, f"{id_} is written to at {written}")


@person.command(epilog=example("patchline person link ben"))
@click.argument("id_", metavar="ID")
@register_options
@json_option
def link(id_: str) -> None:
    """Make a link by which a person sets a password for the pages, once and within a day."""
    with the_register() as register, register.attempt("account.link", id_, the_person(), clock()) as change:
        made = accounts.offer_link(change, id_)
        address = made.address(register.settings.web_address)
    note("Give it to that person alone, by a way that others do not read; it is not shown again.")
    report({"person": id_, "link": address, "expires": time_text(made.expires)}, address)


@person.command(
    epilog=example("patchline person keys ada", "patchline person keys --enrolment 7Q2M4 --out ada-laptop.enrolment")
)
@click.argument("id_", metavar="[ID]", required=False)
@click.option("--enrolment", metavar="KEY", help="Instead: write the enrolment of the key that begins so.")
@click.option("--out", type=click.Path(path_type=Path), help="The file to write it to, for trust policy.")
@register_options
@json_option
def keys(id_: str | None, enrolment: str | None, out: Path | None) -> None:
    """List the keys that lie in browsers, and how they stand; a key counts when the policy lists it."""
    if (enrolment is None) != (out is None) or (enrolment is not None and id_ is not None):
        raise UsageError("options", "give --enrolment and --out together, and without ID")
    with the_register() as register, register.read() as session:
        if enrolment is not None and out is not None:
            _, data = browser_keys.enrolment_of(session, browser_keys.by_beginning(session, enrolment))
            write_file(out, data)
            report({"file": str(out)}, f"{out}: give it to those who make the policy: trust policy --approver {out}")
            return
        found = browser_keys.listed(session, id_)
    report([browser_keys.document(one) for one in found], "\n".join(browser_keys.words(one) for one in found) or _NONE)


_NONE = "no key lies in a browser: the page of your keys makes one"


@person.command("retire-key", epilog=example("patchline person retire-key 7Q2M4"))
@click.argument("key", metavar="KEY")
@register_options
@json_option
def retire_key(key: str) -> None:
    """Let a key in a browser sign no more here. The policy must retire it too: trust policy --retire."""
    with attempt("person.key-retire", key) as change:
        found = browser_keys.retire(change, browser_keys.by_beginning(change.session, key))
    report(browser_keys.document(found), browser_keys.words(found))


@person.command(epilog=example("patchline person outside ben 248289761001"))
@click.argument("id_", metavar="ID")
@click.argument("subject", metavar="SUB")
@register_options
@json_option
def outside(id_: str, subject: str) -> None:
    """Bind an account at the company's identity provider to a person, by what the provider calls it for ever (`sub`)."""
    with the_register() as register:
        issuer = register.settings.oidc_issuer
        if issuer is None:
            raise SettingsError("oidc", "the settings name no identity provider")
        with register.attempt("account.bind", id_, the_person(), clock()) as change:
            binding.bind(change, id_, Somebody(issuer, subject))
    report({"person": id_, "issuer": issuer, "subject": subject}, f"{id_} signs in at {issuer} as {subject}")


def _report(person: Listed) -> None:
    report(person_document(person), persons.words(person))
