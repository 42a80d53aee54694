"""`patchline compatibility`: on what a hotfix was tested, and who runs something else."""

from collections.abc import Iterator
from datetime import datetime

import click

from patchline.patches.terminal import example, json_option, report
from patchline.patches.wording import counted
from patchline.releaser.commands.options import clock, home_option, page_options, page_text, paged, the_register
from patchline.releaser.compatibility.answering import Combination, Compatibility, compatibility, sites_on
from patchline.releaser.compatibility.borrowing import Near
from patchline.releaser.compatibility.makeup import facet_words
from patchline.releaser.compatibility.tested import Run
from patchline.releaser.documents.compatibility import compatibility_document, site_on_document

_MOST = 10
"""Combinations and pairs that people are shown; programs get all."""


@click.command(
    "compatibility",
    epilog=example(
        "patchline compatibility HF-2026-0012",
        "patchline compatibility HF-2026-0012 --sites untested",
    ),
)
@click.argument("identifier", metavar="ID")
@click.option(
    "--sites", "which", type=click.Choice(("tested", "untested", "unknown")), help="List these sites, page by page."
)
@page_options("SITE")
@home_option
@json_option
def compatibility_command(identifier: str, which: str | None, limit: int, after: str | None) -> None:
    """Show on which combinations a hotfix was tested, which customers run others, and which setup is nearest to those.

    What tests ran on stands in their evidence, what sites are made of support says: patchline site facets.
    """
    with the_register() as register, register.read() as session:
        found = compatibility(session, identifier)
        if which is None:
            report(compatibility_document(found), "\n".join(_lines(found, clock())))
            return
        among = {"tested": found.tested, "untested": found.untested, "unknown": None}[which]
        shown, after = paged(sites_on(session, identifier, among, limit + 1, after), limit, lambda one: one.name)
    document = {"revision": found.revision, "sites": [site_on_document(one) for one in shown], "after": after}
    lines = [f"{one.name}  {one.customer}  {one.makeup or 'nobody said of what it is made'}" for one in shown]
    report(document, page_text(lines, after, "no site"))


def _lines(found: Compatibility, now: datetime) -> Iterator[str]:
    yield f"{found.revision}: {found.product} {found.baseline}"
    yield from [f"  tested on    {_run_words(run)}" for run in found.runs] or ["  tested on    nothing"]
    figures = [sum(one.sites for one in part) for part in (found.tested, found.untested)]
    yield f"  sites        {figures[0]} on tested combinations, {figures[1]} on untested ones"
    if found.unknown:
        yield f"               {sum(found.unknown.values())} of which nobody said what they are made of"
    for one in found.untested[:_MOST]:
        yield from _untested(one, now)
    yield from _rest(len(found.untested), "combinations")
    yield f"  pairs        {found.pairs.covered} of {found.pairs.all} that customers run were tested together"
    for pair in found.pairs.missing[:_MOST]:
        yield f"    missing    {facet_words((pair.first, pair.second))}: {counted(pair.sites, 'site')}"
    yield from _rest(len(found.pairs.missing), "pairs")


def _rest(there: int, what: str) -> list[str]:
    return [f"    and {there - _MOST} more {what}: --json has all"] if there > _MOST else []


def _run_words(run: Run) -> str:
    where = f"{run.setup}: " if run.setup else ""
    mark = "" if run.fine else "FAILED, does not count: "
    return f"{mark}{where}{run.makeup}, {run.passed} of {counted(run.tests, 'test')} passed"


def _untested(one: Combination, now: datetime) -> Iterator[str]:
    yield f"  untested     {one.makeup}"
    yield f"    at         {counted(one.sites, 'site')} of {', '.join(sorted(one.customers))}"
    near = f"{one.run.setup or one.run.name} lacks" if one.run is not None else "no test has"
    yield f"    delta      {near} {facet_words(one.lacking)}"
    yield from (f"    to borrow  {_near_words(near, now)}" for near in one.borrow)


def _near_words(near: Near, now: datetime) -> str:
    one = near.candidate
    if one.loan is None:
        free = "free"
    else:
        free = f"{'lent' if one.loan.starts <= now else 'booked'} until {one.loan.due:%Y-%m-%d}"
    return f"{one.setup} of team {one.team}, {free}: lacks {facet_words(near.lacking) or 'nothing'}"
