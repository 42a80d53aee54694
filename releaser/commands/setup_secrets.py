"""`patchline setup test` and `rotate`, with the person's own login to Vault."""

from typing import Any

import click

from patchline.patches.errors import StateError
from patchline.patches.terminal import example, json_option, report
from patchline.releaser.commands.options import clock, home_option, register_options, the_home, the_person, the_register
from patchline.releaser.setups import rotating
from patchline.releaser.setups.rotating import Tested
from patchline.releaser.setups.targets.outcomes import Outcome
from patchline.releaser.vault_access import vault_connection
from patchline.vault.setups import TeamSecrets


def team_secrets() -> TeamSecrets:
    """Return the credentials in Vault, as the login of who runs this may see them."""
    return TeamSecrets(vault_connection(the_home()))


@click.command(epilog=example("patchline setup test lab-1", "patchline setup test lab-1 db"))
@click.argument("name", metavar="SETUP")
@click.argument("endpoint", required=False)
@home_option
@json_option
@click.pass_context
def test(context: click.Context, name: str, endpoint: str | None) -> None:
    """Log in to a setup's endpoints with the credentials in Vault; ends with 13 when one does not work."""
    with the_register() as register:
        found = rotating.try_logins(register, team_secrets(), name, endpoint)
    document = {"setup": name, "endpoints": [_document(one) for one in found]}
    lines = [f"{name} {one.endpoint}: {_words(name, one)}" for one in found]
    report(document, "\n".join(lines) or f"{name} has no endpoint")
    if not all(one.fine for one in found):
        context.exit(StateError.exit_code)


def _words(setup: str, one: Tested) -> str:
    if one.outcome is None:
        return "no credential in Vault: patchline setup import"
    if one.pending:
        return f"{one.outcome}; a replacement was cut off: patchline setup rotate {setup} {one.endpoint}"
    if one.shown:
        return f"{one.outcome}; it shows {one.shown}: compare it there, then pin it by patchline setup edit {setup}"
    if one.older and one.outcome is not Outcome.WORKS:
        return f"{one.outcome}; Vault was restored from an older backup: write the password of now into it"
    return str(one.outcome)


def _document(one: Tested) -> dict[str, Any]:
    outcome = one.outcome.name.lower() if one.outcome is not None else "none"
    return {
        "endpoint": one.endpoint,
        "outcome": outcome,
        "pending": one.pending,
        "older": one.older,
        "shown": one.shown,
        "fine": one.fine,
    }


@click.command(epilog=example("patchline setup rotate lab-1 db"))
@click.argument("name", metavar="SETUP")
@click.argument("endpoint")
@register_options
@json_option
def rotate(name: str, endpoint: str) -> None:
    """Replace the team's password of an endpoint, and prove the old one dead. When it was cut off, run it again.

    PostgreSQL and LDAP are changed from here, anything else by the owner's script HOME/setups/SETUP/ENDPOINT.
    """
    with the_register() as register:
        by, now = the_person(), clock()
        with register.refusals_told("setup.rotate", name, by, now):
            done = rotating.rotate(register, team_secrets(), name, endpoint, by, now)
    swept = ", which an earlier run had begun" if done.swept else ""
    text = f"{name} {endpoint}: {done.username} has a new password{swept}, version {done.number} in Vault; the old one is dead"
    report(vars(done), text)
