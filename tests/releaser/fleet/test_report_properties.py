"""What holds whatever reports come, in whatever order."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from patchline.releaser.fleet import comparing, reports
from patchline.releaser.fleet.folding import learned
from patchline.releaser.fleet.verdicts import GENUINE, Heard, Line, Standing, Verdict
from patchline.releaser.register import opened
from patchline.releaser.table_copy import unguarded
from patchline.releaser.tables.fleet import Applied, EvidenceGrade, SiteState, UnknownHotfix
from patchline.releaser.tables.hotfixes import Revision
from tests.conftest import EXHAUSTIVE
from tests.fleets import Fleet, layer, signed_report
from tests.programs import run
from tests.registers import NOW, make_home
from tests.releaser.fleet.facts import check_caches, revisions, state

MANY = 2000 if EXHAUSTIVE else 100


def heard(counter, epoch="e1", at=None, payload=None):
    made = NOW + timedelta(minutes=counter if at is None else at)
    return Heard(counter, epoch, counter, made, payload or f"{epoch} {counter}", EvidenceGrade.SIGNED_ONLINE)


@settings(max_examples=MANY, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=30))
def test_order_in_which_reports_of_an_epoch_come_does_not_matter(counters):
    standing = Standing()
    newest = 0
    for counter in counters:
        verdict = standing.take(heard(counter))
        assert (verdict is Verdict.ACCEPTED) == (counter > newest)
        newest = max(newest, counter)
        assert verdict in (*GENUINE, Verdict.REPEATED, Verdict.REPLAYED)
    assert standing.newest.counter == max(counters) and not standing.contested


ANY = st.builds(
    heard, st.integers(1, 6), st.sampled_from(["e1", "e2"]), st.integers(0, 200), st.sampled_from(["a", "b", "c"])
)
LINES = st.none() | st.builds(
    Line,
    st.sampled_from(["e1", "e2"]),
    st.integers(0, 200).map(lambda minute: NOW + timedelta(minutes=minute)),
    st.integers(1, 6),
    st.integers(0, 200).map(lambda minute: NOW + timedelta(minutes=minute)),
)


@settings(max_examples=MANY, deadline=None)
@given(LINES, st.lists(ANY, max_size=15))
def test_what_was_taken_moves_nothing_when_it_comes_again_and_a_contested_site_stands(line, sequence):
    standing = Standing(line=line)
    for report in sequence:
        contested = standing.contested
        before = standing.newest
        verdict = standing.take(report)
        if verdict is not Verdict.ACCEPTED:
            assert standing.newest is before
        if contested and (line is None or (before is not None and line.has(before))):
            assert verdict is not Verdict.ACCEPTED
        newest = standing.newest
        again = standing.take(Heard(99, report.epoch, report.counter, report.made, report.payload, report.evidence))
        assert not again.stored and standing.newest is newest


@pytest.fixture
def fleet(register):
    made = Fleet(register).product("demo", "1.0", "2.0")
    revisions(register, "HF-2026-0001-r1", "HF-2026-0002-r1")
    made.customer()
    made.site()
    made.enrolled()
    return made


@settings(max_examples=12 if EXHAUSTIVE else 3, deadline=None)
@given(st.permutations(range(6)), st.lists(st.integers(0, 5), max_size=4))
def test_whatever_order_the_register_takes_them_in_the_state_is_that_of_the_newest(tmp_path_factory, order, again):
    with opened(make_home("sqlite", tmp_path_factory.mktemp("home") / "home")) as register:
        fleet = Fleet(register).product("demo", "1.0")
        fleet.customer()
        fleet.site()
        fleet.enrolled()
        brought = []
        for number in range(6):
            fleet.now += timedelta(minutes=5)
            brought.append(fleet.report("acme-main", "1.0", layers=[layer(f"HF-A-{number}", 1, f"{number:064}")]))
        for number in [*order, *again]:
            reports.receive(register, brought[number], reports.HAND, "rita", fleet.now)
            check_caches(register)
        assert state(register).label == "1.0+HF-A-5-r1"


def test_caches_that_somebody_deleted_or_spoiled_are_rebuilt_and_equal(fleet):
    unknown = layer("HF-2020-0001", 1, "f" * 64)
    layers = [*fleet.layers("HF-2026-0001-r1", "HF-2026-0002-r1"), unknown]
    reports.receive(fleet.register, fleet.report("acme-main", "1.0", layers=layers), reports.HAND, "rita", fleet.now)
    assert contents(fleet) == contents(fleet) and len(contents(fleet)) == 4
    good = contents(fleet)
    for spoil in (
        "DELETE FROM applied",
        "DELETE FROM unknown_hotfix",
        "UPDATE applied SET pending = NOT pending",
        "UPDATE site_state SET baseline = '2.0', label = NULL, unfinished = NOT unfinished, unknown = 7",
        "UPDATE site_state SET report = NULL, heard = NULL, evidence = 'never-reported'",
        "UPDATE report SET verdict = 'out-of-order', evidence = 'told', keyid = NULL",
        "DELETE FROM site_state",
    ):
        with fleet.register.database.write() as session:
            session.execute(text(spoil))
        with fleet.register.read() as session:
            assert list(comparing.site_differences(session)), spoil
        with fleet.register.change("rita", fleet.now) as change:
            comparing.mend_sites(change.session)
        check_caches(fleet.register)
        assert contents(fleet) == good


def contents(fleet):
    with fleet.register.read() as session:
        return [
            tuple(row)
            for table in (SiteState, Applied, UnknownHotfix)
            for row in session.execute(table.__table__.select().order_by(text("1, 2")))
        ]


def test_unknown_hotfix_is_known_from_the_moment_at_which_the_register_learns_it(fleet):
    manifest = layer("HF-2026-0003", 1, "0" * 64)
    taken = reports.receive(
        fleet.register, fleet.report("acme-main", "1.0", layers=[manifest]), reports.HAND, "rita", fleet.now
    )
    assert taken.unknown == ("HF-2026-0003-r1",)
    with fleet.register.database.write() as session:
        revision = session.query(Revision).filter_by(hotfix="HF-2026-0001").one()
        with unguarded(session.connection(), [Revision.__table__]):
            revision.manifest_sha256 = "0" * 64
            session.flush()
        learned(session, revision.id, "0" * 64)
        assert (session.query(Applied).one().revision, session.query(UnknownHotfix).count()) == (revision.id, 0)
    check_caches(fleet.register)
    assert state(fleet.register).unknown == 0


def test_restart_that_is_pending_at_a_site_is_known(fleet):
    document = fleet.document("acme-main", "1.0", fleet.layers("HF-2026-0001-r1"))
    document["hotfixes"][0]["pending"] = True
    reports.receive(fleet.register, signed_report(document, "acme-main"), reports.HAND, "rita", fleet.now)
    with fleet.register.read() as session:
        assert session.query(Applied).one().pending
    check_caches(fleet.register)


def test_the_command_takes_files_folders_and_mails(fleet, tmp_path):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for number in range(3):
        (inbox / f"{number}.json").write_bytes(fleet.report("acme-main", "1.0", time=NOW.isoformat()))
    line = ("report", "import", "--home", fleet.register.home, "--as", "rita")
    told = run("patchline", *line, inbox)
    assert told.out.count("acme-main: 1.0 as of 2026-11-22, signed report carried by hand") == 3
    assert run("patchline", *line, inbox, "--json").document["counts"] == {"replayed": 2, "repeated": 1}
    (inbox / "3.json").write_bytes((inbox / "2.json").read_bytes()[:200])
    mixed = run("patchline", *line, inbox, tmp_path / "none", "--json", expect=21).document
    assert mixed["counts"]["report.truncated"] == mixed["counts"]["not-found.file"] == 1
    assert run("patchline", *line, inbox / "3.json", "--json", expect=21).document["error"] == "report.truncated"
    run("patchline", *line[:4], "--as", "ada", inbox / "0.json", expect=12)
