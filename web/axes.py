"""Axes of plots: where a value lies, which ticks stand there, and what is written at them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

_TICKS = 5
"""Ticks of one axis at most: their words must not touch on a telephone."""
_HOURS = (1, 2, 3, 6, 12)
_DAYS = (1, 2, 5, 7, 10, 14, 21, 28)
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120)


@dataclass(frozen=True)
class Scale:
    """Values from `low` to `high`, drawn from `begin` to `end`."""

    low: float
    high: float
    begin: float
    end: float

    def at(self, value: float) -> float:
        """Return where a value lies, to a tenth of a pixel."""
        share = (value - self.low) / ((self.high - self.low) or 1)
        return round(self.begin + share * (self.end - self.begin), 1)


def up_to(high: float, begin: float, end: float) -> tuple[Scale, list[int]]:
    """Return a scale from nothing to a round number that is not below the highest value, and its ticks."""
    step = _round_up(max(high, 1) / (_TICKS - 1))
    top = math.ceil(max(high, 1) / step) * step
    return Scale(0, top, begin, end), list(range(0, top + 1, step))


def _round_up(step: float) -> int:
    """Return the next of 1, 2, 5, 10, 20 and so on."""
    power: int = 10 ** max(math.floor(math.log10(step)), 0)
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= step)


def moments(first: datetime, last: datetime) -> list[tuple[datetime, str]]:
    """Return ticks between two moments, with what is written at them: hours, days or months."""
    span = last - first
    days = span / timedelta(days=1)
    if days <= 2:
        hours = next((step for step in _HOURS if days * 24 / step < _TICKS), 24)
        return [(at, f"{at:%d. %H:%M}") for at in _every(first, last, timedelta(hours=hours))]
    if days / _DAYS[-1] < _TICKS:
        step = next(step for step in _DAYS if days / step < _TICKS)
        return [(at, f"{at:%Y-%m-%d}") for at in _every(first, last, timedelta(days=step))]
    months = next((step for step in _MONTHS if days / 30 / step < _TICKS), 1200)
    return [(at, f"{at:%Y-%m}") for at in _begun(first, last, months)]


def _every(first: datetime, last: datetime, step: timedelta) -> Iterator[datetime]:
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
    at = midnight + step * math.ceil((first - midnight) / step)
    while at <= last:
        yield at
        at += step


def _begun(first: datetime, last: datetime, months: int) -> Iterator[datetime]:
    """Yield the beginnings of months."""
    number = math.ceil((first.year * 12 + first.month) / months) * months
    while True:
        year, month = divmod(number, 12)
        at = first.replace(year=year, month=month + 1, day=1, hour=0, minute=0, second=0, microsecond=0)
        if at > last:
            return
        yield at
        number += months
