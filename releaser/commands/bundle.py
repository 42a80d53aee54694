"""`patchline bundle`: the tool under `hotfix`, for bundles as files. Its commands load only what they need."""

import click

from patchline.patches.terminal import Lazy, LazyGroup, example

_HERE = "patchline.releaser.commands"

_COMMANDS = {
    "recipe": Lazy(f"{_HERE}.bundle_build", "recipe", "Write a commented recipe from what differs, to be edited."),
    "build": Lazy(f"{_HERE}.bundle_build", "build_command", "Build a bundle from a repository or from two folders."),
    "sign": Lazy(f"{_HERE}.bundle_sign", "sign", "Sign the statement of a build."),
    "approve": Lazy(f"{_HERE}.bundle_sign", "approve", "Approve a bundle with your own key."),
    "release": Lazy(f"{_HERE}.bundle_sign", "release", "Count the approvals, then sign for openssl."),
    "show": Lazy(f"{_HERE}.bundle_look", "show", "Show what a bundle is and does."),
    "diff": Lazy(f"{_HERE}.bundle_look", "diff", "Show where two bundles differ."),
    "rebuild": Lazy(f"{_HERE}.bundle_look", "rebuild_command", "Build again from your own source and compare."),
}


@click.group("bundle", cls=LazyGroup, table=_COMMANDS, epilog=example("patchline bundle show HF-2026-0001-r1.hotfix"))
def bundle() -> None:
    """Build, sign, approve and compare bundles."""
