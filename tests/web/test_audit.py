import json

import pytest

from patchline.patches.audit_chain import Checkpoint
from patchline.releaser import auditing
from tests.pages import Visitor, make_app, text_of
from tests.registers import NOW, statements


@pytest.fixture
def rita(register):
    for number in range(3):
        with register.change("ada", NOW) as change:
            change.record("hotfix.publish", f"HF-2026-000{number}-r1", {"why": "<script>alert(1)</script>\u202e"})
    return Visitor(make_app(register), register).signed_in("rita")


def test_the_log_says_first_whether_it_holds(rita, register):
    page = rita.get("/audit/")
    assert "The chain holds: verified to event 3, as of 2026-11-22" in text_of(page)
    assert "Nobody outside was told" in text_of(page) and "<script>alert" not in page.text
    register.checkpoint(NOW)
    assert "The outside was told of 3 events" in text_of(rita.get("/audit/?verify=all"))


def test_events_are_paged_filtered_and_given_to_programs(rita):
    first = rita.get("/audit/?limit=2&format=json").json
    assert [one["sequence"] for one in first["events"]] == [3, 2] and first["after"] == 2
    assert first["chain"]["verified"] == 3
    rest = rita.get(f"/audit/?limit=2&after={first['after']}&format=json").json
    assert [one["sequence"] for one in rest["events"]] == [1] and rest["after"] is None
    assert rita.get("/audit/?person=ada&subject=0001&format=json").json["events"][0]["subject"] == "HF-2026-0001-r1"
    assert "No such event" in text_of(rita.get("/audit/?person=nobody"))
    assert rita.get("/audit/?format=csv").text.splitlines()[0].startswith("sequence,at,by,action")
    for wrong in ("after=x", "after=-1", "limit=0", f"person={'x' * 300}", "after=" + "9" * 40):
        assert rita.get(f"/audit/?{wrong}").status_code == 400, wrong
    with statements(rita.register) as said:
        rita.get("/audit/")
    assert len(said) <= 10


def test_the_chain_and_a_checkpoint_are_taken_away_and_agree(rita, register, tmp_path):
    lines = [json.loads(line) for line in rita.get("/audit/export").data.splitlines()]
    assert [one["sequence"] for one in lines] == [1, 2, 3]
    answer = rita.get("/audit/checkpoint")
    assert "checkpoint-3.json" in answer.headers["Content-Disposition"]
    kept = Checkpoint.parse(answer.data)
    assert kept.head == lines[-1]["digest"]
    with register.read() as session:
        assert auditing.verify(session, [kept]).outside == (kept,)
