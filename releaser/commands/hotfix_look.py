"""`patchline hotfix show|list|simulate`: looking."""

from pathlib import Path
from typing import Any

import click

from patchline.patches.errors import NotFoundError, UsageError
from patchline.patches.manifest import KINDS, SEVERITIES
from patchline.patches.root import Root
from patchline.patches.statements import time_text
from patchline.patches.terminal import example, json_option, report
from patchline.releaser import bundles, close_up
from patchline.releaser.commands.options import clock, home_option, register_options, the_person, the_register
from patchline.releaser.commands.queueing import left_to_worker, queue_option
from patchline.releaser.fitting import Shelf, Trial, on_site_with, on_sites
from patchline.releaser.fleet import simulations
from patchline.releaser.hotfixes import find, label
from patchline.releaser.overview import MOST, Filter, Page, Row, listed
from patchline.releaser.policies import newest_root
from patchline.releaser.register import Register
from patchline.releaser.states import State
from patchline.releaser.work import asking

FILE = click.Path(path_type=Path)


@click.command(epilog=example("patchline hotfix show HF-2026-0012", "patchline hotfix show HF-2026-0012-r2 --save ."))
@click.argument("identifier", metavar="ID")
@click.option("--save", type=FILE, metavar="DIR", help="Write the bundle and what was signed about it into a folder.")
@home_option
@json_option
def show(identifier: str, save: Path | None) -> None:
    """Show how a hotfix stands: who approved it, what may be done next, and why it is not publishable."""
    with the_register() as register:
        root = _root(register)
        with register.read() as session:
            found = close_up.close_up(session, identifier, root, clock())
            kept = bundles.release_set(session, find(session, identifier)) if save else None
            document, text = close_up.document(found), close_up.text(found)
        if save is not None and kept is not None:
            path = bundles.save(register, kept, save)
            document, text = {**document, "bundle": str(path)}, f"{text}\n  saved as    {path}"
    report(document, text)


def _root(register: Register) -> Root | None:
    try:
        return newest_root(register)
    except NotFoundError:
        return None


@click.command("list", epilog=example("patchline hotfix list --product shop --state in-review"))
@click.option("--product", metavar="P", help="Of this product.")
@click.option("--baseline", metavar="V", help="For this version.")
@click.option(
    "--state",
    "states",
    type=click.Choice([state.value for state in State]),
    multiple=True,
    help="In this state; several.",
)
@click.option("--severity", type=click.Choice(SEVERITIES), help="Of this severity.")
@click.option("--kind", type=click.Choice(KINDS), help="Of this kind.")
@click.option("--fix", metavar="ID", help="That lists this fix.")
@click.option("--cve", metavar="CVE", help="That lists this CVE.")
@click.option("--campaign", metavar="ID", help="Of this campaign.")
@click.option("--text", help="With this in id or title.")
@click.option("--limit", type=click.IntRange(1, MOST), default=50, show_default=True, help="At most so many.")
@click.option("--after", metavar="ID", help="Go on after this one.")
@home_option
@json_option
def list_command(limit: int, after: str | None, **given: Any) -> None:
    """List hotfixes with their last revisions, the newest first."""
    with the_register() as register, register.read() as session:
        page = listed(session, Filter(**given), limit=limit, after=after)
    report({"hotfixes": [_document(row) for row in page.rows], "after": page.after}, _text(page))


def _document(row: Row) -> dict[str, Any]:
    moments = {"added": time_text(row.added), "since": time_text(row.since) if row.since else None}
    lists = {"fixes": list(row.fixes), "approved_by": list(row.approved_by)}
    return {**vars(row), **moments, **lists, "customers": list(row.customers) if row.customers else None}


def _text(page: Page) -> str:
    lines = [
        f"{row.hotfix}-r{row.revision}  {row.state:9}  {row.severity:9}  {row.product} {row.baseline}  {row.title}"
        for row in page.rows
    ]
    if page.after:
        lines.append(f"more: --after {page.after}")
    return "\n".join(lines) or "no such hotfix"


@click.command(
    epilog=example(
        "patchline hotfix simulate HF-2026-0012", "patchline hotfix simulate HF-2026-0012 --with HF-2026-0009"
    )
)
@click.argument("identifier", metavar="ID")
@click.option(
    "--with", "others", multiple=True, metavar="ID", help="On a site that has this one; several, in their order."
)
@queue_option
@register_options
@json_option
def simulate(identifier: str, others: tuple[str, ...], *, queue: bool) -> None:
    """Try a built hotfix on virtual sites: with what is published, and on every known level; nothing runs.

    What became of it on the levels of all sites is kept with the revision. With --with, one site on paper is tried,
    and nothing is kept.
    """
    if queue and others:
        raise UsageError("options", "a site on paper is tried at once; give --with or --queue")
    with the_register() as register:
        if queue:
            _leave(register, identifier)
        else:
            _simulate(register, identifier, others)


def _leave(register: Register, identifier: str) -> None:
    with register.attempt("hotfix.simulate", identifier, the_person(), clock()) as change:
        wish, named = asking.simulation(change, identifier)
    report({"revision": named, "job": wish}, f"{named}: {left_to_worker(register, wish)}")


def _simulate(register: Register, identifier: str, others: tuple[str, ...]) -> None:
    with register.read() as session:
        revision = find(session, identifier)
        shelf = Shelf(session, revision, bundles.release_set(session, revision).manifest, clock())
        trials = [on_site_with(shelf, others)] if others else on_sites(shelf)
    made = None if others else simulations.run(register, label(revision), the_person(), clock())
    document = {
        "hotfix": revision.hotfix,
        "revision": revision.number,
        "sites": [vars(trial) | {"fits": trial.fits} for trial in trials],
        "counts": made.counts if made else None,
        "levels": simulations.levels_of(made) if made else None,
    }
    told = simulations.lines(made) if made else ()
    report(document, "\n".join([label(revision), *(_trial_text(trial) for trial in trials), *told]))


def _trial_text(trial: Trial) -> str:
    return f"  on a site with {', '.join(trial.there) or 'the baseline alone'}: {'; '.join(trial.problems) or trial.outcome}"
