"""`patchline hotfix new|edit|evidence|abandon|register`: what there is before a review."""

from pathlib import Path
from typing import Any

import click

from patchline.patches.errors import UsageError
from patchline.patches.manifest import KINDS, SEVERITIES
from patchline.patches.terminal import example, json_option, report
from patchline.patches.wording import counted
from patchline.releaser import hotfixes, legacy
from patchline.releaser.commands.bundle_build import Pair
from patchline.releaser.commands.options import attempt, register_options
from patchline.releaser.evidence import amend, attach, given_for, read_results
from patchline.releaser.hotfixes import Edit, Wanted, label
from patchline.releaser.legacy import Shipped, read_csv, read_date
from patchline.releaser.states import Action
from patchline.releaser.tables.hotfixes import Revision

FILE = click.Path(path_type=Path)


def report_revision(revision: Revision, words: str, **more: Any) -> None:
    """Report what became of a revision."""
    document = {"hotfix": revision.hotfix, "revision": revision.number, "state": str(revision.state), **more}
    report(document, f"{label(revision)} {words}")


@click.command(
    epilog=example(
        "patchline hotfix new --product shop --baseline 4.1.2 --title 'The total counts every item' --fix BUG-7",
        "patchline hotfix new --of HF-2026-0012",
    )
)
@click.option("--of", "identifier", metavar="ID", help="The next revision of this hotfix, instead of a new one.")
@click.option("--product", metavar="P", help="The product it is for.")
@click.option("--baseline", metavar="V", help="The version it is for.")
@click.option("--title", help="What it does, in a few words.")
@click.option("--kind", type=click.Choice(KINDS), default="one-off", show_default=True, help="What kind it is.")
@click.option("--severity", type=click.Choice(SEVERITIES), default="moderate", show_default=True, help="How bad it is.")
@click.option("--fix", "fixes", multiple=True, metavar="ID", help="What it is to mend; several.")
@click.option("--customer", "customers", multiple=True, metavar="CUSTOMER", help="Only for this customer; several.")
@click.option("--id", "wanted_id", metavar="ID", help="Its id; by default the next one of the year.")
@register_options
@json_option
def new(identifier: str | None, product: str | None, baseline: str | None, title: str | None, **given: Any) -> None:
    """Begin a hotfix, or with --of the next revision of one."""
    names = (product, baseline, title)
    if identifier is not None:
        if any(names):
            raise UsageError("options", "--of takes everything from the hotfix; give it alone")
        with attempt("hotfix.new", identifier) as change:
            revision = hotfixes.revise(change, identifier)
    else:
        if product is None or baseline is None or title is None:
            raise UsageError("options", "give --product, --baseline and --title, or --of ID")
        customers = given["customers"] or None
        wanted = Wanted(product, baseline, title, given["kind"], given["severity"], given["fixes"], customers)
        with attempt("hotfix.new", given["wanted_id"] or product) as change:
            revision = hotfixes.new(change, wanted, given["wanted_id"])
    report_revision(revision, "is a draft. Build it: patchline hotfix build " + revision.hotfix)


@click.command(epilog=example("patchline hotfix edit HF-2026-0012 --severity critical --customer acme"))
@click.argument("identifier", metavar="ID")
@click.option("--title", help="What it does, in a few words.")
@click.option("--kind", type=click.Choice(KINDS), help="What kind it is.")
@click.option("--severity", type=click.Choice(SEVERITIES), help="How bad it is.")
@click.option("--fix", "fixes", multiple=True, metavar="ID", help="What it is to mend, all of it; several.")
@click.option("--customer", "customers", multiple=True, metavar="CUSTOMER", help="Only for this customer; several.")
@click.option("--all", "everybody", is_flag=True, help="For all customers.")
@click.option("--seen", type=int, metavar="VERSION", help="Only if nobody changed it since `show` told this version.")
@register_options
@json_option
def edit(identifier: str, seen: int | None, everybody: bool, **given: Any) -> None:
    """Change what a hotfix is meant to be, as long as it was not submitted; you may not approve it then."""
    if everybody and given["customers"]:
        raise UsageError("options", "give either --customer or --all")
    customers = () if everybody else given["customers"] or None
    wanted = Edit(given["title"], given["kind"], given["severity"], given["fixes"] or None, customers)
    if wanted == Edit():
        raise UsageError("options", "say what is to be different")
    with attempt("hotfix.edit", identifier) as change:
        hotfix = hotfixes.edit(change, identifier, wanted, seen)
    report({"hotfix": hotfix.id, "version": hotfix.version}, f"{hotfix.id} changed")


@click.command(
    epilog=example(
        "patchline hotfix evidence HF-2026-0012 junit.xml --setup lab-3 --facet database='postgresql 15' \\",
        "  --statement HF-2026-0012-r1.hotfix.statement.json",
    )
)
@click.argument("identifier", metavar="ID")
@click.argument("files", type=FILE, nargs=-1, required=True, metavar="FILE.xml...")
@click.option("--setup", metavar="NAME", help="The installation on which the tests ran.")
@click.option("--facet", "facets", type=Pair("NAME=VALUE"), multiple=True, help="What is particular there; several.")
@click.option("--statement", type=FILE, help="The statement that the build left: the results are written into it.")
@register_options
@json_option
def evidence(
    identifier: str,
    files: tuple[Path, ...],
    setup: str | None,
    facets: tuple[tuple[str, str], ...],
    statement: Path | None,
) -> None:
    """Attach JUnit results of what was built; the builder signs them with the provenance."""
    results = [read_results(file) for file in files]
    with attempt("hotfix.evidence", identifier) as change:
        by_kind: dict[str, list[str]] = {}
        for kind, value in facets:
            by_kind.setdefault(kind, []).append(value)
        revision = attach(change, identifier, results, setup, by_kind)
        given = given_for(change.session, revision)
    if statement is not None:
        amend(statement, revision.manifest_sha256 or "", given)
    tests, passed = sum(one.tests for one in results), sum(one.passed for one in results)
    words = f"has {counted(len(given), 'file')} of test results; {passed} of {counted(tests, 'test')} passed in these"
    report_revision(revision, words, results=list(given.values()))


@click.command(epilog=example("patchline hotfix abandon HF-2026-0012 --reason 'the customer upgraded'"))
@click.argument("identifier", metavar="ID")
@click.option("--reason", required=True, help="Why.")
@register_options
@json_option
def abandon(identifier: str, reason: str) -> None:
    """Give a revision up that was not approved."""
    with attempt("hotfix.abandon", identifier) as change:
        revision = hotfixes.stop(change, identifier, Action.ABANDON, reason)
    report_revision(revision, "is abandoned")


@click.command(
    epilog=example(
        "patchline hotfix register --csv shipped.csv",
        "patchline hotfix register --id HF-2024-0003 --product shop --baseline 4.1.2 --title 'Old fix' --fix BUG-3",
    )
)
@click.option("--csv", "table", type=FILE, help="Many at once, a row each.")
@click.option("--id", "identifier", metavar="ID", help="The id it was shipped under.")
@click.option("--product", metavar="P", help="The product it was for.")
@click.option("--baseline", metavar="V", help="The version it was for.")
@click.option("--title", help="What it did, in a few words.")
@click.option("--fix", "fixes", multiple=True, metavar="ID", help="What it mended; several.")
@click.option("--cve", multiple=True, metavar="CVE", help="A CVE that it mended; several.")
@click.option(
    "--severity", type=click.Choice(SEVERITIES), default="moderate", show_default=True, help="How bad it was."
)
@click.option("--shipped", metavar="DATE", help="When it went out, YYYY-MM-DD.")
@register_options
@json_option
def register(table: Path | None, identifier: str | None, **given: Any) -> None:
    """Register hotfixes that were shipped before Patchline, so that levels can be told; all of them, or none."""
    shipped = _shipped(table, identifier, given)
    with attempt("hotfix.register", shipped[0].id if len(shipped) == 1 else "hotfixes") as change:
        found = legacy.register(change, shipped)
    report({"registered": found}, f"registered {counted(len(found), 'hotfix', 'hotfixes')}: {', '.join(found[:10])}")


def _shipped(table: Path | None, identifier: str | None, given: dict[str, Any]) -> list[Shipped]:
    if table is not None:
        if identifier is not None or any(given[name] for name in ("product", "baseline", "title", "fixes", "cve")):
            raise UsageError("options", "--csv says it all; give it alone")
        if not (found := read_csv(table)):
            raise UsageError("hotfix-csv", f"{table} has no row")
        return found
    if identifier is None or not all(given[name] for name in ("product", "baseline", "title")):
        raise UsageError("options", "give --csv, or --id, --product, --baseline and --title")
    return [
        Shipped(
            id=identifier,
            product=given["product"],
            baseline=given["baseline"],
            title=given["title"],
            fixes=given["fixes"],
            cve=given["cve"],
            severity=given["severity"],
            shipped=read_date(given["shipped"], "--shipped") if given["shipped"] else None,
        )
    ]
