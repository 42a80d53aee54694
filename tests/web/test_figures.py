from datetime import timedelta

from patchline.releaser.approval_times import approval_times
from patchline.web.figures import expiries, time_to_approve
from tests.hotfixes import Life
from tests.registers import NOW, statements


def test_time_to_approve_counts_from_the_review_to_the_last_approval(register, tmp_path):
    life = Life(register, tmp_path).prepare()
    first = life.reviewed()
    life.later(hours=12)
    life.approve(first, "ada")
    life.later(hours=24)
    life.approve(first, "ben")
    life.reviewed(wanted={"title": "Mend another"})
    with register.read() as session, statements(register) as asked:
        found = approval_times(session, NOW - timedelta(days=90))
        none = approval_times(session, life.now + timedelta(days=1))
    assert len(asked) == 2 and not none
    assert [(one.label, one.days) for one in found] == [(f"{first}-r1", 1.5)]
    plot = time_to_approve(found, life.now)
    assert [row[:2] for row in plot.rows] == [(found[0].severity, 1)] and plot.rows[0][4] == 1.5


def test_expiries_stand_in_their_order_and_what_is_over_is_bad():
    found = {
        "root": NOW + timedelta(days=300),
        "timestamp": NOW - timedelta(days=1),
        "snapshot": NOW + timedelta(days=5),
    }
    plot = expiries(found, ["snapshot"], NOW)
    assert plot.rows == [("timestamp", 0), ("snapshot", 5), ("root", 300)]
    assert 'class="bad"' in plot.svg and 'class="warn"' in plot.svg and 'class="good"' in plot.svg
