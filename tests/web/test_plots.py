from datetime import UTC, datetime, timedelta
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from patchline.web import samples
from patchline.web.axes import moments, up_to
from patchline.web.plots import Bar, Group, Heading, Stack, bars, over_time, spread, stacked

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\"'&\u202e"


def heading(unit: str = "sites") -> Heading:
    return Heading("one", "What is shown", unit, NOW)


def tree(plot):
    return ElementTree.fromstring(plot.svg)


def texts(plot) -> list[str]:
    return [one.text or "" for one in tree(plot).iter("text")]


def test_every_kind_of_plot_is_well_formed_and_has_no_style_of_its_own():
    for plot in samples.plots(NOW):
        root = tree(plot)
        assert root.find("title").text and root.find("desc").text.endswith(".")
        assert not [one for one in root.iter() if one.get("style") or one.tag == "style"]
        assert plot.rows and all(len(row) == len(plot.columns) for row in plot.rows)
        assert plot.caption.count("as of 2026-11-22 12:00 UTC") == 1


def test_what_people_named_cannot_break_out_of_a_plot():
    for plot in (
        bars(Heading("x", HOSTILE, HOSTILE, NOW), [Bar(HOSTILE, 3)]),
        stacked(heading(), [Stack(HOSTILE, {HOSTILE: 2})], {HOSTILE: "good"}),
        spread(heading(), [Group(HOSTILE, (1, 2))]),
    ):
        assert "<script" not in plot.svg and tree(plot) is not None


def test_without_figures_a_plot_says_so():
    for plot in (
        over_time(heading(), []),
        bars(heading(), []),
        stacked(heading(), [], {}),
        spread(heading(), [Group("nobody", ())]),
    ):
        assert texts(plot) == ["There are no figures yet."] and not plot.rows


def test_a_line_holds_until_the_next_moment_and_reaches_today():
    points = [(NOW - timedelta(days=10), 0), (NOW - timedelta(days=5), 4)]
    plot = over_time(heading(), points, whole=8)
    path = next(one for one in tree(plot).iter("path") if one.get("class") == "line").get("d")
    assert path == "M52.0 202.0H279.0V114.0H506"
    assert "of 8" in tree(plot).find("desc").text and "all 8" in plot.caption


def test_parts_of_a_bar_lie_beside_each_other_and_make_its_whole():
    plot = stacked(heading(), [Stack("early", {"has": 30, "waits": 10})], {"has": "good", "waits": "busy"})
    first, second = [one for one in tree(plot).iter("rect") if one.find("title") is not None]
    assert float(first.get("x")) + float(first.get("width")) <= float(second.get("x"))
    assert float(first.get("width")) / float(second.get("width")) == pytest.approx(3, rel=0.05)
    assert plot.rows == [("early", 30, 10, 40)] and first.find("title").text == "early: has 30"


def test_shares_are_as_long_as_each_other():
    stacks = [Stack("early", {"has": 3}), Stack("late", {"has": 2_000, "waits": 2_000})]
    plot = stacked(heading(), stacks, {"has": "good", "waits": "busy"}, shares=True)
    ends = {float(one.get("x")) + float(one.get("width")) for one in tree(plot).iter("rect") if len(one)}
    assert max(ends) == 469 and "% of sites" in texts(plot) and plot.rows[0] == ("early", 3, 0, 3)


def test_long_names_are_cut_in_the_picture_and_whole_in_the_table():
    plot = bars(heading(), [Bar("a customer with a very long name", 7)])
    assert "a customer with a v…" not in plot.rows[0] and plot.rows[0][0] == "a customer with a very long name"
    assert any(words.endswith("…") for words in texts(plot))


def test_spread_tells_the_quarters():
    plot = spread(heading("days"), [Group("critical", (1, 2, 3, 4, 5)), Group("one", (7.25,))])
    assert plot.rows == [("critical", 5, 1, 2, 3, 4, 5), ("one", 1, 7.2, 7.2, 7.2, 7.2, 7.2)]
    assert len([one for one in tree(plot).iter("circle")]) == 6


@pytest.mark.parametrize("high", [0, 1, 3, 4, 7, 10, 99, 101, 1_310, 100_000])
def test_an_axis_has_few_round_ticks_and_reaches_the_highest(high):
    scale, ticks = up_to(high, 0, 100)
    assert 2 <= len(ticks) <= 6 and ticks[0] == 0 and ticks[-1] == scale.high >= high


@pytest.mark.parametrize("hours", [1, 5, 20, 47, 49, 200, 24 * 40, 24 * 100, 24 * 200, 24 * 500, 24 * 4000])
def test_moments_on_an_axis_are_few_even_and_within(hours):
    first = NOW - timedelta(hours=hours)
    ticks = moments(first, NOW)
    assert 1 <= len(ticks) <= 6 and all(first <= at <= NOW for at, _ in ticks)
    assert all(before < after for (before, _), (after, _) in pairwise(ticks))
