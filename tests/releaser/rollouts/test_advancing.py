import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from patchline.patches.errors import PatchlineError
from patchline.releaser import recalls
from patchline.releaser.rollouts import life
from patchline.releaser.rollouts.freezes import Wanted, add
from patchline.releaser.tables.hotfixes import Revision
from tests.conftest import EXHAUSTIVE
from tests.hotfixes import Life
from tests.registers import make_home, opened
from tests.rings import HOTFIX, Ground

SETTINGS = {"automatic": True, "soak_hours": 24, "success_percent": 50}


def held(ground, state="held"):
    with ground.register.database.write() as session:
        session.query(Revision).filter_by(number=1).one().state = state


def test_stage_opens_by_itself_only_after_soak_time_and_share(ground):
    ground.rollout(**SETTINGS)
    ground.later(hours=30)
    assert ground.advance() == []
    ground.applies("a")
    ground.later(hours=23)
    assert ground.advance() == []
    ground.later(hours=1)
    assert ground.advance() == [("running", 2, "1 of 2 sites had it for 24 hours")]
    assert ground.advance() == []
    assert ground.reaches() == list("abcd")


def test_pending_restart_is_no_success(ground):
    ground.rollout(**SETTINGS)
    ground.applies("a", "b", pending=True)
    ground.later(hours=48)
    assert ground.advance() == []


def test_without_the_setting_only_people_open_stages(ground):
    ground.rollout(soak_hours=0)
    ground.applies("a", "b")
    ground.later(hours=48)
    assert ground.advance() == []


def test_errors_over_the_limit_pause_it(ground):
    ground.rollout("a", "b", "c", error_limit=1)
    ground.applies("a", "b")
    assert ground.advance() == []
    ground.loses("a")
    assert ground.advance() == []
    ground.says("c", unfinished=True)
    assert ground.advance() == [("paused", 1, "errors at 2 sites")]
    assert ground.reaches() == ["b"]
    ground.does(life.start)
    assert ground.advance() == []
    ground.loses("b")
    assert ground.advance() == [("paused", 1, "errors at 3 sites")]


def test_silence_past_the_limit_pauses_it_before_its_last_stage(ground):
    ground.rollout(silence_hours=24, silence_limit=1)
    ground.later(hours=23)
    ground.says("a")
    ground.later(hours=1)
    assert ground.measured().all_silent == 1
    assert ground.advance() == []
    ground.later(hours=24)
    assert ground.advance() == [("paused", 1, "silence at 2 sites")]
    for action in (life.start, life.promote, life.promote):
        ground.does(action)
    ground.later(hours=100)
    assert ground.measured().all_silent == 6
    assert ground.advance() == []


def test_site_is_not_silent_before_it_had_a_window(bare):
    bare.site("open")
    bare.site("rare", window="Sat 22:00-23:00 UTC")  # It is Sunday.
    bare.hotfix()
    bare.rollout("open", "rare", silence_hours=24)
    bare.later(hours=25)
    assert bare.measured().all_silent == 1
    bare.later(days=5, hours=22)
    assert bare.measured().all_silent == 1
    bare.later(days=1)
    assert bare.measured().all_silent == 2


def test_frozen_product_opens_no_stage_by_itself(ground):
    ground.rollout(**SETTINGS)
    ground.applies("a", "b")
    ground.later(hours=25)
    with ground.change() as change:
        add(change, Wanted(ground.now, ground.later(hours=5).now, "year's end"))
    ground.later(hours=-1)
    assert ground.advance() == []
    ground.later(hours=1)
    assert [one[:2] for one in ground.advance()] == [("running", 2)]


def test_rollout_whose_scope_vanished_pauses_and_says_so(ground):
    ground.rollout(**SETTINGS)
    with ground.register.database.write() as session:
        session.execute(text("UPDATE site SET retired = added"))
    assert ground.advance() == [("paused", 1, "nobody is left whom it is for")]


def test_stage_whose_ring_is_empty_by_now_waits_for_a_person(ground):
    ground.rollout(**SETTINGS)
    with ground.register.database.write() as session:
        session.execute(text("UPDATE site SET ring = NULL WHERE ring = 'early'"))
    assert ground.advance() == [("paused", 1, "its stage has no site left: promote it, or stop it")]
    ground.does(life.start)
    ground.does(life.promote)
    assert ground.reaches() == ["c", "d"]


def test_rollout_ends_when_every_site_has_it(ground):
    ground.rollout("a", "b", "c", "d", "e", "f")
    ground.applies(*"abcdef")
    assert ground.advance() == []
    ground.does(life.promote)
    assert [one[0] for one in ground.advance()] == ["finished"]
    ground.site("new")
    assert "new" in ground.reaches()


def test_held_one_pauses_and_recalled_one_stops(ground):
    ground.rollout()
    held(ground)
    assert ground.advance() == [("paused", 1, f"{HOTFIX}-r1 is held")]
    held(ground, "recalled")
    assert ground.advance() == [("stopped", 1, f"{HOTFIX}-r1 is recalled")]
    assert set(ground.reach().values()) == {"recalled"}


def test_recall_itself_stops_the_rollout_and_reaches_nobody(register, tmp_path):
    (tmp_path / "files").mkdir()
    lived = Life(register, tmp_path / "files").prepare()
    identifier = lived.published()
    ground = Ground(register)
    ground.site("a")
    ground.rollout("a", label=identifier)
    label = f"{identifier}-r1"
    assert ground.reaches(label) == ["a"]
    with ground.change("cleo") as change:
        recalls.take(change, identifier, [lived.recall_file(identifier, "ada", "ben")], lived.root)
    assert ground.measured(identifier).rollout.state == "stopped"
    assert ground.reach(label) == {"a": "recalled"}
    assert ground.advance() == []


STEPS = ("start", "promote", "pause", "stop", "plan", "advance", "hold", "lift", "recall", "apply", "download", "lose")


def act(ground, step, site):
    """Do one thing, as far as it may be done."""
    given = {"pause": ["x"], "stop": ["x"], "plan": [life.Settings(**SETTINGS)]}
    if step in ("start", "promote", "pause", "stop", "plan"):
        ground.does(getattr(life, step), *given.get(step, []))
    elif step in ("hold", "lift", "recall"):
        held(ground, {"hold": "held", "lift": "published", "recall": "recalled"}[step])
    elif step == "advance":
        ground.advance()
    elif step == "apply":
        ground.applies(site)
    elif step == "download":
        ground.downloads(site)
    else:
        ground.loses(site)


@pytest.fixture(scope="module")
def templates(tmp_path_factory):
    return tmp_path_factory.mktemp("templates")


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from("abc"), st.integers(0, 30)), max_size=12))
@settings(max_examples=200 if EXHAUSTIVE else 12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_serves_a_recalled_revision_and_what_is_paused_or_stopped_reaches_nobody_new(templates, steps):
    folder = templates / f"{len(list(templates.iterdir()))}"
    with opened(make_home("sqlite", folder)) as register:
        ground = Ground(register).prepare()
        ground.ring("early", "a", "b")
        ground.site("c")
        ground.hotfix()
        before: set[str] = set()
        for step, site, hours in steps:
            ground.later(hours=hours)
            try:
                act(ground, step, site)
            except PatchlineError:
                continue
            now, rollout = set(ground.reaches()), _rollout(ground)
            with register.read() as session:
                state = session.query(Revision).one().state
            if state != "published":
                assert not now
            elif rollout in ("planned", "paused", "stopped"):
                assert now <= before | ({site} if step in ("apply", "download") else set())
            before = now if state == "published" else before | now
            if rollout is not None:
                assert ground.measured().sites() == 3


def _rollout(ground):
    try:
        return ground.measured().rollout.state
    except PatchlineError:
        return None
