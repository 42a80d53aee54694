from datetime import timedelta

import pytest

from patchline.patches.errors import PatchlineError
from patchline.releaser.catalogue import Release, add_baseline, add_product
from patchline.releaser.issues import (
    Fix,
    Mark,
    NewIssue,
    Standing,
    Status,
    add_issue,
    list_issues,
    mark_issue,
    marks_from_contents,
    show_issue,
    standing,
)
from patchline.releaser.states import State
from tests import archives
from tests.registers import NOW, statements


def fix(state, coverage="full", customers=None):
    return Fix("HF-2026-0001", 1, state, coverage, customers, NOW if state is State.PUBLISHED else None)


@pytest.mark.parametrize(
    ("status", "fixes", "expected"),
    [
        (None, [], Standing.UNKNOWN),
        (Status.AFFECTED, [], Standing.NO_FIX),
        (Status.INVESTIGATING, [], Standing.INVESTIGATING),
        (Status.NOT_AFFECTED, [], Standing.NOT_AFFECTED),
        (Status.NO_FIX_PLANNED, [fix(State.DRAFT, None)], Standing.NO_FIX_PLANNED),
        (Status.AFFECTED, [fix(State.DRAFT, None)], Standing.UNDER_WAY),
        (Status.AFFECTED, [fix(State.BUILT)], Standing.UNDER_WAY),
        (Status.AFFECTED, [fix(State.APPROVED)], Standing.UNDER_WAY),
        (Status.AFFECTED, [fix(State.PUBLISHED)], Standing.FIXED),
        (None, [fix(State.PUBLISHED)], Standing.FIXED),
        (Status.NO_FIX_PLANNED, [fix(State.PUBLISHED)], Standing.FIXED),
        (Status.AFFECTED, [fix(State.PUBLISHED, customers=("acme",))], Standing.FIXED_FOR_SOME),
        (Status.AFFECTED, [fix(State.PUBLISHED, "workaround")], Standing.NO_FIX),
        (Status.AFFECTED, [fix(State.PUBLISHED, "partial")], Standing.NO_FIX),
        (Status.AFFECTED, [fix(State.HELD)], Standing.HELD),
        (Status.AFFECTED, [fix(State.RECALLED)], Standing.NO_FIX),
        (Status.AFFECTED, [fix(State.RECALLED), fix(State.IN_REVIEW)], Standing.UNDER_WAY),
        (Status.AFFECTED, [fix(State.REJECTED), fix(State.ABANDONED)], Standing.NO_FIX),
    ],
)
def test_only_a_published_full_fix_counts_as_fixed(status, fixes, expected):
    assert standing(status, fixes) is expected


@pytest.fixture
def shop(register, tmp_path):
    """Four baselines: two hold a hurt log4j-core, one a mended one, one none."""
    with register.change("ada", NOW) as change:
        add_product(change, "shop", "Web shop", None)
    for day, (label, version) in enumerate((("4.0", "2.13.0"), ("4.1", "2.14.1"), ("4.2", "2.17.1"), ("4.3", None))):
        folder = tmp_path / label
        folder.mkdir()
        (folder / "VERSION").write_text(label)
        if version:
            (folder / f"log4j-core-{version}.jar").write_bytes(archives.log4j(version))
        release = Release("shop", label, artefacts=(folder,), source="the release farm")
        add_baseline(register, release, "ada", NOW + timedelta(days=day))
    return register


def add(register, wanted, *marks, asked=(), versions=()):
    with register.change("ada", NOW) as change:
        found = marks_from_contents(change.session, "shop", asked, versions)
        add_issue(change, wanted, [*found, *marks])
    return shown(register, wanted.id)


def shown(register, identifier):
    with register.read() as session:
        return {row.baseline: row for row in show_issue(session, identifier).rows}


LOG4J = NewIssue("CVE-2021-44228", "shop", "Code from log lines runs", "critical", ("CVE-2021-44228",))


def test_what_contains_it_counts_as_affected_until_somebody_looks(shop):
    rows = add(shop, LOG4J, asked=["log4j-core"])
    assert list(rows) == ["4.3", "4.2", "4.1", "4.0"]
    assert [row.standing for row in rows.values()] == [Standing.UNKNOWN] + [Standing.NO_FIX] * 3
    assert rows["4.1"].reason == "contains log4j-core 2.14.1: app/log4j-core-2.14.1.jar"


def test_versions_that_are_not_hurt_are_to_be_investigated(shop):
    rows = add(shop, LOG4J, asked=["log4j-core"], versions=["2.1[0-4].*"])
    assert [row.standing for row in rows.values()] == [
        Standing.UNKNOWN,
        Standing.INVESTIGATING,
        Standing.NO_FIX,
        Standing.NO_FIX,
    ]


def test_what_somebody_said_of_a_baseline_is_not_overruled_by_its_contents(shop):
    add(shop, LOG4J, Mark("4.1", Status.NOT_AFFECTED, "the class was taken out"))
    with shop.change("ada", NOW) as change:
        found = marks_from_contents(change.session, "shop", ["log4j-core"], issue=LOG4J.id)
        assert {mark.baseline for mark in found} == {"4.0", "4.2"}
        mark_issue(change, LOG4J.id, [*found, Mark("4.2", Status.NO_FIX_PLANNED, "out of support")], "remove the class")
    rows = shown(shop, LOG4J.id)
    assert [rows[label].standing for label in ("4.0", "4.1", "4.2")] == [
        Standing.NO_FIX,
        Standing.NOT_AFFECTED,
        Standing.NO_FIX_PLANNED,
    ]
    with shop.read() as session:
        assert show_issue(session, LOG4J.id).issue.workaround == "remove the class"


@pytest.mark.parametrize(
    ("wanted", "mark", "code"),
    [
        (LOG4J, Mark("9", Status.AFFECTED), "not-found.baseline"),
        (LOG4J, Mark("4.1", Status.NOT_AFFECTED, " "), "usage.issue-reason"),
        (LOG4J, Mark("4.1", Status.NO_FIX_PLANNED), "usage.issue-reason"),
        (LOG4J, Mark("4.1", Status.AFFECTED, "x" * 1001), "usage.issue-reason"),
        (NewIssue("BUG 1", "shop", "x"), None, "usage.issue-field"),
        (NewIssue("BUG-1", "shop", ""), None, "usage.issue-field"),
        (NewIssue("BUG-1", "shop", "x", "awful"), None, "usage.issue-field"),
        (NewIssue("BUG-1", "shop", "x", cve=("CVE-1",)), None, "usage.issue-field"),
        (NewIssue("BUG-1", "none", "x"), None, "not-found.product"),
    ],
)
def test_issue_that_says_nothing_right_is_refused(shop, wanted, mark, code):
    with pytest.raises(PatchlineError) as refused:
        add(shop, wanted, *([mark] if mark else []))
    assert refused.value.code == code
    with shop.read() as session:
        assert list_issues(session) == []


def test_issue_is_added_once(shop):
    add(shop, LOG4J)
    with pytest.raises(PatchlineError) as refused:
        add(shop, LOG4J)
    assert refused.value.code == "state.issue-exists"


def test_issues_are_listed_in_the_same_number_of_statements_however_many_there_are(shop):
    counts = []
    for number in range(3):
        add(shop, NewIssue(f"BUG-{number}", "shop", "x"), Mark("4.1", Status.AFFECTED))
        with statements(shop) as said, shop.read() as session:
            assert len(list_issues(session)) == number + 1
        counts.append(len(said))
    assert len(set(counts)) == 1
