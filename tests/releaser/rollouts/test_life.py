from datetime import timedelta

import pytest
from sqlalchemy import text

from patchline.patches.errors import PatchlineError
from patchline.releaser.rollouts import freezes, life, rings
from patchline.releaser.tables.hotfixes import Revision
from tests.registers import statements
from tests.rings import HOTFIX


def refused(ground, action, *given, by="rita", label=HOTFIX):
    with pytest.raises(PatchlineError) as error:
        ground.does(action, *given, by=by, label=label)
    return error.value.code


def stages(measured):
    return [(one.kind, one.ring) for one in measured.stages]


def set_state(ground, state):
    with ground.register.database.write() as session:
        session.query(Revision).one().state = state


def freeze(ground, hours=2, **about):
    begins = ground.now - timedelta(hours=1)
    with ground.change() as change:
        freezes.add(change, freezes.Wanted(begins, ground.now + timedelta(hours=hours), "year's end", **about))


def test_stages_are_named_sites_then_rings_then_everyone(ground):
    measured = ground.rollout("e")
    assert stages(measured) == [("named", None), ("ring", "early"), ("ring", "late"), ("everyone", None)]
    assert ground.counts() == {"1 available": 1, "2 later": 2, "3 later": 2, "4 later": 1}
    assert ground.reaches() == ["e"]
    ground.does(life.promote)
    assert ground.reaches() == ["a", "b", "e"]
    ground.does(life.promote)
    ground.does(life.promote)
    assert ground.reaches() == list("abcdef")
    assert refused(ground, life.promote) == "state.rollout-last"


def test_named_site_is_in_the_first_stage_whatever_its_ring(ground):
    ground.rollout("d")
    assert ground.counts() == {"1 available": 1, "2 later": 2, "3 later": 1, "4 later": 2}
    assert ground.reaches() == ["d"]


def test_ring_without_a_site_that_it_is_for_is_left_out_and_said(ground):
    ground.ring("empty")
    with ground.change() as change:
        planned = life.plan(change, HOTFIX, life.Settings())
    assert planned.left_out == ("empty",)
    assert stages(ground.measured()) == [("ring", "early"), ("ring", "late"), ("everyone", None)]


def test_scope_of_the_approvals_is_never_exceeded(ground):
    ground.site("g", "beta")
    label = ground.hotfix("HF-2026-0002", customers=["beta"])
    assert refused(ground, life.plan, life.Settings(), ["a", "g"], label="HF-2026-0002") == "refused.rollout-scope"
    ground.rollout("g", label="HF-2026-0002")
    assert ground.measured("HF-2026-0002").sites() == 1
    ground.does(life.promote, label="HF-2026-0002")
    assert ground.reaches(label) == ["g"]
    assert set(ground.reach(label).values()) == {None, "wrong-customer"}


def test_rollout_for_nobody_is_refused(ground):
    ground.hotfix("HF-2026-0002", customers=["nobody"])
    assert refused(ground, life.plan, life.Settings(), label="HF-2026-0002") == "refused.rollout-empty"


def test_rollout_whose_scope_vanished_does_not_start(ground):
    ground.site("g", "beta")
    ground.hotfix("HF-2026-0002", customers=["beta"])
    ground.rollout(label="HF-2026-0002", started=False)
    with ground.register.database.write() as session:
        session.get(rings.Site, ground.sites["g"]).retired = ground.now
    assert refused(ground, life.start, label="HF-2026-0002") == "refused.rollout-empty"


def test_site_of_another_baseline_is_no_target_and_one_unknown_is_unknown(ground):
    ground.site("old", baseline="0.9")
    ground.site("silent", baseline=None)
    ground.rollout("silent")
    assert ground.measured().sites() == 7
    assert ground.counts()["1 unknown"] == 1


def test_states_of_the_sites_follow_from_what_they_have_and_add_up(ground):
    ground.hotfix(number=2, state="draft")
    ground.rollout("a", "b", "c", "d", "e", "f", label=f"{HOTFIX}-r1")
    ground.later(hours=1)
    ground.applies("a", "b")
    ground.applies("c", pending=True)
    ground.advance()
    ground.loses("b")
    ground.downloads("d")
    ground.says("e", unfinished=True)
    ground.applies("f", label=f"{HOTFIX}-r2")
    assert ground.counts() == {
        "1 applied": 1,
        "1 pending-restart": 1,
        "1 rolled-back": 1,
        "1 downloaded": 1,
        "1 failed": 1,
        "1 superseded": 1,
    }
    assert ground.measured().errors == 2
    assert ground.measured().sites() == 6


def test_problem_that_support_was_told_is_an_error_even_where_it_is_applied(ground):
    ground.rollout("a")
    ground.applies("a")
    ground.does(life.tell_problem, "a", "orders get lost", by="sue")
    assert ground.counts()["1 failed"] == 1
    assert refused(ground, life.promote) == "state.rollout-errors"
    ground.does(life.pause, "look at a")
    ground.does(life.start)
    ground.does(life.promote)
    assert ground.reaches() == ["a", "b"]


def test_unfinished_change_from_before_its_stage_is_none_of_its_errors(ground):
    ground.says("a", unfinished=True)
    ground.later(hours=1).rollout("a")
    assert ground.counts()["1 available"] == 1


@pytest.mark.parametrize("action", [life.pause, life.stop])
def test_paused_or_stopped_rollout_reaches_nobody_new(ground, action):
    ground.rollout()
    ground.downloads("a")
    assert ground.reaches() == ["a", "b"]
    ground.does(action, "wait")
    assert ground.reaches() == ["a"]
    assert ground.reach()["b"] == ("paused" if action is life.pause else "stopped")


def test_paused_one_goes_on_and_a_stopped_one_is_planned_anew(ground):
    ground.rollout()
    ground.does(life.pause, "wait")
    ground.does(life.start)
    assert ground.reaches() == ["a", "b"]
    ground.does(life.stop, "enough")
    assert refused(ground, life.start) == "state.rollout-state"
    ground.rollout("f")
    assert ground.reaches() == ["f"]


def test_only_one_rollout_of_a_revision_is_open(ground):
    ground.rollout(started=False)
    assert refused(ground, life.plan, life.Settings()) == "state.rollout-exists"


def test_product_without_rings_reaches_everyone_at_once(bare):
    for name in "ab":
        bare.site(name)
    bare.hotfix()
    assert bare.reaches() == ["a", "b"]


def test_with_rings_what_is_published_waits_for_its_rollout(bare):
    bare.site("a")
    bare.hotfix()
    bare.later(days=1).ring("early", "a")
    bare.later(days=1).hotfix("HF-2026-0002")
    assert bare.reaches() == ["a"]
    assert bare.reach("HF-2026-0002-r1") == {"a": "no-rollout"}


@pytest.mark.parametrize("state", ["held", "recalled"])
def test_what_is_not_published_reaches_nobody_and_does_not_go_out(ground, state):
    ground.rollout(started=False)
    ground.applies("a")
    set_state(ground, state)
    assert set(ground.reach().values()) == {state}
    assert refused(ground, life.start) == "state.hotfix-state"
    expected = pytest.raises(PatchlineError, match="only what is published goes out")
    with expected, ground.register.database.write() as session:
        session.execute(text("UPDATE rollout SET state = 'running', stage = 1"))


def test_freeze_of_the_product_opens_no_stage_and_one_of_a_customer_hides_its_sites(ground):
    ground.site("g", "beta")
    ground.rollout("g", "a")
    freeze(ground, customer="acme")
    assert ground.reaches() == ["g"]
    assert ground.reach()["a"] == "frozen"
    assert ground.counts()["1 frozen"] == 1
    freeze(ground, product="demo")
    assert refused(ground, life.promote) == "state.frozen"
    assert ground.reaches() == []
    ground.later(hours=2)
    assert ground.reaches() == ["a", "g"]
    ground.does(life.promote)


def test_freeze_of_a_site_and_one_of_everything(ground):
    ground.rollout("a", "e")
    freeze(ground, site="a")
    assert ground.reaches() == ["e"]
    freeze(ground)
    assert ground.reaches() == []
    ground.applies("a")
    assert ground.reaches() == ["a"]


def test_freeze_ends_early_and_only_once(ground):
    freeze(ground)
    with ground.register.read() as session:
        [(found, _)] = freezes.listed(session, ground.now)
    with ground.change() as change:
        freezes.end(change, found.id)
    ground.later(seconds=1)
    with ground.register.read() as session:
        assert freezes.listed(session, ground.now) == []
    with pytest.raises(PatchlineError) as error, ground.change() as change:
        freezes.end(change, found.id)
    assert error.value.code == "state.freeze-over"


def test_roles_and_reasons_are_asked_for(ground):
    assert refused(ground, life.plan, life.Settings(), by="sue") == "refused.role"
    assert refused(ground, life.plan, life.Settings(success_percent=0)) == "usage.rollout-setting"
    assert refused(ground, life.start) == "not-found.rollout"
    ground.rollout()
    assert refused(ground, life.pause, " ") == "usage.rollout-reason"
    assert refused(ground, life.promote, by="cleo") == "refused.role"
    assert refused(ground, life.tell_problem, "nowhere", "it fails", by="sue") == "not-found.site"


def test_counting_takes_as_many_statements_for_many_sites_as_for_few(ground):
    ground.rollout()
    with statements(ground.register) as few:
        ground.measured()
    for number in range(40):
        ground.site(f"more-{number}", f"customer-{number % 7}")
    with statements(ground.register) as many:
        ground.measured()
    assert len(few) == len(many) <= 12
