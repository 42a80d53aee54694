"""`patchline issue`: what is wrong with which baselines, and where its fix stands."""

from collections.abc import Callable
from typing import Any, TypeVar

import click
from sqlalchemy.orm import Session

from patchline.patches.manifest import SEVERITIES
from patchline.patches.statements import time_text
from patchline.patches.terminal import example, json_option, report
from patchline.patches.wording import counted
from patchline.releaser.commands.options import attempt, home_option, register_options, the_register
from patchline.releaser.issues import (
    UNSOLVED,
    Fix,
    Mark,
    NewIssue,
    Row,
    Shown,
    Standing,
    Status,
    add_issue,
    list_issues,
    mark_issue,
    marks_from_contents,
    show_issue,
    the_issue,
)

Command = TypeVar("Command", bound=Callable[..., Any])
_COLOURS = {Standing.FIXED: "green", Standing.NO_FIX: "red", Standing.HELD: "red"}


@click.group(epilog=example("patchline issue add CVE-2021-44228 --product shop --from-contains log4j-core"))
def issue() -> None:
    """Say which baselines are affected, and see what is fixed."""


def _marking(command: Command) -> Command:
    """Add the options that say something of baselines."""
    for option in (
        click.option(
            "--version", "versions", multiple=True, metavar="GLOB", help="Hurt versions of it; all by default."
        ),
        click.option(
            "--from-contains",
            "asked",
            multiple=True,
            metavar="NAME",
            help="Affected are those that contain it, as `patchline contains` finds it.",
        ),
        click.option("--no-fix-planned", multiple=True, metavar="VERSION=REASON", help="Affected, and will stay so."),
        click.option("--not-affected", multiple=True, metavar="VERSION=REASON", help="Somebody has looked."),
        click.option("--investigating", multiple=True, metavar="VERSION[=REASON]", help="Somebody is looking."),
        click.option("--affects", multiple=True, metavar="VERSION[=REASON]", help="An affected baseline; several."),
        click.option("--workaround", metavar="TEXT", help="What helps until there is a fix; it never counts as fixed."),
    ):
        command = option(command)
    return command


_STATUSES = {
    "affects": Status.AFFECTED,
    "investigating": Status.INVESTIGATING,
    "not_affected": Status.NOT_AFFECTED,
    "no_fix_planned": Status.NO_FIX_PLANNED,
}


def _marks(session: Session, product: str, given: dict[str, Any], identifier: str | None = None) -> list[Mark]:
    """Return what the options say; what is said of a baseline by name wins over what follows from its contents."""
    marks: dict[str, Mark] = {}
    if given["asked"]:
        found = marks_from_contents(session, product, given["asked"], given["versions"], identifier)
        marks = {mark.baseline: mark for mark in found}
    for option, status in _STATUSES.items():
        for text in given[option]:
            label, _, reason = text.partition("=")
            marks[label] = Mark(label, status, reason or None)
    return list(marks.values())


@issue.command(
    epilog=example(
        "patchline issue add CVE-2021-44228 --product shop --title 'Code from log lines runs' --severity critical \\",
        "  --from-contains log4j-core --version '2.[0-9].*' --version '2.1[0-4].*' --workaround 'Remove JndiLookup.class'",
    )
)
@click.argument("identifier", metavar="ID")
@click.option("--product", required=True, metavar="P", help="The product.")
@click.option("--title", metavar="TEXT", help="What is wrong; by default the id.")
@click.option("--severity", type=click.Choice(SEVERITIES), default="moderate", show_default=True, help="How bad it is.")
@click.option("--cve", "cves", multiple=True, metavar="CVE", help="Its CVE; an id that is one counts by itself.")
@_marking
@register_options
@json_option
def add(identifier: str, product: str, title: str | None, severity: str, cves: tuple[str, ...], **given: Any) -> None:
    """Add an issue, and say which baselines it affects."""
    own = (identifier,) if identifier.startswith("CVE-") else ()
    wanted = NewIssue(identifier, product, title or identifier, severity, (*own, *cves), given["workaround"])
    with attempt("issue.add", identifier) as changing:
        add_issue(changing, wanted, _marks(changing.session, product, given))
        changing.session.flush()
        shown = show_issue(changing.session, identifier)
    report(_document(shown), _text(shown))


@issue.command(epilog=example("patchline issue mark CVE-2021-44228 --not-affected 3.9='it logs by other means'"))
@click.argument("identifier", metavar="ID")
@_marking
@register_options
@json_option
def mark(identifier: str, **given: Any) -> None:
    """Say more of an issue: of its baselines, or what helps until there is a fix."""
    with attempt("issue.mark", identifier) as changing:
        product = the_issue(changing.session, identifier).product
        marks = _marks(changing.session, product, given, identifier)
        mark_issue(changing, identifier, marks, given["workaround"])
        changing.session.flush()
        shown = show_issue(changing.session, identifier)
    report(_document(shown), _text(shown))


@issue.command(epilog=example("patchline issue show CVE-2021-44228"))
@click.argument("identifier", metavar="ID")
@home_option
@json_option
def show(identifier: str) -> None:
    """Show how every baseline stands to an issue: affected or not, why, and where its fix is."""
    with the_register() as register, register.read() as session:
        shown = show_issue(session, identifier)
    report(_document(shown), _text(shown))


@issue.command("list", epilog=example("patchline issue list --product shop"))
@click.option("--product", metavar="P", help="Only those of this product.")
@home_option
@json_option
def list_command(product: str | None) -> None:
    """List the issues with how many baselines are affected and fixed, the newest first."""
    with the_register() as register, register.read() as session:
        found = list_issues(session, product)
    report([_facts(shown) for shown in found], "\n".join(_line(shown) for shown in found) or "no issue")


def _facts(shown: Shown) -> dict[str, Any]:
    one = shown.issue
    return {
        "issue": one.id,
        "product": one.product,
        "title": one.title,
        "severity": one.severity,
        "cve": one.cve,
        "workaround": one.workaround,
        "unsolved": shown.count(UNSOLVED),
        "fixed": shown.count((Standing.FIXED,)),
        "added": time_text(one.added),
        "added_by": one.added_by,
    }


def _document(shown: Shown) -> dict[str, Any]:
    return {**_facts(shown), "baselines": [_row_document(row) for row in shown.rows]}


def _row_document(row: Row) -> dict[str, Any]:
    return {
        "baseline": row.baseline,
        "standing": row.standing,
        "status": row.status,
        "reason": row.reason,
        "fixes": [
            {
                "hotfix": fix.hotfix,
                "revision": fix.revision,
                "state": fix.state,
                "coverage": fix.coverage,
                "customers": list(fix.customers) if fix.customers else None,
                "published": time_text(fix.published) if fix.published else None,
            }
            for fix in row.fixes
        ],
    }


def _line(shown: Shown) -> str:
    one = shown.issue
    states = f"{counted(shown.count(UNSOLVED), 'baseline')} unsolved, {shown.count((Standing.FIXED,))} fixed"
    return f"{one.id}  {one.severity}  {one.product}  {states}  {one.title}"


def _text(shown: Shown) -> str:
    one = shown.issue
    lines = [f"{click.style(one.id, bold=True)}  {one.severity}  {one.product}: {one.title}"]
    lines += [f"CVE         {', '.join(one.cve)}"] if one.cve else []
    lines += [f"workaround  {one.workaround}"] if one.workaround else []
    width = max((len(row.baseline) for row in shown.rows), default=0)
    for row in shown.rows:
        standing = click.style(f"{row.standing:<23}", fg=_COLOURS.get(row.standing))
        told = "; ".join([*(_fix(fix) for fix in row.fixes), *([row.reason] if row.reason else [])])
        lines.append(f"{row.baseline:<{width}}  {standing}  {told}".rstrip())
    return "\n".join(lines)


def _fix(fix: Fix) -> str:
    whom = f" for {', '.join(fix.customers)}" if fix.customers else ""
    when = f" {fix.published:%Y-%m-%d}" if fix.published else ""
    part = f", {fix.coverage} only" if fix.coverage not in ("full", None) else ""
    return f"{fix.label} {fix.state}{when}{whom}{part}"
