"""`patchline campaign`: one fix on its way to many baselines."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from sqlalchemy.orm import Session

from patchline.patches.errors import RefusedError
from patchline.patches.files import read_file
from patchline.patches.limits import LIMITS
from patchline.patches.passphrases import passphrase_for, passphrase_option
from patchline.patches.release_zip import APPROVALS, PROVENANCE, RELEASE_LINE
from patchline.patches.terminal import example, json_option, report
from patchline.patches.wording import counted
from patchline.releaser import approvals
from patchline.releaser.bundle_files import sidecar_path
from patchline.releaser.campaigns import Stand, list_campaigns, show, the_campaign, write_commits
from patchline.releaser.channel_home import open_channel
from patchline.releaser.commands.hotfix_release import read_release
from patchline.releaser.commands.options import clock, home_option, register_options, the_person, the_register
from patchline.releaser.documents.campaigns import NOWHERE, campaign_document, campaign_facts, told
from patchline.releaser.fleet.adoption import lacking_at
from patchline.releaser.hotfixes import label
from patchline.releaser.policies import newest_root
from patchline.releaser.publishing import publish
from patchline.releaser.states import State
from patchline.releaser.submitting import submit
from patchline.releaser.tables.hotfixes import Campaign

FILE = click.Path(path_type=Path)
_COLOURS = {"conflict": "red", "failed": "red", "published": "green", "recalled": "red", "held": "yellow"}
_OPEN = "solve them on a branch from the baseline, then: patchline hotfix carry --campaign ID --resolve VERSION=BRANCH"


@click.group(epilog=example("patchline campaign show C-2026-0001"))
def campaign() -> None:
    """Take the hotfixes of one fix that was carried to many baselines through their lives together."""


@campaign.command("show", epilog=example("patchline campaign show C-2026-0001"))
@click.argument("identifier", metavar="ID")
@home_option
@json_option
def show_command(identifier: str) -> None:
    """Show how a fix stands at each baseline: conflict, built, in review, approved, published."""
    with the_register() as register, register.read() as session:
        found, stands = the_campaign(session, identifier), show(session, identifier)
        lacking = lacking_at(session, found, [stand.row.baseline for stand in stands if stand.state != "contained"])
    report(campaign_document(found, stands, lacking), campaign_text(found, stands, lacking))


@campaign.command("list", epilog=example("patchline campaign list"))
@home_option
@json_option
def list_command() -> None:
    """List the campaigns, the newest first."""
    with the_register() as register, register.read() as session:
        found = list_campaigns(session)
    lines = [f"{one.id}  {one.product}  {one.added:%Y-%m-%d}  {one.title}" for one in found]
    report([campaign_facts(one) for one in found], "\n".join(lines) or "no campaign yet: patchline hotfix carry")


@campaign.command("submit", epilog=example("patchline campaign submit C-2026-0001 --from bundles"))
@click.argument("identifier", metavar="ID")
@click.option("--from", "folder", type=FILE, required=True, metavar="DIR", help="Where the signed bundles lie.")
@register_options
@json_option
def submit_command(identifier: str, folder: Path) -> None:
    """Submit every built hotfix of a campaign for review, all at once or none."""
    with the_register() as register:
        root = newest_root(register)
        with register.change(the_person(), clock()) as changing:
            the_campaign(changing.session, identifier)
            for name in _names(changing.session, identifier, State.BUILT):
                sidecar = sidecar_path(folder / f"{name}.hotfix", PROVENANCE)
                submit(changing, name, root, provenance=read_file(sidecar, limit=LIMITS.sidecar))
            found, stands = the_campaign(changing.session, identifier), show(changing.session, identifier)
    report(campaign_document(found, stands), campaign_text(found, stands))


@campaign.command("approve", epilog=example("patchline campaign approve C-2026-0001 --from bundles"))
@click.argument("identifier", metavar="ID")
@click.option("--from", "folder", type=FILE, required=True, metavar="DIR", help="Where the approved bundles lie.")
@register_options
@json_option
def approve_command(identifier: str, folder: Path) -> None:
    """Take the approvals of every hotfix of a campaign in that is in review, all at once or none."""
    with the_register() as register:
        root = newest_root(register)
        with register.attempt("campaign.approve", identifier, the_person(), clock()) as changing:
            the_campaign(changing.session, identifier)
            for name in _names(changing.session, identifier, State.IN_REVIEW):
                sidecar = sidecar_path(folder / f"{name}.hotfix", APPROVALS)
                approvals.take(changing, name, read_file(sidecar, limit=LIMITS.sidecar), root)
            found, stands = the_campaign(changing.session, identifier), show(changing.session, identifier)
    report(campaign_document(found, stands), campaign_text(found, stands))


@campaign.command("publish", epilog=example("patchline campaign publish C-2026-0001 --from bundles"))
@click.argument("identifier", metavar="ID")
@click.option("--from", "folder", type=FILE, required=True, metavar="DIR", help="Where the released bundles lie.")
@register_options
@passphrase_option
@json_option
def publish_command(identifier: str, folder: Path) -> None:
    """Put every approved hotfix of a campaign into the channel, one after the other; again goes on where it stopped."""
    with the_register() as register:
        with register.read() as session:
            the_campaign(session, identifier)
            names = _names(session, identifier, State.APPROVED)
        released = {name: read_release(folder / f"{name}.hotfix{RELEASE_LINE}") for name in names}
        if names:
            channel = open_channel(register, passphrase_for)
        for name, release in released.items():
            publish(register, channel, the_person(), clock(), name, release)
        with register.read() as session:
            found, stands = the_campaign(session, identifier), show(session, identifier)
    report(campaign_document(found, stands), campaign_text(found, stands))


def _names(session: Session, identifier: str, state: State) -> list[str]:
    """Return the labels of a campaign's revisions that are in a state."""
    revisions = [stand.revision for stand in show(session, identifier)]
    return [label(one) for one in revisions if one is not None and one.state == state]


@campaign.command("commits", epilog=example("patchline campaign commits C-2026-0001 --out fix.pack"))
@click.argument("identifier", metavar="ID")
@click.option("--out", type=FILE, required=True, help="The file to write; git fetch reads it.")
@home_option
@json_option
def commits_command(identifier: str, out: Path) -> None:
    """Write the carried commits into a file, for approvers who rebuild the bundles from their own clones."""
    if out.exists():
        raise RefusedError("file-exists", f"{out} exists already")
    with the_register() as register:
        names = write_commits(register, identifier, out)
    report(
        {"commits": str(out), "names": names},
        f"{out}: {counted(len(names), 'head')}. In a clone: git fetch {out} 'refs/patchline/*:refs/patchline/*'",
    )


def campaign_text(one: Campaign, stands: Sequence[Stand], lacking: Mapping[str, int] = NOWHERE) -> str:
    """Return a campaign's table for people."""
    fixes = ", ".join(str(fix["id"]) for fix in one.fixes)
    lines = [f"{click.style(one.id, bold=True)}  {one.product}  {one.severity}  {fixes}: {one.title}"]
    width = max((len(stand.row.baseline) for stand in stands), default=0)
    for stand in stands:
        state = click.style(f"{stand.state:<10}", fg=_COLOURS.get(stand.state))
        sites = lacking.get(stand.row.baseline)
        more = f", {counted(sites, 'site')} exposed" if sites else ""
        lines.append(f"{stand.row.baseline:<{width}}  {state}  {told(stand)}{more}".rstrip())
    if any(stand.state == "conflict" for stand in stands):
        lines.append(_OPEN.replace("ID", one.id))
    return "\n".join(lines)
