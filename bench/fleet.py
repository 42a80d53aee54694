"""Q1, Q2, W1, W2: questions on a large fleet, on both databases.

`python -m bench.fleet [SITES...]` runs them alone, for so many sites, by default 10,000 and 100,000.
"""

import argparse
import io
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from bench import databases, fleet_rows, page, pages
from bench.figures import Figure, table
from bench.fleet_rows import Extent
from bench.timing import Timed, timed
from patchline.patches import terminal
from patchline.releaser.commands.main import patchline
from patchline.releaser.database import Database
from patchline.releaser.fleet import exposure, questions
from patchline.releaser.fleet.matching import matching
from patchline.releaser.fleet.subjects import Answer, Subject, of_cve, of_hotfix
from patchline.releaser.tables.fleet import SiteState
from patchline.releaser.tables.hotfixes import RevisionCve

CUSTOMERS = 5_000
_LARGE = 100_000
_QUERY = {"sqlite": (1.0, 5.0, 12.0), "postgresql": (5.0, 15.0, 20.0)}
"""Milliseconds for the level of a customer, who lacks, and exposure to a CVE, at 100,000 sites."""
_COMMAND = {10_000: 50.0, _LARGE: 400.0}
_PAGE = 20.0
_RAW = 1.3


def run(folder: Path, sizes: Sequence[int], rounds: int) -> Iterator[Figure]:
    """Measure fleets of so many sites, each question so many times."""
    for backend in databases.BACKENDS:
        for sites in sizes:
            with databases.home(backend, folder / f"{backend}-{sites}") as (home, database):
                extent = Extent(sites, min(CUSTOMERS, sites))
                fleet_rows.fill(database, extent)
                what = f"{backend}, {sites:,} sites"
                yield from _queries(database, backend, extent, what, rounds)
                yield from _commands(home, extent, what, rounds)
                yield from pages.run(home, what, rounds, own=backend == "sqlite")


def _figure(number: str, what: str, found: Timed, goal: float | None) -> Figure:
    """Return the slowest in twenty: in CPU where all the work is this process's, in wall where a server does it."""
    own = "sqlite" in what
    counted, other = (found.cpu, found.wall) if own else (found.wall, found.cpu)
    counts, beside = ("cpu", "wall") if own else ("wall", "cpu")
    late = int(len(counted) * 0.95)
    details = {"p50 ms": statistics.median(counted), f"{beside} p50 ms": statistics.median(other)}
    details |= {f"{beside} p95 ms": other[late], "rows": found.rows}
    return Figure(number, what, counted[late], "ms p95", goal, counts=counts, details=details)


# The statements alone


def _queries(database: Database, backend: str, extent: Extent, what: str, rounds: int) -> Iterator[Figure]:
    goals: Sequence[float | None] = _QUERY[backend] if extent.sites == _LARGE else (None, None, None)
    source = random.Random(7)
    with database.read() as session:
        hotfixes = [of_hotfix(session, name) for name in _hotfixes(extent, source, rounds)]
        cves = [of_cve(session, name) for name in _cves(session, source, rounds)]
        customers = [f"c-{source.randrange(extent.customers):05}" for _ in range(rounds)]

        def rows(statement: Select[*tuple[Any, ...]]) -> int:
            return len(session.execute(statement).all())

        yield _figure("Q1", f"level of a customer, {what}", timed(lambda name: rows(level(name)), customers), goals[0])
        yield _figure("Q1", f"who lacks a hotfix, {what}", timed(lambda one: rows(lacking(one)), hotfixes), goals[1])
        yield _figure("Q1", f"who is exposed to a CVE, {what}", timed(lambda one: rows(exposing(one)), cves), goals[2])
        yield _beside_the_driver(session, hotfixes, what)


def level(customer: str) -> Select[*tuple[Any, ...]]:
    """Return the statement for the levels of a customer's sites."""
    columns = (SiteState.site, SiteState.product, SiteState.label, SiteState.evidence, SiteState.as_of)
    return select(*columns).where(SiteState.customer == customer)


def lacking(subject: Subject) -> Select[*tuple[Any, ...]]:
    """Return the statement for all sites that lack it."""
    return questions.keys(subject, matching(subject, Answer.LACKS))


def exposing(subject: Subject) -> Select[*tuple[Any, ...]]:
    """Return the statement for all sites that are exposed."""
    return questions.keys(subject, exposure.is_exposed(subject))


def _beside_the_driver(session: Session, subjects: Sequence[Subject], what: str) -> Figure:
    """Compare what SQLAlchemy takes with the driver's own reading of the same statement."""
    cursor = session.connection().connection.cursor()
    ratios, ours, drivers = [], [], []
    for subject in subjects:
        said = lacking(subject).compile(session.connection(), compile_kwargs={"render_postcompile": True})
        given: Any = said.params if said.positiontup is None else tuple(said.params[name] for name in said.positiontup)
        started = time.perf_counter()
        cursor.execute(str(said), given)
        found = cursor.fetchall()
        between = time.perf_counter()
        assert len(session.execute(lacking(subject)).all()) == len(found)
        ended = time.perf_counter()
        drivers.append((between - started) * 1000)
        ours.append((ended - between) * 1000)
        ratios.append(ours[-1] / drivers[-1])
    cursor.close()
    details = {"ours ms": statistics.median(ours), "driver ms": statistics.median(drivers)}
    told = f"who lacks a hotfix, SQLAlchemy / the driver alone, {what}"
    return Figure("Q2", told, statistics.median(ratios), "x", _RAW, counts="wall", details=details)


def _hotfixes(extent: Extent, source: random.Random, count: int) -> list[str]:
    last = extent.products * len(fleet_rows.BASELINES) * extent.hotfixes
    return [f"HF-2026-{source.randint(1, last):04}" for _ in range(count)]


def _cves(session: Session, source: random.Random, count: int) -> list[str]:
    known = sorted(set(session.scalars(select(RevisionCve.cve))))
    return [source.choice(known) for _ in range(count)]


# Whole commands, without the start of the program


def _commands(home: Path, extent: Extent, what: str, rounds: int) -> Iterator[Figure]:
    source = random.Random(11)
    database_goal = _COMMAND.get(extent.sites)
    hotfixes = [("--hotfix", name) for name in _hotfixes(extent, source, rounds)]
    cves = [("--cve", f"CVE-2026-{source.randrange(extent.hotfixes):02}001") for _ in range(rounds)]
    fixes = [("--fix", f"BUG-{source.randrange(extent.products):02}001") for _ in range(rounds)]
    nothing: list[tuple[str, ...]] = [()] * rounds
    asked: list[tuple[str, Sequence[tuple[str, ...]]]] = [
        ("who lacks", hotfixes),
        ("who lacks", cves),
        ("who has", hotfixes),
        ("who has", fixes),
        ("who downloaded", hotfixes),
        ("who exposed", cves),
        ("who recalled", nothing),
        ("hotfix show", [(name,) for _, name in hotfixes]),
    ]
    for command, given in asked:
        told = " ".join([command, *given[0][:-1]])
        yield _figure("W1", f"{told}, {what}", timed(lambda more, c=command: _run(home, c, more), given), database_goal)
    customers = [(f"c-{source.randrange(extent.customers):05}",) for _ in range(rounds)]
    yield _figure(
        "W2", f"customer show, {what}", timed(lambda more: _run(home, "customer show", more), customers), _PAGE
    )


def _run(home: Path, command: str, more: Sequence[str]) -> int:
    """Run a command in this process; return how many lines it printed."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = terminal.run(patchline, [*command.split(), *more, "--home", str(home)])
    assert code == 0, err.getvalue()
    return out.getvalue().count("\n")


def main() -> None:
    """Measure the fleet alone; print the table and write the results."""
    parser = argparse.ArgumentParser(prog="python -m bench.fleet", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sites", nargs="*", type=int, default=[10_000, _LARGE], help="how large the fleets are")
    parser.add_argument("--rounds", type=int, default=50, help="how often each is asked")
    parser.add_argument("--results", type=Path, default=Path("bench/results"), help="folder of the results")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        found = []
        for figure in run(Path(name), options.sites, options.rounds):
            print("  ".join(figure.row()), flush=True)
            found.append(figure)
    print(f"\n{table(found, markdown=True)}\nload {os.getloadavg()}")
    now = datetime.now(UTC)
    options.results.mkdir(parents=True, exist_ok=True)
    document = {"facts": page.facts(now, "fleet"), "figures": [figure.as_document() for figure in found]}
    (options.results / f"{now:%Y%m%dT%H%M%SZ}-fleet.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
