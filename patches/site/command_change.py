"""`patchline-site plan`, `apply`, `rollback`, `recover` and `cleanup`: what changes a site, or would."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from patchline.patches import documents
from patchline.patches.errors import RefusedError, UsageError
from patchline.patches.files import read_file, write_file
from patchline.patches.limits import LIMITS
from patchline.patches.site import changing, inventory
from patchline.patches.site.accepting import keep, offered
from patchline.patches.site.changing import Consent
from patchline.patches.site.command_options import (
    EXISTING,
    clock,
    context,
    site_options,
    stale_option,
    the_site,
)
from patchline.patches.site.installation import Result
from patchline.patches.site.ledger import REFERENCE_LENGTH, shown
from patchline.patches.site.plan import Plan
from patchline.patches.site.state import Site
from patchline.patches.site.view import site_trust
from patchline.patches.situation import Choices
from patchline.patches.terminal import confirm, example, json_option, json_wanted, report, yes_option
from patchline.patches.wording import counted, readable_size

_FILES = click.argument("files", nargs=-1, required=True, type=EXISTING, metavar="FILE...")
_SHOWN = 40


def _choice_options(command: Any) -> Any:
    for option, explained in (
        ("--accept-loss", "Go on although this fix would be lost."),
        ("--preserve", "Leave this edited file (ROOT/PATH) as it is."),
        ("--override", "Replace this edited file (ROOT/PATH), keeping it aside."),
    ):
        name = "FIX" if option == "--accept-loss" else "PATH"
        command = click.option(option, multiple=True, metavar=name, help=explained)(command)
    return command


def _reference(ctx: click.Context, parameter: click.Parameter, given: str | None) -> str | None:
    if given is not None and not (given.isprintable() and 0 < len(given) <= REFERENCE_LENGTH):
        raise UsageError("reference", f"a change number has 1 to {REFERENCE_LENGTH} printable characters")
    return given


def _choices(override: tuple[str, ...], preserve: tuple[str, ...], accept_loss: tuple[str, ...]) -> Choices:
    if both := set(override).intersection(preserve):
        raise UsageError("options", f"--override and --preserve both name {min(both)}")
    return Choices(frozenset(override), frozenset(preserve), frozenset(accept_loss))


@click.command(epilog=example("patchline-site plan HF-2026-0012-r1.hotfix --out plan.json"))
@_FILES
@click.option("--out", type=EXISTING, help="Write the plan, for `apply --plan`.")
@_choice_options
@stale_option
@site_options
@json_option
def plan(
    root: Path | None,
    state_folder: Path | None,
    stale: datetime | None,
    override: tuple[str, ...],
    preserve: tuple[str, ...],
    accept_loss: tuple[str, ...],
    out: Path | None,
    files: tuple[Path, ...],
) -> None:
    """Show every problem at once and what would change; write nothing else."""
    now = clock()
    with the_site(root, state_folder) as site, offered(site, files, now, stale) as (handed, consent):
        consent = replace(consent, choices=_choices(override, preserve, accept_loss))
        planned = changing.plan_for(site, handed.bundles, consent, changing.Context(now))
        scripts = _root_scripts(planned)
    if json_wanted():
        # One document: the plan, or what stands in its way.
        planned.require()
    if out is not None:
        write_file(out, documents.encode(planned.as_document()))
    report({**planned.as_document(), "digest": planned.digest}, _plan_text(planned) + scripts)
    planned.require()


def _root_scripts(planned: Plan) -> str:
    steps = [step for _, step in planned.steps if step.root]
    return "".join(f"\nstep {step.id} runs as root: {step.interpreter} {step.script}" for step in steps)


def _plan_text(planned: Plan) -> str:
    lines = [f"{manifest.label}: nothing to do, contained in {where}" for manifest, where in planned.contained]
    for layer, changes in planned.layers:
        replaced = [item.manifest.label for item in layer.replaces]
        lines.append(f"apply {layer.manifest.label}" + (f", replacing {', '.join(replaced)}" if replaced else ""))
        lines += [f"  loses {fix}" for fix in layer.lost]
        del changes
    lines += [
        f"  {action.name}: {shown(action.before)} -> {shown(action.after)}" for action in planned.actions[:_SHOWN]
    ]
    if len(planned.actions) > _SHOWN:
        lines.append(f"  … and {len(planned.actions) - _SHOWN} more (--json shows all)")
    lines += [f"step {step.id} ({step.phase}), at most {step.timeout_s} s" for _, step in planned.steps]
    lines += [f"note: {text}" for text in planned.notes]
    lines += [f"afterwards: {text}" for text in planned.guidance]
    lines.append(
        f"{counted(len(planned.actions), 'change')}, {readable_size(planned.bytes_written)} to write, "
        f"about {planned.seconds} s"
    )
    lines.append(f"plan {planned.digest}")
    return "\n".join(lines)


@click.command(epilog=example("patchline-site apply HF-2026-0012-r1.hotfix"))
@_FILES
@click.option("--plan", "plan_file", type=EXISTING, help="Refuse when the plan is another one than this.")
@_choice_options
@click.option("--accept-irreversible", is_flag=True, help="Go on although steps cannot be undone.")
@click.option("--accept-emergency", is_flag=True, help="Go on although it is approved as an emergency only.")
@click.option(
    "--reference", metavar="TEXT", callback=_reference, help="Your change number, for the ledger and the vendor."
)
@stale_option
@site_options
@yes_option
@json_option
def apply(
    root: Path | None,
    state_folder: Path | None,
    stale: datetime | None,
    reference: str | None,
    accept_emergency: bool,
    accept_irreversible: bool,
    override: tuple[str, ...],
    preserve: tuple[str, ...],
    accept_loss: tuple[str, ...],
    plan_file: Path | None,
    files: tuple[Path, ...],
) -> None:
    """Apply hotfixes; several files are one transaction."""
    reviewed = _reviewed(plan_file)
    doing = context()
    with the_site(root, state_folder) as site, offered(site, files, doing.now, stale) as (handed, consent):
        keep(site, handed, doing.now)
        consent = replace(
            consent,
            choices=_choices(override, preserve, accept_loss),
            irreversible=accept_irreversible,
            plan=reviewed,
            reference=reference,
            emergencies=replace(consent.emergencies, accepted=accept_emergency),
        )
        planned, result = changing.apply(site, handed.bundles, consent, doing)
        _tell(site, planned, result)


def _reviewed(plan_file: Path | None) -> str | None:
    """Return the digest of a plan that was reviewed; its content is compared, never executed."""
    return None if plan_file is None else documents.digest(read_file(plan_file, limit=LIMITS.trust_file))


def _tell(site: Site, planned: Plan | None, result: Result) -> None:
    """Report how a change ended and which level the site has now."""
    found = inventory.take(site, site.ledger(), unfinished=False, check=False)
    document: dict[str, Any] = {
        "outcome": result.outcome,
        "transaction": result.transaction,
        "level": found.level.as_document(),
        "notes": result.notes,
    }
    lines = []
    if planned is not None:
        document["contained"] = [[manifest.label, where] for manifest, where in planned.contained]
        document["guidance"] = planned.guidance
        lines += [f"{manifest.label}: nothing to do, contained in {where}" for manifest, where in planned.contained]
        if not planned.empty:
            lines.append(f"{result.outcome.replace('-', ' ')}: {counted(len(planned.actions), 'change')}")
    else:
        lines.append("nothing was left to recover" if result.outcome == "nothing" else f"recovered: {result.outcome}")
    lines += [f"note: {text}" for text in result.notes]
    lines += [f"do now: {text}" for text in (planned.guidance if planned is not None and not planned.empty else [])]
    lines.append(f"level {found.level.label}, code {found.level.code}")
    if result.stopped is not None:
        document["stopped"] = result.stopped.signal.name
    try:
        report(document, "\n".join(lines))
    finally:  # Also when the terminal is gone.
        if result.stopped is not None:
            # What happened was told; with --json an error would be a second document.
            raise click.exceptions.Exit(result.stopped.exit_code) if json_wanted() else result.stopped


@click.command(epilog=example("patchline-site rollback HF-2026-0012", "patchline-site rollback --to baseline"))
@click.argument("hotfix", required=False, metavar="ID")
@click.option("--to", "level", metavar="LEVEL", help="Back to a level: its label, digest or code, or `baseline`.")
@click.option("--accept-irreversible", is_flag=True, help="Go on although what steps did stays.")
@click.option(
    "--reference", metavar="TEXT", callback=_reference, help="Your change number, for the ledger and the vendor."
)
@site_options
@yes_option
@json_option
def rollback(
    root: Path | None,
    state_folder: Path | None,
    reference: str | None,
    accept_irreversible: bool,
    level: str | None,
    hotfix: str | None,
) -> None:
    """Roll back a hotfix, or everything above a level."""
    if (hotfix is None) == (level is None):
        raise UsageError("options", "give a hotfix id, or --to LEVEL")
    with the_site(root, state_folder) as site:
        consent = Consent(
            root_steps=site_trust(site).policy.root_steps, irreversible=accept_irreversible, reference=reference
        )
        target = hotfix or level or ""
        planned, result = changing.rollback(
            site, target, to_level=level is not None, consent=consent, context=context()
        )
        _tell(site, planned, result)


@click.command(epilog=example("patchline-site recover"))
@site_options
@json_option
def recover(root: Path | None, state_folder: Path | None) -> None:
    """Finish or undo what a crash left; every change does this first by itself."""
    with the_site(root, state_folder) as site:
        _tell(site, None, changing.recover(site, context()))


@click.command(epilog=example("patchline-site cleanup --keep 2"))
@click.option(
    "--keep", type=click.IntRange(1), required=True, metavar="N", help="How many newest changes stay undoable."
)
@site_options
@yes_option
@json_option
def cleanup(root: Path | None, state_folder: Path | None, keep: int) -> None:
    """Free earlier contents; the newest changes can still be rolled back."""
    with the_site(root, state_folder) as site:
        announced = changing.cleanup(site, keep, context(), dry_run=True)
        if announced.transactions and not confirm(
            f"free {readable_size(announced.freed)}; {counted(len(announced.transactions), 'change')} can then not be rolled back?"
        ):
            raise RefusedError("not-confirmed", "nothing was freed")
        done = changing.cleanup(site, keep, context()) if announced.transactions else announced
    document = {"transactions": done.transactions, "freed": done.freed}
    report(document, f"freed {readable_size(done.freed)} of {counted(len(done.transactions), 'change')}")
