"""`patchline who`: which sites have something, lack it, fetched it, are exposed, or still run what was recalled."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import click
from sqlalchemy.orm import Session

from patchline.patches.errors import UsageError
from patchline.patches.terminal import example, json_option, json_wanted, report, report_whole
from patchline.patches.wording import counted
from patchline.releaser.commands.options import clock, home_option, the_register
from patchline.releaser.documents.answers import (
    COLUMNS,
    cells,
    download_document,
    exposed_document,
    facts,
    marks,
    stands_document,
)
from patchline.releaser.fleet import downloads, exposure
from patchline.releaser.fleet.downloads import Downloaded
from patchline.releaser.fleet.exposure import Exposure, Stand, Stands
from patchline.releaser.fleet.questions import MOST, Totals, counts, listed, totals
from patchline.releaser.fleet.subjects import Answer, Subject, of_cve, of_fix, of_hotfix, of_recalled
from patchline.releaser.fleet.words import known

Command = TypeVar("Command", bound=Callable[..., Any])
_LIMIT, _CUSTOMERS = 100, 50


@dataclass(frozen=True)
class Asked:
    """What the options ask for."""

    hotfix: str | None
    fix: str | None
    cve: str | None
    product: str | None

    def subject(self, session: Session) -> Subject:
        """Return what it is about.

        Raises:
            UsageError: none or several things are asked for, or a hotfix of another product.
            NotFoundError: the register knows nothing of it.
        """
        if [self.hotfix, self.fix, self.cve].count(None) != 2:
            raise UsageError("options", "give one of --hotfix, --fix and --cve")
        if self.fix is not None:
            return of_fix(session, self.fix, self.product)
        if self.cve is not None:
            return of_cve(session, self.cve, self.product)
        found = of_hotfix(session, str(self.hotfix))
        if self.product is not None and self.product not in found.products:
            raise UsageError("options", f"{self.hotfix} is for {found.products[0]}, not {self.product}")
        return found


@click.group(epilog=example("patchline who lacks --cve CVE-2021-44228", "patchline who has --hotfix HF-2026-0012"))
def who() -> None:
    """Tell which sites have a hotfix or fix, lack it, fetched it, or are exposed; unknown is an answer of its own."""


def _asking(after: str) -> Callable[[Command], Command]:
    """Add what all questions share."""

    def add(command: Command) -> Command:
        for option in reversed(
            (
                click.option("--hotfix", metavar="ID", help="A hotfix, or one revision of it."),
                click.option("--fix", metavar="ID", help="A fix or an issue, in whatever hotfix."),
                click.option("--cve", metavar="CVE", help="A CVE, in whatever product."),
                click.option("--product", metavar="P", help="Only sites of this product."),
                *_paging(after),
            )
        ):
            command = option(command)
        return home_option(json_option(command))

    return add


def _paging(after: str) -> tuple[Callable[[Any], Any], ...]:
    return (
        click.option("--limit", type=click.IntRange(1, MOST), help="At most so many; --csv gives all without it."),
        click.option("--after", metavar=after, help="Go on after this one."),
        click.option("--csv", "as_csv", is_flag=True, help="Write CSV for a spreadsheet."),
    )


def _limit(given: int | None, as_csv: bool, usual: int) -> int | None:
    if as_csv and json_wanted():
        raise UsageError("options", "--csv and --json do not go together")
    return given if given is not None or as_csv else usual


@who.command(epilog=example("patchline who lacks --fix BUG-4711", "patchline who lacks --hotfix HF-2026-0012 --csv"))
@_asking("SITE")
def lacks(limit: int | None, after: str | None, as_csv: bool, **given: Any) -> None:
    """List the sites that lack it, with what each should take; sites of which nothing is known are counted apart."""
    _sites(Asked(**given), Answer.LACKS, _limit(limit, as_csv, _LIMIT), after, as_csv)


@who.command(epilog=example("patchline who has --hotfix HF-2026-0012 --json"))
@_asking("SITE")
def has(limit: int | None, after: str | None, as_csv: bool, **given: Any) -> None:
    """List the sites that have it, by a hotfix or by their baseline, and how we know."""
    _sites(Asked(**given), Answer.HAS, _limit(limit, as_csv, _LIMIT), after, as_csv)


def _sites(asked: Asked, answer: Answer, limit: int | None, after: str | None, as_csv: bool) -> None:
    now = clock()
    with the_register() as register, register.snapshot() as session:
        subject = asked.subject(session)
        whole = totals(subject, counts(session, subject))
        page = listed(session, subject, answer, limit=limit, after=after)
        kept = exposure.shelf(session, subject, page.rows, now)
    rows = [exposure.stands(subject, row, kept, now) for row in page.rows]
    if as_csv:
        _write_csv(rows)
        return
    document = {"question": answer, **facts(subject), "totals": whole.as_document()}
    lines = [
        f"{subject.asked}: {_sum(whole)}",
        *_workarounds(subject),
        *(_line(one, now) for one in rows),
        *_more(page.after),
    ]
    report({**document, "sites": [stands_document(one, now) for one in rows], "after": page.after}, "\n".join(lines))


@who.command(epilog=example("patchline who exposed --cve CVE-2021-44228", "patchline who exposed --fix BUG-1 --csv"))
@_asking("CUSTOMER")
def exposed(limit: int | None, after: str | None, as_csv: bool, **given: Any) -> None:
    """List every customer with a site that is exposed: how we know, and what each site needs."""
    now = clock()
    with the_register() as register, register.snapshot() as session:
        subject = Asked(**given).subject(session)
        found = exposure.exposed(session, subject, now, limit=_limit(limit, as_csv, _CUSTOMERS), after=after)
    if as_csv:
        _write_csv([one for customer in found.page for one in customer.sites])
        return
    document = {
        "question": "exposed",
        **facts(subject),
        "totals": found.totals.as_document(),
        "exposed_sites": found.sites,
        "exposed_customers": found.customers,
        "customers_in_doubt": found.in_doubt,
        "customers": [exposed_document(one, now) for one in found.page],
        "after": found.after,
    }
    report(document, "\n".join(_exposed_lines(subject, found, now)))


@who.command(epilog=example("patchline who downloaded --hotfix HF-2026-0012"))
@_asking("PLACE")
def downloaded(limit: int | None, after: str | None, as_csv: bool, **given: Any) -> None:
    """List who has fetched it; that says nothing of whether it was applied, which stands beside."""
    with the_register() as register, register.snapshot() as session:
        subject = Asked(**given).subject(session)
        page = downloads.downloaded(session, subject, limit=_limit(limit, as_csv, _LIMIT), after=after)
    rows = [download_document(one) for one in page.rows]
    if as_csv:
        _csv(("customer", "site", "hotfix", "at", "applied"), (row.values() for row in rows))
        return
    lines = [_download_line(one) for one in page.rows] or [f"nobody has fetched {subject.asked}"]
    report(
        {"question": "downloaded", **facts(subject), "downloads": rows, "after": page.after},
        "\n".join([*lines, *_more(page.after)]),
    )


@who.command(epilog=example("patchline who recalled", "patchline who recalled --hotfix HF-2026-0012"))
@click.option("--hotfix", metavar="ID", help="Only this hotfix, or this revision of it.")
@click.option("--product", metavar="P", help="Only sites of this product.")
@_paging("SITE")[0]
@_paging("SITE")[1]
@_paging("SITE")[2]
@home_option
@json_option
def recalled(hotfix: str | None, product: str | None, limit: int | None, after: str | None, as_csv: bool) -> None:
    """List the sites that still run a hotfix that was recalled."""
    with the_register() as register, register.snapshot() as session:
        subject = of_recalled(session, hotfix, product)
        whole = totals(subject, counts(session, subject))
        page = listed(session, subject, Answer.HAS, limit=_limit(limit, as_csv, _LIMIT), after=after)
    rows, now = [Stands(row, Stand.RECALLED) for row in page.rows], clock()
    if as_csv:
        _write_csv(rows)
        return
    told = f"{counted(whole.has, 'site')} {'runs' if whole.has == 1 else 'run'} it still, {whole.unknown} unknown"
    lines = [f"{subject.asked}: {told}", *(_line(one, now) for one in rows), *_more(page.after)]
    document = {"question": "recalled", **facts(subject), "totals": whole.as_document()}
    report({**document, "sites": [stands_document(one, now) for one in rows], "after": page.after}, "\n".join(lines))


# What is told


def _sum(whole: Totals) -> str:
    parts = [f"{whole.lacks:,} lack it", f"{whole.has:,} have it{_how(whole)}", f"{whole.unknown:,} unknown"]
    return f"{', '.join(parts)}, {whole.not_applicable:,} not applicable, of {counted(whole.sites, 'site')}"


def _how(whole: Totals) -> str:
    told = [f"{whole.by_baseline:,} by their baseline"] if whole.by_baseline else []
    told += [f"{whole.pending:,} pending a restart"] if whole.pending else []
    if whole.oldest and whole.newest:
        told.append(f"as of {whole.oldest:%Y-%m-%d} to {whole.newest:%Y-%m-%d}")
    return f" ({', '.join(told)})" if told else ""


def _workarounds(subject: Subject) -> list[str]:
    return [f"workaround for {product}: {text}" for product, text in sorted(subject.workaround.items())]


def _more(after: str | None) -> list[str]:
    return [f"more: --after {after}"] if after else []


def _line(one: Stands, now: datetime, indent: str = "") -> str:
    row = one.row
    where = f"{row.customer}  {row.name}  {row.product} {row.label or row.baseline or 'at an unknown level'}"
    return f"{indent}{where}  {_needs(one)}  ({'; '.join([known(row.evidence, row.as_of, now), *marks(row)])})"


def _needs(one: Stands) -> str:
    row, told = one.row, str(one.stand)
    told += f": {' or '.join(one.take)}" if one.take else ""
    if row.answer is not Answer.LACKS and row.why:
        told += f": {row.why}"
    told += f": {one.why}" if one.why else ""
    there = [f"{had.label}{'' if had.coverage == 'full' else f' ({had.coverage})'}" for had in row.applied]
    return f"{told}, has {', '.join(there)}" if there else told


def _exposed_lines(subject: Subject, found: Exposure, now: datetime) -> Iterable[str]:
    more = f", {found.in_doubt:,} more in doubt" if found.in_doubt else ""
    yield f"{subject.asked}: {counted(found.customers, 'customer')} exposed at {counted(found.sites, 'site')}{more}"
    yield f"  {_sum(found.totals)}"
    yield from _workarounds(subject)
    for one in found.page:
        needs = ", ".join(f"{number} {stand}" for stand, number in sorted(one.needs.items()))
        yield f"{click.style(one.customer, bold=True)}  {one.tier}  {needs}"
        yield from (_line(stands, now, "  ") for stands in one.sites)
    yield from _more(found.after)


def _download_line(one: Downloaded) -> str:
    since = {True: "applied", False: "not applied, as far as is known", None: "nobody said for which site"}
    return f"{one.customer}  {one.site or '-'}  {one.label}  fetched {one.at:%Y-%m-%d}, {since[one.applied]}"


# CSV


def _write_csv(rows: Sequence[Stands]) -> None:
    _csv(COLUMNS, (cells(one) for one in rows))


def _csv(columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    report_whole(text.getvalue())


def _harmless(cell: Any) -> Any:
    """Keep spreadsheets from taking what a site told for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t")) else cell
