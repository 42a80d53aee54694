"""`patchline loses`: what a site would lose by going to another baseline, or by taking a hotfix."""

import click

from patchline.patches.errors import UsageError
from patchline.patches.terminal import example, json_option, report
from patchline.patches.wording import counted
from patchline.releaser.commands.options import clock, home_option, the_register
from patchline.releaser.documents.sites import continuity_document
from patchline.releaser.fleet.continuity import Continuity, Fate, continuity, find_target
from patchline.releaser.fleet.level_words import level_line
from patchline.releaser.fleet.levels import When, levels
from patchline.releaser.fleet.sites import the_site

_COLOURS = {Fate.LOST: "red", Fate.UNKNOWN: "yellow", Fate.KEPT: "green"}


@click.command(epilog=example("patchline loses acme-main --to 4.2.0", "patchline loses acme-main --to HF-2026-0031"))
@click.argument("site")
@click.option(
    "--to", "target", required=True, metavar="VERSION|ID", help="A baseline, or a hotfix such as a cumulative."
)
@home_option
@json_option
def loses(site: str, target: str) -> None:
    """Say which fixes a site would lose, which it would keep, and how that is known."""
    when = When(clock())
    with the_register() as register, register.read() as session:
        row = the_site(session, site)
        level = levels(session, [row], when)[0]
        found_target = find_target(session, row.product, target)
        if found_target.revision is None and found_target.label == level.baseline:
            raise UsageError("options", f"{site} is at {target} already")
        found = continuity(session, level, found_target, register.home, when)
        document, text = continuity_document(found, when), _text(found, when)
    report(document, text)


def _text(found: Continuity, when: When) -> str:
    name = click.style(found.level.site.name, bold=True)
    lines = [f"{name} to {found.target}: {_counts(found)}", level_line(found.level, when)]
    width = max((len(one.fix) for one in found.fixes), default=0)
    for one in found.fixes:
        take = f"; take {', '.join(one.take)} afterwards" if one.take else ""
        fate = click.style(f"{one.fate:<8}", fg=_COLOURS[one.fate])
        lines.append(f"  {fate}{one.fix:<{width}}  {', '.join(one.by)}: {one.how}{take}")
    lines += [f"  as the site is: {problem}" for problem in found.problems]
    lines += [f"  not judged: {label}, of which the register knows no fix" for label in found.left_out]
    return "\n".join(lines)


def _counts(found: Continuity) -> str:
    lost, unknown, kept = (len(found.of(fate)) for fate in (Fate.LOST, Fate.UNKNOWN, Fate.KEPT))
    return f"{counted(lost, 'fix', 'fixes')} lost, {unknown} unknown, {kept} kept"
