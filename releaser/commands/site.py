"""`patchline site`: where products run at customers, and what each has. Each module has some of its commands."""

import click

from patchline.patches.terminal import Lazy, LazyGroup, example

_HERE = "patchline.releaser.commands"

_COMMANDS = {
    "add": Lazy(f"{_HERE}.site_keep", "add", "Add a site of a customer, or a node of a site."),
    "enrol": Lazy(f"{_HERE}.site_keep", "enrol", "Make a code, take what the site wrote, confirm its key."),
    "list": Lazy(f"{_HERE}.site_keep", "list_command", "List sites by name, page by page."),
    "tell": Lazy(f"{_HERE}.site_tell", "tell", "Keep what somebody told of a site's level, with its code."),
    "accept-restore": Lazy(f"{_HERE}.site_tell", "accept_restore", "Say that a site was restored from a backup."),
    "split": Lazy(f"{_HERE}.site_tell", "split", "Say that a site was cloned, and what the copy is."),
    "show": Lazy(f"{_HERE}.site_keep", "show", "Show a site, its keys and nodes, and how we know its level."),
    "facets": Lazy(f"{_HERE}.site_facets", "facets", "Say what a site is made of: database, ldap and so on."),
    "diff": Lazy(f"{_HERE}.site_diff", "diff", "Show what differs between two sites."),
}


@click.group("site", cls=LazyGroup, table=_COMMANDS, epilog=example("patchline site show acme-main"))
def site() -> None:
    """Add, enrol, list and show sites of customers."""
