"""`patchline hotfix`: the life of hotfixes, from draft to published. Each module has some of its commands."""

import click

from patchline.patches.terminal import Lazy, LazyGroup, example

_HERE = "patchline.releaser.commands"

_COMMANDS = {
    "new": Lazy(f"{_HERE}.hotfix_make", "new", "Begin a hotfix, or the next revision of one."),
    "edit": Lazy(f"{_HERE}.hotfix_make", "edit", "Change what a hotfix is meant to be."),
    "build": Lazy(f"{_HERE}.hotfix_build", "build_command", "Build the bundle, or take one built elsewhere."),
    "evidence": Lazy(f"{_HERE}.hotfix_make", "evidence", "Attach test results, for the builder to sign."),
    "submit": Lazy(f"{_HERE}.hotfix_review", "submit", "Submit it for review; its bytes stand from here on."),
    "approve": Lazy(f"{_HERE}.hotfix_review", "approve", "Take an approval in."),
    "reject": Lazy(f"{_HERE}.hotfix_review", "reject", "End a review: it is not to be published."),
    "abandon": Lazy(f"{_HERE}.hotfix_make", "abandon", "Give a revision up."),
    "publish": Lazy(f"{_HERE}.hotfix_release", "publish_command", "Put it into the channel."),
    "ratify": Lazy(f"{_HERE}.hotfix_release", "ratify_command", "Take ordinary approvals of an emergency release in."),
    "hold": Lazy(f"{_HERE}.hotfix_release", "hold_command", "Hold it back for now, or lift that."),
    "recall": Lazy(f"{_HERE}.hotfix_release", "recall_command", "Take signed recalls or reinstatements in."),
    "show": Lazy(f"{_HERE}.hotfix_look", "show", "Show how it stands, and why it is not publishable."),
    "list": Lazy(f"{_HERE}.hotfix_look", "list_command", "List hotfixes, page by page."),
    "carry": Lazy(f"{_HERE}.hotfix_many", "carry_command", "Carry one fix to many baselines."),
    "merge": Lazy(f"{_HERE}.hotfix_many", "merge_command", "Make one hotfix of two that collide."),
    "simulate": Lazy(f"{_HERE}.hotfix_look", "simulate", "Try it on virtual sites with what is published."),
    "register": Lazy(f"{_HERE}.hotfix_make", "register", "Register hotfixes that were shipped before Patchline."),
}


@click.group("hotfix", cls=LazyGroup, table=_COMMANDS, epilog=example("patchline hotfix show HF-2026-0012"))
def hotfix() -> None:
    """Make, review, publish and recall hotfixes."""
