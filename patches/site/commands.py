"""The program `patchline-site`: what a customer does with a hotfix at one site."""

import click

from patchline.patches.terminal import Lazy, LazyGroup, example, run

_SETUP, _FETCH, _VERIFY, _CHANGE, _LOOK = (
    f"patchline.patches.site.command_{name}" for name in ("setup", "fetch", "verify", "change", "look")
)
_COMMANDS = {
    "init": Lazy(_SETUP, "init", "Make an installation a site."),
    "trust": Lazy(_SETUP, "trust", "Take a newer root or policy."),
    "fetch": Lazy(_FETCH, "fetch_command", "Take what is new from the channel or a kit."),
    "verify": Lazy(_VERIFY, "verify", "Check a bundle, release or kit; write nothing."),
    "plan": Lazy(_CHANGE, "plan", "Show what applying would do."),
    "apply": Lazy(_CHANGE, "apply", "Apply hotfixes as one transaction."),
    "rollback": Lazy(_CHANGE, "rollback", "Roll back a hotfix, or to a level."),
    "recover": Lazy(_CHANGE, "recover", "Finish or undo what a crash left."),
    "inventory": Lazy(_LOOK, "inventory", "Show the patch level and what is applied."),
    "history": Lazy(_LOOK, "history", "Show what was done here."),
    "cleanup": Lazy(_CHANGE, "cleanup", "Free earlier contents."),
    "report": Lazy(_LOOK, "report_command", "Make the signed report for the vendor."),
    "enrol": Lazy("patchline.patches.site.command_enrol", "enrol", "Tell the vendor this site's key, with their code."),
    "self-test": Lazy("patchline.patches.site.self_test", "self_test", "Show that the client works on this machine."),
}


@click.group(
    "patchline-site",
    cls=LazyGroup,
    table=_COMMANDS,
    epilog=example("patchline-site verify HF-2026-0012-r1.hotfix"),
)
@click.version_option(package_name="patchline", prog_name="patchline-site")
def patchline_site() -> None:
    """Verify, apply and roll back hotfixes at a site, and say which patch level it has."""


def main() -> int:
    """Run the program on this process's command line."""
    return run(patchline_site)
