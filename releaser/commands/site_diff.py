"""`patchline site diff`: what differs between two sites."""

import click

from patchline.patches.terminal import example, json_option, report
from patchline.releaser.commands.options import clock, home_option, the_register
from patchline.releaser.documents.sites import difference_document
from patchline.releaser.fleet.differing import Difference, Side, difference
from patchline.releaser.fleet.level_words import level_line
from patchline.releaser.fleet.levels import When, levels
from patchline.releaser.fleet.sites import the_site
from patchline.releaser.moments import optional_moment


@click.command(epilog=example("patchline site diff acme-main acme-staging"))
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--at", metavar="DATE", help="As both were on that day.")
@home_option
@json_option
def diff(first: str, second: str, at: str | None) -> None:
    """Show what differs between two sites: baseline, hotfixes, fixes."""
    now = clock()
    when = When(now, optional_moment(at, now))
    with the_register() as register, register.read() as session:
        both = levels(session, [the_site(session, first), the_site(session, second)], when)
        found = difference(session, *both)
        document, text = difference_document(found, when), _text(found, when)
    report(document, text)


def _text(found: Difference, when: When) -> str:
    sides = (found.first, found.second)
    width = max(len(side.level.site.name) for side in sides)
    lines = [f"{side.level.site.name:<{width}}  {level_line(side.level, when)}" for side in sides]
    if not found.comparable:
        return "\n".join([*lines, "they cannot be compared: nothing is known of one of them"])
    if found.same:
        return "\n".join([*lines, "no difference in baseline and hotfixes"])
    for side in sides:
        lines += [f"only {side.level.site.name:<{width}}  {told}" for told in _told(side)]
    return "\n".join([*lines, f"both{'':<{width}}   {', '.join(found.both) or 'no hotfix'}"])


def _told(side: Side) -> list[str]:
    lines = [f"{one.label}{'' if one.revision is not None else ' (unknown to the register)'}" for one in side.only]
    return [*lines, *([f"fixes: {', '.join(side.fixes)}"] if side.fixes else [])]
