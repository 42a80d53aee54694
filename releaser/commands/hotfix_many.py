"""`patchline hotfix carry|merge`: one fix for many baselines, and one hotfix from two."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from sqlalchemy.orm import Session

from patchline.patches import identifiers
from patchline.patches.errors import BuildError, UsageError
from patchline.patches.manifest import SEVERITIES
from patchline.patches.terminal import example, json_option, note, report
from patchline.releaser import merging
from patchline.releaser.campaigns import Fix, Source, carry, go_on, show, the_campaign
from patchline.releaser.catalogue import list_baselines, the_product
from patchline.releaser.commands.bundle_build import Pair, built_document, built_text
from patchline.releaser.commands.campaign import campaign_text
from patchline.releaser.commands.options import clock, register_options, the_person, the_register
from patchline.releaser.documents.campaigns import campaign_document
from patchline.releaser.issues import UNSOLVED, show_issue
from patchline.releaser.people import read_people
from patchline.releaser.recipe import Authored, read_recipe
from patchline.releaser.register import Register

FILE = click.Path(path_type=Path)


@click.command(
    "carry",
    epilog=example(
        "patchline hotfix carry 3f2a91c --issue CVE-2021-44228 --people people.toml --out bundles",
        "patchline hotfix carry main~3..main --product shop --to 4.0 --to 4.1 --fix BUG-7='Totals are right' --out .",
        "patchline hotfix carry --campaign C-2026-0001 --resolve 3.9=fix-on-3.9 --out bundles",
    ),
)
@click.argument("commits", nargs=-1, metavar="COMMIT|A..B")
@click.option("--product", metavar="P", help="The product; an issue says it by itself.")
@click.option("--to", "labels", multiple=True, metavar="VERSION", help="A baseline; several.")
@click.option("--all", "everywhere", is_flag=True, help="To every baseline of the product that has a tag.")
@click.option("--issue", metavar="ID", help="To its affected baselines that have no fix; gives fix, severity and CVE.")
@click.option("--fix", "fixes", type=Pair("ID=TITLE"), multiple=True, help="What it mends; several.")
@click.option("--title", help="By default that of the first fix.")
@click.option("--severity", type=click.Choice(SEVERITIES), help="By default the issue's or recipe's, else moderate.")
@click.option("--customer", "customers", multiple=True, metavar="ID", help="Only for this customer; several.")
@click.option("--recipe", "recipe_file", type=FILE, help="What people wrote: hotfix.toml.")
@click.option("--people", type=FILE, help="Who is behind which e-mail address.")
@click.option("--repo", type=FILE, help="The git repository; by default the product's.")
@click.option("--allow", type=Pair("PATH=REASON"), multiple=True, help="A finding of the scan that may pass; several.")
@click.option("--campaign", metavar="ID", help="Go on with a campaign where it was stopped.")
@click.option("--resolve", type=Pair("VERSION=REF"), multiple=True, help="A branch with the conflicts solved; several.")
@click.option("--out", type=FILE, required=True, metavar="DIR", help="Folder for the bundles, to be signed there.")
@register_options
@json_option
def carry_command(commits: tuple[str, ...], campaign: str | None, out: Path, **given: Any) -> None:
    """Carry one fix to many baselines: each becomes a hotfix of its own, built and ready to be signed."""
    if not out.is_dir():
        raise BuildError("folder", f"{out} is not a folder")
    source = Source(
        out=out,
        repository=given["repo"],
        people=read_people(given["people"]) if given["people"] else None,
        allow=dict(given["allow"]),
    )
    authored = read_recipe(given["recipe_file"]) if given["recipe_file"] else Authored()
    person = the_person()
    if source.people is None:
        note("warning: without --people nobody is known by name, so no author can be kept from approving")
    subject = campaign or given["issue"] or " ".join(commits)
    with the_register() as register:
        with register.refusals_told("campaign.carry", subject, person, clock()):
            if campaign is not None:
                _check_alone(commits, given)
                identifier = go_on(register, campaign, dict(given["resolve"]), authored, source, person, clock)
            else:
                identifier = carry(register, _fix(register, commits, authored, given), source, person, clock)
        with register.read() as session:
            found, stands = the_campaign(session, identifier), show(session, identifier)
    report(campaign_document(found, stands), campaign_text(found, stands))
    if any(stand.is_open for stand in stands):
        click.get_current_context().exit(BuildError.exit_code)


def _check_alone(commits: tuple[str, ...], given: dict[str, Any]) -> None:
    fixed = ("product", "labels", "everywhere", "issue", "fixes", "title", "severity", "customers")
    if commits or any(given[name] for name in fixed):
        raise UsageError("options", "--campaign goes on with what the campaign began with; give only what is new")


def _fix(register: Register, commits: tuple[str, ...], authored: Authored, given: dict[str, Any]) -> Fix:
    if not commits:
        raise UsageError("options", "name the commits to carry")
    if sum(map(bool, (given["labels"], given["everywhere"], given["issue"]))) != 1:
        raise UsageError("options", "say where to: --to VERSION, --issue ID or --all")
    with register.read() as session:
        product, labels, told = _where(session, given)
    fixes = {str(one["id"]): dict(one) for one in (*told.get("fixes", ()), *authored.fixes)}
    for identifier, title in given["fixes"]:
        if not identifiers.FIX.fullmatch(identifier):
            raise UsageError("options", f"--fix does not take the id {identifier!r}")
        fixes[identifier] = {"coverage": "full", "cve": [], **fixes.get(identifier, {"id": identifier}), "title": title}
    if not fixes:
        raise UsageError("options", "say what it mends: --fix ID=TITLE, --issue ID or --recipe FILE")
    listed = tuple(fixes[identifier] for identifier in sorted(fixes))
    severity = given["severity"] or told.get("severity") or authored.severity or "moderate"
    return Fix(
        product=product,
        commits=commits,
        baselines=tuple(labels),
        title=given["title"] or authored.title or str(listed[0]["title"]),
        severity=severity,
        authored=replace(authored, fixes=listed),
        customers=given["customers"] or None,
        resolutions=dict(given["resolve"]),
    )


def _where(session: Session, given: dict[str, Any]) -> tuple[str, list[str], dict[str, Any]]:
    """Return product, baselines, and what an issue says."""
    if given["issue"]:
        shown = show_issue(session, given["issue"])
        one = shown.issue
        if given["product"] not in (None, one.product):
            raise UsageError("options", f"{one.id} is an issue of {one.product}")
        labels = [row.baseline for row in shown.rows if row.status == "affected" and row.standing in UNSOLVED]
        if not labels:
            raise UsageError("options", f"no baseline of {one.product} is affected by {one.id} and without a fix")
        fix = {"id": one.id, "title": one.title, "coverage": "full", "cve": one.cve}
        return one.product, labels, {"fixes": (fix,), "severity": one.severity}
    if not given["product"]:
        raise UsageError("options", "--product is missing")
    the_product(session, given["product"])
    if given["everywhere"]:
        return given["product"], [one.label for one in list_baselines(session, given["product"]) if one.tag], {}
    return given["product"], list(given["labels"]), {}


@click.command(
    "merge",
    epilog=example(
        "patchline hotfix merge HF-2026-0007 HF-2026-0009 --people people.toml --out bundles",
        "patchline hotfix merge HF-2026-0007 HF-2026-0009 --base-dir released --out bundles",
    ),
)
@click.argument("one", metavar="A")
@click.argument("other", metavar="B")
@click.option("--head", metavar="REF", help="A branch from the baseline on which somebody merged both.")
@click.option("--base-dir", type=FILE, metavar="DIR", help="For hotfixes from folders: the baseline as released.")
@click.option("--title", help="By default those of both.")
@click.option("--recipe", "recipe_file", type=FILE, help="What people wrote, in place of what they wrote about both.")
@click.option("--people", type=FILE, help="Who is behind which e-mail address.")
@click.option("--repo", type=FILE, help="The git repository; by default the product's.")
@click.option("--allow", type=Pair("PATH=REASON"), multiple=True, help="A finding of the scan that may pass; several.")
@click.option("--out", type=FILE, required=True, metavar="DIR", help="Folder for the bundle, to be signed there.")
@register_options
@json_option
def merge_command(one: str, other: str, out: Path, **given: Any) -> None:
    """Make one hotfix of two that collide at a site: it goes onto the baseline and onto either of them."""
    if not out.is_dir():
        raise BuildError("folder", f"{out} is not a folder")
    pair = merging.Pair(
        one=one,
        other=other,
        out=out,
        repository=given["repo"],
        head=given["head"],
        base_folder=given["base_dir"],
        people=read_people(given["people"]) if given["people"] else None,
        recipe=read_recipe(given["recipe_file"]) if given["recipe_file"] else None,
        title=given["title"],
        allow=dict(given["allow"]),
    )
    person = the_person()
    with the_register() as register, register.refusals_told("hotfix.merge", f"{one} {other}", person, clock()):
        built = merging.merge(register, pair, person, clock)
    for warning in built.warnings:
        note(f"warning: {warning}")
    report(built_document(built), built_text(built))
