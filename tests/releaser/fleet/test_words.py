from datetime import timedelta

import pytest

from patchline.releaser.fleet.words import age, as_of, evidence_words, known, known_document
from patchline.releaser.tables.fleet import EvidenceGrade
from tests.registers import NOW


def test_level_is_said_with_evidence_day_and_age():
    moment = NOW - timedelta(days=40)
    assert as_of(EvidenceGrade.SIGNED_BY_HAND, moment) == "as of 2026-10-13, signed report carried by hand"
    assert known("told", moment, NOW) == "as of 2026-10-13, told by support (5 weeks ago)"
    document = known_document("told", moment, NOW)
    assert (document["age_days"], document["as_of"]) == (40, "2026-10-13T12:00:00Z")


def test_nothing_heard_is_never_reported_and_has_no_age():
    assert as_of(EvidenceGrade.NEVER, None) == age(None, NOW) == known("never-reported", None, NOW) == "never reported"
    assert known_document("never-reported", None, NOW)["age_days"] is None


def test_every_grade_has_words_of_its_own():
    assert len({evidence_words(grade) for grade in EvidenceGrade}) == len(EvidenceGrade)


@pytest.mark.parametrize(
    "days, words",
    [
        (0, "today"),
        (1, "1 day ago"),
        (20, "20 days ago"),
        (21, "3 weeks ago"),
        (90, "2 months ago"),
        (800, "2 years ago"),
    ],
)
def test_age_is_said_in_the_unit_that_people_use(days, words):
    assert age(NOW - timedelta(days=days, hours=3), NOW) == words
