"""`patchline hotfix`: the life of hotfixes, from draft to published. Each module has some of its commands."""

import click

from patchline.patches.terminal import Lazy, LazyGroup, example

_COMMANDS = {
    "carry": Lazy("patchline.releaser.commands.hotfix_many", "carry_command", "Carry one fix to many baselines."),
}


@click.group(
    "hotfix", cls=LazyGroup, table=_COMMANDS, epilog=example("patchline hotfix carry 3f2a91c --issue BUG-7 --out .")
)
def hotfix() -> None:
    """Make, review, publish and recall hotfixes."""
