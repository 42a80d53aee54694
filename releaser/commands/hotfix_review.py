"""`patchline hotfix submit|approve|reject`: the review."""

from pathlib import Path

import click

from patchline.patches.files import read_file
from patchline.patches.limits import LIMITS
from patchline.patches.statements import time_text
from patchline.patches.terminal import example, json_option, note
from patchline.releaser import approvals, hotfixes, submitting
from patchline.releaser.approvals import Taken
from patchline.releaser.commands.hotfix_make import report_revision
from patchline.releaser.commands.options import clock, read_moment, register_options, the_person, the_register
from patchline.releaser.fleet.simulations import Holds, standing
from patchline.releaser.policies import newest_root
from patchline.releaser.states import Action

FILE = click.Path(path_type=Path)


@click.command(
    epilog=example("patchline hotfix submit HF-2026-0012 --provenance HF-2026-0012-r1.hotfix.provenance.jsonl")
)
@click.argument("identifier", metavar="ID")
@click.option(
    "--provenance", type=FILE, help="What `bundle sign` wrote, if it was signed after the build was taken in."
)
@click.option("--embargo", metavar="DATE", help="Not to be published before this: YYYY-MM-DD, or with a time in UTC.")
@register_options
@json_option
def submit(identifier: str, provenance: Path | None, embargo: str | None) -> None:
    """Submit a built revision for review: its bytes and who had a part in it stand from here on."""
    data = read_file(provenance, limit=LIMITS.sidecar) if provenance else None
    until = read_moment(embargo) if embargo else None
    with the_register() as register:
        root = newest_root(register)
        with register.attempt("hotfix.submit", identifier, the_person(), clock()) as change:
            revision = submitting.submit(change, identifier, root, provenance=data, embargo=until)
            simulated = standing(change.session, revision)
    if simulated.holds in (Holds.MISSING, Holds.STALE):
        note(f"{simulated.words}: patchline hotfix simulate {revision.hotfix}")
    report_revision(revision, f"is in review, built by {revision.builder}", manifest=revision.manifest_sha256)


@click.command(epilog=example("patchline hotfix approve HF-2026-0012 --statement ada.approval"))
@click.argument("identifier", metavar="ID")
@click.option("--statement", type=FILE, required=True, help="What `bundle approve` wrote on the approver's machine.")
@register_options
@json_option
def approve(identifier: str, statement: Path) -> None:
    """Take an approval in; who approved follows from the key, not from who brings it."""
    data = read_file(statement, limit=LIMITS.sidecar)
    with the_register() as register:
        root = newest_root(register)
        with register.attempt("hotfix.approve", identifier, the_person(), clock()) as change:
            taken = approvals.take(change, identifier, data, root)
    report_taken(taken)


def report_taken(taken: Taken) -> None:
    """Report what became of approvals that were taken in."""
    revision, count = taken.revision, taken.count
    more = {"approved_by": list(taken.persons), "enough": count.enough, "lacking": count.lacking}
    ratified = time_text(revision.ratified) if revision.ratified else None
    report_revision(revision, approvals.words(taken), **more, emergency_hours=count.emergency, ratified=ratified)


@click.command(epilog=example("patchline hotfix reject HF-2026-0012 --reason 'the migration locks the orders'"))
@click.argument("identifier", metavar="ID")
@click.option("--reason", required=True, help="Why; the engineer reads it.")
@register_options
@json_option
def reject(identifier: str, reason: str) -> None:
    """End a review: this revision is not to be published."""
    with the_register() as register, register.attempt("hotfix.reject", identifier, the_person(), clock()) as change:
        revision = hotfixes.stop(change, identifier, Action.REJECT, reason)
    report_revision(revision, f"is rejected. Begin the next revision: patchline hotfix new --of {revision.hotfix}")
