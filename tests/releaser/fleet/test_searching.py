"""What support types into the one search box, on both databases; and that indexes answer it."""

import pytest

from bench import fleet_rows
from bench.fleet_rows import Extent
from patchline.patches.errors import UsageError
from patchline.patches.identifiers import level_code
from patchline.releaser.database import Database
from patchline.releaser.fleet import declared
from patchline.releaser.fleet.declared import NewEvent
from patchline.releaser.fleet.reports import HAND, receive
from patchline.releaser.fleet.searching import naming, search
from patchline.releaser.issues import NewIssue, add_issue
from patchline.releaser.tables.fleet import SiteState
from tests.fleets import Fleet
from tests.registers import BACKENDS, NOW, migrated_database, statements
from tests.releaser.fleet.test_question_plans import plan

EXTENT = Extent(sites=2_000, customers=200, products=4, hotfixes=5, applied=3)


@pytest.fixture
def office(register):
    fleet = Fleet(register).product("demo", "1.0")
    fleet.customer("acme", title="Acme Ltd", alias="C-RED")
    fleet.site("acme-main", title="Main plant", alias="S-7K3M-9QZ2")
    fleet.site("acme-lab")
    fleet.enrolled("acme-main")
    receive(register, fleet.report("acme-main", "1.0"), HAND, "rita", NOW)
    with register.change("rita", NOW) as change:
        add_issue(change, NewIssue("BUG-7", "demo", "Orders get lost", cve=("CVE-2026-1111",)))
        told = NewEvent("acme-lab", "upgrade", NOW, "UTC", "went to 2.0", "CHG-4711")
        declared.add(change, told)
    return register


def found(register, text):
    with register.read() as session, statements(register) as asked:
        answer = search(session, text)
    assert len(asked) <= 8
    return answer


@pytest.mark.parametrize(
    ("typed", "kind", "name"),
    [
        ("acme", "customer", "acme"),
        ("  ACME ", "customer", "acme"),
        ("c-red", "customer", "acme"),
        ("acme ltd", "customer", "acme"),
        ("acme-main", "site", "acme-main"),
        ("s-7k3m-9qz2", "site", "acme-main"),
        ("bug-7", "fix", "BUG-7"),
        ("cve-2026-1111", "cve", "CVE-2026-1111"),
        ("chg-4711", "change", "acme-lab"),
    ],
)
def test_what_is_named_exactly_is_meant(office, typed, kind, name):
    only = found(office, typed).only
    assert only is not None and (only.kind, only.name) == (kind, name)


def test_the_code_of_a_level_finds_the_sites_that_have_it_as_it_was_heard(office):
    with office.read() as session:
        digest = session.query(SiteState.digest).filter(SiteState.digest.is_not(None)).scalar()
    spoken = level_code(digest).lower().replace("0", "o").replace("1", "l").replace("-", " ")
    only = found(office, spoken).only
    assert only is not None and (only.kind, only.name) == ("level", "acme-main")
    wrong = level_code(digest)[:-1] + ("0" if level_code(digest)[-1] != "0" else "1")
    assert not found(office, wrong).hits


def test_beginnings_and_words_within_are_offered_and_nothing_is_meant(office):
    answer = found(office, "acm")
    assert {(hit.kind, hit.name) for hit in answer.hits} == {
        ("customer", "acme"),
        ("site", "acme-main"),
        ("site", "acme-lab"),
    }
    assert answer.only is None and not answer.more
    assert [hit.name for hit in found(office, "main pl").hits] == ["acme-main"]
    assert [hit.name for hit in found(office, "get lost").hits] == ["BUG-7"]


@pytest.mark.parametrize("typed", ["", "  ", "%", "_", "ac_e", "' OR 1=1 --", "nobody"])
def test_signs_of_the_database_mean_nothing_and_nothing_finds_nothing(office, typed):
    assert not found(office, typed).hits


def test_what_is_no_line_is_refused(office):
    for typed in ("a" * 201, "a\x00b"):
        with office.read() as session, pytest.raises(UsageError):
            search(session, typed)


@pytest.mark.parametrize("backend", BACKENDS)
def test_sites_are_found_by_indexes(backend, tmp_path):
    database = Database(migrated_database(backend, tmp_path))
    fleet_rows.fill(database, EXTENT)
    with database.read() as session:
        lines = plan(session, naming(session, "s-0012", 9))
        answer = search(session, "s-0012")
        assert answer.more and all(hit.kind == "site" for hit in answer.hits)
    database.close()
    assert not [line for line in lines if line.strip().startswith(("SCAN site", "Seq Scan on site"))], lines
