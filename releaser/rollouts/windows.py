"""Maintenance windows: the times at which a site changes anything, as people write them.

`Sat 22:00-04:00 Europe/Berlin`; days as `Mon-Fri`, `Sat,Sun` or `daily`; several windows with `;` between them. An end
that is not after its start is on the next day. Times are those of the wall clock there: when it is set forward, a window
that would begin in the hour that is not there begins later; when it is set back, a window that ends in the hour that is
there twice ends with the second.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from patchline.patches.errors import UsageError

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_FORM = re.compile(r"(?P<days>[A-Za-z,-]+) (?P<start>\d\d:\d\d)-(?P<end>\d\d:\d\d) (?P<zone>[A-Za-z0-9_+/-]{1,64})")
_LONGEST = 200
_AHEAD_DAYS = 9


@dataclass(frozen=True)
class Window:
    """One window; it lasts more than nothing and at most a day.

    Attributes:
        days: on which it begins, 0 for Monday.
        start, end: of the wall clock there.
        zone: where.
    """

    days: frozenset[int]
    start: time
    end: time
    zone: ZoneInfo

    def on(self, day: date) -> tuple[datetime, datetime] | None:
        """Return when it opens and closes that began on a day; None when it does not on that day."""
        if day.weekday() not in self.days:
            return None
        after = day + timedelta(days=self.end <= self.start)
        opens, closes = self._instant(day, self.start, last=False), self._instant(after, self.end, last=True)
        return (opens, closes) if opens < closes else None

    def _instant(self, day: date, at: time, *, last: bool) -> datetime:
        """Return the instant of a wall clock's time; of two the first or the last, for none the next one there is."""
        wall = datetime.combine(day, at, self.zone)
        early, late = wall.astimezone(UTC), wall.replace(fold=1).astimezone(UTC)
        return max(early, late) if last else early


@dataclass(frozen=True)
class Windows:
    """All windows of a site."""

    windows: tuple[Window, ...]

    def is_open(self, now: datetime) -> bool:
        """Tell whether it may be changed now."""
        return any(opens <= now < closes for opens, closes in self.after(now))

    def next_opening(self, now: datetime) -> datetime:
        """Return when it may be changed next; now, where it may."""
        return max(now, next(self.after(now))[0])

    def first_close(self, since: datetime) -> datetime:
        """Return when the first window ends in which something can have been done since a moment."""
        return next(self.after(since))[1]

    def after(self, now: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield the windows that close after a moment, for more than a week, by their beginning."""
        found = []
        for window in self.windows:
            first = now.astimezone(window.zone).date() - timedelta(days=1)
            times = (window.on(first + timedelta(days=day)) for day in range(_AHEAD_DAYS + 1))
            found += [one for one in times if one is not None and one[1] > now]
        yield from sorted(found)


@cache
def read_windows(text: str) -> Windows:
    """Read what somebody wrote.

    Raises:
        UsageError: it says no windows.
    """
    if len(text) > _LONGEST:
        raise UsageError("window", f"the windows take more than {_LONGEST} characters")
    return Windows(tuple(_window(part.strip()) for part in text.split(";")))


def _window(text: str) -> Window:
    found = _FORM.fullmatch(text)
    if found is None:
        raise UsageError("window", f"{text!r} is no maintenance window")
    return Window(_days(found["days"]), _time(found["start"]), _time(found["end"]), _zone(found["zone"]))


def _days(text: str) -> frozenset[int]:
    if text == "daily":
        return frozenset(range(7))
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            raise UsageError("window", f"{part!r} is no day: {', '.join(DAYS)}, daily")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        days.update((begin + step) % 7 for step in range((end - begin) % 7 + 1))
    return frozenset(days)


def _time(text: str) -> time:
    if text == "24:00":
        return time(0)
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise UsageError("window", f"{text!r} is no time of day") from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError("window", f"{name!r} is no time zone") from None
