"""The statements of the questions are answered from indexes alone, on both databases; asked of a small fleet."""

import re
from dataclasses import replace

import pytest
from sqlalchemy import select

from bench import fleet, fleet_rows
from bench.fleet_rows import Extent
from patchline.releaser.database import Database
from patchline.releaser.fleet import downloads, exposure, questions
from patchline.releaser.fleet.matching import matching
from patchline.releaser.fleet.subjects import Answer, of_cve, of_fix, of_hotfix, of_recalled
from patchline.releaser.tables.fleet import SiteState
from tests.registers import BACKENDS, migrated_database

EXTENT = Extent(sites=4_000, customers=400, products=8, hotfixes=10, applied=5)


@pytest.fixture(scope="module", params=BACKENDS)
def database(request, tmp_path_factory):
    database = Database(migrated_database(request.param, tmp_path_factory.mktemp("plans")))
    fleet_rows.fill(database, EXTENT)
    yield database
    database.close()


@pytest.fixture
def session(database):
    with database.read() as session:
        yield session


def asked(session):
    """Return every statement that walks the fleet."""
    subjects = {
        "hotfix": of_hotfix(session, "HF-2026-0023"),
        "cve": of_cve(session, "CVE-2026-03001"),
        "fix": of_fix(session, "BUG-03004"),
        "several": replace(
            of_hotfix(session, "HF-2026-0023"), together=frozenset({"a", "b"}), parts={21: frozenset("a")}
        ),
        "recalled": of_recalled(session, product="product-01"),
    }
    found = {}
    for name, subject in subjects.items():
        for answer in Answer:
            found[f"{answer} {name}"] = questions.keys(subject, matching(subject, answer))
        found[f"counts {name}"] = questions.counting(subject)
        found[f"exposed {name}"] = fleet.exposing(subject)
        found[f"customers {name}"] = exposure.customers_exposed(subject)
        found[f"downloads {name}"] = downloads.fetching(list(subject.full))
    return found


def plan(session, statement):
    """Return the lines of a statement's plan."""
    if session.get_bind().dialect.name == "postgresql":
        # A table this small is read faster as a whole, a large one is not.
        session.connection().exec_driver_sql("SET LOCAL enable_seqscan = off")
    said = str(statement.compile(session.connection(), compile_kwargs={"literal_binds": True}))
    explain = "EXPLAIN QUERY PLAN" if session.get_bind().dialect.name == "sqlite" else "EXPLAIN (COSTS OFF)"
    return [row[-1] for row in session.connection().exec_driver_sql(f"{explain} {said}")]


READS_TABLE = {
    "sqlite": r"^(SCAN|SEARCH) (site_state|applied|site|download)\b(?!.*USING COVERING INDEX)",
    "postgresql": r"(Seq Scan|Bitmap Heap Scan|Index Scan using \S+) on (site_state|applied|site|download)\b",
}


def test_questions_read_no_table_only_indexes(session):
    wanted = re.compile(READS_TABLE[session.get_bind().dialect.name])
    plans = {name: plan(session, statement) for name, statement in asked(session).items()}
    assert len(plans) > 25 and all(plans.values())
    assert {name: lines for name, lines in plans.items() if any(wanted.search(line.strip()) for line in lines)} == {}


def test_a_customers_levels_are_found_by_index(session):
    lines = plan(session, fleet.level("c-00007"))
    assert any("ix_site_state_customer" in line for line in lines), lines


def test_the_fleet_that_is_measured_has_every_kind_of_site(session):
    subject = of_cve(session, "CVE-2026-03001")
    whole = questions.totals(subject, questions.counts(session, subject))
    assert min(whole.has, whole.lacks, whole.unknown) > 10
    assert len(session.execute(fleet.exposing(subject)).all()) >= whole.lacks
    assert session.scalars(select(SiteState.contested).where(SiteState.contested.is_(True))).first()
