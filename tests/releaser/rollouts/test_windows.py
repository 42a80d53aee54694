from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchline.patches.errors import UsageError
from patchline.releaser.rollouts.windows import DAYS, read_windows


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def spans(text, since):
    return list(read_windows(text).after(utc(since)))


def test_window_over_midnight_is_one_window():
    [first, *_] = spans("Sat 22:00-04:00 Europe/Berlin", "2026-11-20")
    assert first == (utc("2026-11-21T21:00"), utc("2026-11-22T03:00"))
    windows = read_windows("Sat 22:00-04:00 Europe/Berlin")
    assert windows.is_open(utc("2026-11-22T02:59"))
    assert not windows.is_open(utc("2026-11-22T03:00"))
    assert not windows.is_open(utc("2026-11-21T20:59"))
    assert windows.next_opening(utc("2026-11-22T03:00")) == utc("2026-11-28T21:00")
    assert windows.next_opening(utc("2026-11-22T02:00")) == utc("2026-11-22T02:00")


def test_window_follows_summer_time():
    assert spans("daily 22:00-23:00 Europe/Berlin", "2026-07-01")[0][0] == utc("2026-07-01T20:00")
    assert spans("daily 22:00-23:00 Europe/Berlin", "2026-12-01")[0][0] == utc("2026-12-01T21:00")


def test_night_in_which_the_clock_is_set_forward_loses_an_hour():
    [night, *_] = spans("Sat 22:00-04:00 Europe/Berlin", "2026-03-28")
    assert night == (utc("2026-03-28T21:00"), utc("2026-03-29T02:00"))
    [missing, *_] = spans("Sun 02:15-02:45 Europe/Berlin", "2026-03-29")
    assert missing == (utc("2026-03-29T01:15"), utc("2026-03-29T01:45"))


def test_night_in_which_the_clock_is_set_back_gains_an_hour():
    [night, *_] = spans("Sat 22:00-04:00 Europe/Berlin", "2026-10-24")
    assert night == (utc("2026-10-24T20:00"), utc("2026-10-25T03:00"))
    [twice, *_] = spans("Sun 02:00-02:30 Europe/Berlin", "2026-10-25")
    assert twice == (utc("2026-10-25T00:00"), utc("2026-10-25T01:30"))


def test_several_windows_and_lists_of_days():
    windows = read_windows("Mon-Fri 01:00-03:00 UTC; Sat,Sun 00:00-24:00 UTC")
    assert windows.is_open(utc("2026-11-20T01:30"))
    assert not windows.is_open(utc("2026-11-20T03:30"))
    assert windows.is_open(utc("2026-11-22T23:59"))
    assert windows.first_close(utc("2026-11-20T03:30")) == utc("2026-11-22T00:00")
    assert read_windows("Sat-Mon 01:00-02:00 UTC").windows[0].days == {5, 6, 0}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Sat",
        "Sat 22:00 Europe/Berlin",
        "Sat 25:00-26:00 UTC",
        "Sat 22:60-23:00 UTC",
        "Someday 22:00-23:00 UTC",
        "Sat 22:00-23:00 Europe/Atlantis",
        "Sat 22:00-23:00 ../../etc/passwd",
        "Sat 22:00-23:00 /etc/passwd",
        "Sat 22:00-23:00 UTC;",
        "Mon 01:00-02:00 UTC; " * 20,
    ],
)
def test_what_is_no_window_is_refused(text):
    with pytest.raises(UsageError) as refused:
        read_windows(text)
    assert refused.value.code == "usage.window"


@given(
    st.lists(st.sampled_from(DAYS), min_size=1, max_size=3, unique=True),
    st.times(),
    st.times(),
    st.sampled_from(["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 (made aware below)
)
def test_some_window_always_comes_and_none_lasts_longer_than_a_day(days, start, end, zone, now):
    windows = read_windows(f"{','.join(days)} {start:%H:%M}-{end:%H:%M} {zone}")
    now = now.replace(tzinfo=UTC)
    opening = windows.next_opening(now)
    assert windows.is_open(opening)
    assert now <= opening <= now + timedelta(days=15)
    assert all(closes - opens <= timedelta(hours=25) for opens, closes in windows.after(now))
