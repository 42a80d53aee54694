"""`patchline vault`: make OpenBao or HashiCorp Vault ready, and look how it stands."""

from typing import TYPE_CHECKING, Any

import click

from patchline.patches import identifiers
from patchline.patches.errors import UsageError, VaultError
from patchline.patches.terminal import example, json_option, report
from patchline.releaser.commands.options import clock, home_option, the_home, the_register
from patchline.releaser.vault_access import skew_words, vault_connection, vault_server, vault_settings

if TYPE_CHECKING:
    from patchline.vault.preparing import Approver
    from patchline.vault.preparing_loans import LentDatabase
    from patchline.vault.steps import Step


@click.group(epilog=example("patchline vault status"))
def vault() -> None:
    """Make Vault ready for Patchline, and look how it stands."""


@vault.command(
    epilog=example(
        "patchline vault prepare",
        "patchline vault prepare --approver ada --login userpass",
        "patchline vault prepare --setup lab-1",
    )
)
@click.option(
    "--approver", "approvers", multiple=True, metavar="PERSON[=NAME]", help="Who gets a key of their own; several."
)
@click.option("--login", "mount", metavar="MOUNT", help="The login that approvers use, such as userpass or oidc.")
@click.option("--setup", "setups", multiple=True, metavar="SETUP", help="Let users be made in its databases; several.")
@home_option
@json_option
def prepare(approvers: tuple[str, ...], mount: str | None, setups: tuple[str, ...]) -> None:
    """Make engines, policies, roles and keys in a fresh server, as its administrator; what is right stays as it is."""
    from patchline.vault import preparing

    if bool(approvers) != bool(mount):
        raise UsageError("options", "--approver and --login go together")
    people = tuple(_approver(text, mount or "") for text in approvers)
    lent = _lent(setups)
    connection = vault_connection(the_home())
    steps = preparing.prepare(connection, people, lent)
    roles = preparing.role_ids(connection)
    document = {"steps": _documents(steps), "roles": roles}
    made = {"missing": "made", "different": "corrected"}
    lines = [f"{_word(step, made):10} {step.subject}" for step in steps]
    lines += ["", "role ids, for vault_role_id", *(f"  {role:10} {found}" for role, found in roles.items())]
    report(document, "\n".join(lines))


def _lent(setups: tuple[str, ...]) -> "tuple[LentDatabase, ...]":
    """Return the databases of setups in which Vault is to make users, as the register knows them."""
    from patchline.releaser.setups.keeping import the_setup
    from patchline.vault.preparing_loans import LentDatabase

    if not setups:
        return ()
    with the_register() as register, register.read() as session:
        known = [the_setup(session, name) for name in setups]
    return tuple(
        LentDatabase(one.site.name, endpoint.name, endpoint.address)
        for one in known
        for endpoint, _ in one.endpoints
        if endpoint.strategy == "database-user"
    )


def _approver(text: str, mount: str) -> "Approver":
    from patchline.vault import names
    from patchline.vault.preparing import Approver

    person, _, login = text.partition("=")
    if not identifiers.PERSON.fullmatch(person):
        raise UsageError("person-id", f"{person!r} is no id of a person")
    return Approver(names.name(person), names.path(mount), login or person)


@vault.command(epilog=example("patchline vault status"))
@home_option
@json_option
@click.pass_context
def status(context: click.Context) -> None:
    """Tell how the server is, and what it lacks; ends with 30 when there is something to mend."""
    from patchline.vault import preparing
    from patchline.vault.connection import health

    server = vault_server(vault_settings(the_home()))
    found = health(server)
    skew = round(found.clock - clock().timestamp())
    lines = [f"{server.address}: {found.state}, version {found.version}", *skew_words(skew)]
    steps = preparing.compare(vault_connection(the_home())) if found.state in ("active", "standby") else []
    lines += [f"{_word(step, {}):10} {step.subject}" for step in steps]
    document = {
        "address": server.address,
        "namespace": server.namespace,
        "state": found.state,
        "version": found.version,
        "clock_skew": skew,
        "steps": _documents(steps),
    }
    report(document, "\n".join(lines))
    if found.state != "active" or any(step.standing in ("missing", "different") for step in steps):
        context.exit(VaultError.exit_code)


def _documents(steps: "list[Step]") -> list[dict[str, Any]]:
    return [{"subject": step.subject, "standing": step.standing.value} for step in steps]


def _word(step: "Step", made: dict[str, str]) -> str:
    """Say how a step stood, or what was made of it."""
    return made.get(step.standing.value, step.standing.value) if step.make else step.standing.value
