"""`patchline setup`: the teams' test setups. Listing and showing them asks Vault nothing."""

import click

from patchline.patches.terminal import Lazy, LazyGroup, example

_HERE = "patchline.releaser.commands"

_COMMANDS = {
    "add": Lazy(f"{_HERE}.setup_keep", "add", "Make a setup of a site: team, facets, endpoints."),
    "edit": Lazy(f"{_HERE}.setup_edit", "edit", "Change team, facets and endpoints of a setup."),
    "list": Lazy(f"{_HERE}.setup_keep", "list_command", "List setups by name, page by page."),
    "show": Lazy(f"{_HERE}.setup_keep", "show", "Show a setup, and where its credentials lie."),
    "import": Lazy(f"{_HERE}.setup_import", "import_command", "Put passwords of a wiki into Vault, and replace them."),
    "test": Lazy(f"{_HERE}.setup_secrets", "test", "Log in to a setup with its credentials."),
    "rotate": Lazy(f"{_HERE}.setup_secrets", "rotate", "Replace a credential, and prove the old one dead."),
}


@click.group("setup", cls=LazyGroup, table=_COMMANDS, epilog=example("patchline setup list --facet 'PostgreSQL 15'"))
def setup() -> None:
    """Keep test setups of the teams, and their credentials in Vault."""
