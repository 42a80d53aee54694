"""Plots made on the server: figures in, an SVG and the same figures as a table out.

- A plot says its unit and as of when; whoever does not see it hears its title and what it shows.
- Colours are tones of the sheet, so that both schemes have their own, and no tone stands without its word.
- Nothing here knows what is plotted: figures come as the rules give them.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from markupsafe import Markup

from patchline.web.axes import Scale, moments, up_to

WIDTH = 520
_LEFT, _RIGHT, _ROW, _BAR = 148, 50, 26, 16
_HEIGHT, _FOOT, _HEAD = 240, 38, 10
_OVER = 26
"""Above what goes over time, where the unit stands."""
_LONGEST = 18
"""Letters of a label; all of it stands in the table."""
_LETTER = 8.2
"""Pixels that a letter takes at most."""
_HEARD = 12
"""Figures that are read out; the table has all."""


@dataclass(frozen=True)
class Plot:
    """A plot as `parts.figure` shows it."""

    svg: Markup
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True)
class Heading:
    """What a plot is of.

    Attributes:
        key: tells it from the other plots of the page.
        unit: what the figures count, such as `sites` or `days`.
        as_of: when they were so.
    """

    key: str
    title: str
    unit: str
    as_of: datetime

    @property
    def caption(self) -> str:
        """The line below it."""
        return f"{self.title}, in {self.unit}, as of {self.as_of:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True)
class Bar:
    """A figure with its name; the tone is one of the sheet's."""

    label: str
    value: float
    tone: str = "busy"


@dataclass(frozen=True)
class Stack:
    """Figures that make a whole, by name."""

    label: str
    parts: Mapping[str, int]


@dataclass(frozen=True)
class Group:
    """Many values of one kind, such as the days that each approval took."""

    label: str
    values: Sequence[float] = field(default=())


# Over time


def over_time(heading: Heading, points: Sequence[tuple[datetime, int]], whole: int | None = None) -> Plot:
    """Return how a number grew and fell: a line in steps, since it holds until the next moment.

    Args:
        heading: what it is of.
        points: moments in their order, each with the number from then on.
        whole: what the number can come to, drawn across.
    """
    columns = ("Moment", heading.unit.capitalize())
    rows = [(f"{at:%Y-%m-%d %H:%M} UTC", value) for at, value in points]
    if not points:
        return _nothing(heading, columns)
    first, last = points[0][0], max(heading.as_of, points[-1][0])
    across = Scale(first.timestamp(), max(last.timestamp(), first.timestamp() + 60), 52, WIDTH - 14)
    up, ticks = up_to(max([whole or 0, *(value for _, value in points)]), _HEIGHT - _FOOT, _OVER)
    drawn = [_text(6, 14, heading.unit, ""), *(_level(tick, up.at(tick)) for tick in ticks)]
    drawn += [_moment(across.at(at.timestamp()), words) for at, words in moments(first, last)]
    if whole is not None:
        drawn.append(_line("whole", 52, up.at(whole), WIDTH - 14, up.at(whole)))
    drawn.append(_stairs(points, across, up))
    said = f"From {points[0][1]:,} on {first:%Y-%m-%d} to {points[-1][1]:,} on {last:%Y-%m-%d}"
    return Plot(
        _svg(heading, _HEIGHT, f"{said}{f', of {whole:,}' if whole is not None else ''}.", drawn),
        f"{heading.caption}{f'; the broken line is all {whole:,}' if whole is not None else ''}",
        columns,
        rows,
    )


def _stairs(points: Sequence[tuple[datetime, int]], across: Scale, up: Scale) -> Markup:
    path = f"M{across.at(points[0][0].timestamp())} {up.at(points[0][1])}"
    for at, value in points[1:]:
        path += f"H{across.at(at.timestamp())}V{up.at(value)}"
    below = f"{path}H{across.end}V{up.begin}H{across.at(points[0][0].timestamp())}Z"
    return Markup('<path class="area" d="{}"/><path class="line" d="{}H{}"/>').format(below, path, across.end)


# Bars


def bars(heading: Heading, found: Sequence[Bar]) -> Plot:
    """Return figures side by side, such as the ages of evidence or the days until keys expire."""
    columns = ("", heading.unit.capitalize())
    rows = [(bar.label, bar.value) for bar in found]
    if not found:
        return _nothing(heading, columns)
    scale, ticks = up_to(max(bar.value for bar in found), _LEFT, WIDTH - _RIGHT)
    height = _HEAD + _ROW * len(found) + _FOOT
    drawn = _uprights(scale, ticks, height, heading.unit)
    for number, bar in enumerate(found):
        top = _HEAD + _ROW * number + (_ROW - _BAR) / 2
        drawn += [_label(bar.label, top), _box(bar.tone, _LEFT, top, max(scale.at(bar.value) - _LEFT, 0))]
        drawn.append(_text(scale.at(max(bar.value, 0)) + 5, top + 12, f"{bar.value:,}", ""))
    return Plot(_svg(heading, height, _heard(rows, heading.unit), drawn), heading.caption, columns, rows)


def stacked(heading: Heading, stacks: Sequence[Stack], tones: Mapping[str, str], *, shares: bool = False) -> Plot:
    """Return wholes with their parts, such as rings with the states of their sites.

    Args:
        heading: what it is of.
        stacks: from top to bottom; parts that are not there count as none.
        tones: of the parts, in the order in which they stand from left to right.
        shares: every whole is as long as the others, so that small ones can be compared with large ones.
    """
    columns = ("", *(name.capitalize() for name in tones), "All")
    rows = [(one.label, *(one.parts.get(name, 0) for name in tones), _whole(one, tones)) for one in stacks]
    if not stacks:
        return _nothing(heading, columns)
    legend, lines = _legend(tones)
    head = _HEAD + 20 * lines
    most = max(_whole(one, tones) for one in stacks)
    scale, ticks = up_to(100 if shares else most, _LEFT, WIDTH - _RIGHT)
    height = head + _ROW * len(stacks) + _FOOT
    unit = f"% of {heading.unit}" if shares else heading.unit
    drawn = [legend, *_uprights(scale, ticks, height, unit, head)]
    for number, one in enumerate(stacks):
        longest = (_whole(one, tones) or 1) if shares else scale.high
        drawn += _parts(one, tones, Scale(0, longest, _LEFT, scale.end), head + _ROW * number + (_ROW - _BAR) / 2)
    heard = [(one.label, ", ".join(f"{n} {one.parts[n]:,}" for n in tones if one.parts.get(n))) for one in stacks]
    return Plot(_svg(heading, height, _heard(heard, heading.unit), drawn), heading.caption, columns, rows)


def _whole(one: Stack, tones: Iterable[str]) -> int:
    return sum(one.parts.get(name, 0) for name in tones)


def _parts(one: Stack, tones: Mapping[str, str], scale: Scale, top: float) -> list[Markup]:
    drawn, before = [_label(one.label, top)], 0
    for name, tone in tones.items():
        value = one.parts.get(name, 0)
        if not value:
            continue
        left, right = scale.at(before), scale.at(before + value)
        drawn.append(_box(tone, left, top, max(right - left - 1, 1), f"{one.label}: {name} {value:,}"))
        if right - left > _LETTER * (len(f"{value:,}") + 1):
            drawn.append(_text((left + right) / 2, top + 12, f"{value:,}", "inside"))
        before += value
    drawn.append(_text(scale.at(before) + 5, top + 12, f"{before:,}", ""))
    return drawn


def _legend(tones: Mapping[str, str]) -> tuple[Markup, int]:
    """Return the words of the tones in as many lines as they need."""
    drawn, left, line = Markup(), 6.0, 0
    for name, tone in tones.items():
        wide = 26 + _LETTER * len(name)
        if left + wide > WIDTH and left > 6:
            left, line = 6.0, line + 1
        drawn += _box(tone, left, 5 + 20 * line, 11, high=11) + _text(left + 16, 16 + 20 * line, name, "")
        left += wide
    return drawn, line + 1


# Spread


def spread(heading: Heading, groups: Sequence[Group]) -> Plot:
    """Return how values spread: each as a dot, the middle half as a box, the median as a line in it."""
    columns = ("", "Number", "Least", "Quarter", "Median", "Three quarters", "Most")
    kept = [group for group in groups if group.values]
    rows = [(group.label, len(group.values), *_fifths(group.values)) for group in kept]
    if not kept:
        return _nothing(heading, columns)
    scale, ticks = up_to(max(max(group.values) for group in kept), _LEFT, WIDTH - _RIGHT)
    height = _HEAD + _ROW * len(kept) + _FOOT
    drawn = _uprights(scale, ticks, height, heading.unit)
    for number, (group, row) in enumerate(zip(kept, rows, strict=True)):
        top = _HEAD + _ROW * number + (_ROW - _BAR) / 2
        low, middle, high = (scale.at(float(str(value))) for value in row[3:6])
        drawn += [_label(group.label, top), _box("quarters", low, top, max(high - low, 1))]
        drawn += [
            Markup('<circle class="dot" cx="{}" cy="{}" r="3"/>').format(scale.at(value), top + _BAR / 2)
            for value in group.values
        ]
        drawn.append(_line("median", middle, top - 2, middle, top + _BAR + 2))
    heard = [(row[0], f"median {row[4]}, most {row[6]}") for row in rows]
    return Plot(_svg(heading, height, _heard(heard, heading.unit), drawn), heading.caption, columns, rows)


def _fifths(values: Sequence[float]) -> tuple[float, ...]:
    quarters = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [values[0]] * 3
    return tuple(round(value, 1) for value in (min(values), *quarters, max(values)))


# Drawing


def _svg(heading: Heading, height: float, told: str, drawn: Iterable[Markup]) -> Markup:
    return Markup(
        '<svg viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" aria-labelledby="{2}-title {2}-told">'
        '<title id="{2}-title">{3}</title><desc id="{2}-told">{4}</desc>{5}</svg>'
    ).format(WIDTH, height, f"plot-{heading.key}", heading.title, told, Markup().join(drawn))


def _nothing(heading: Heading, columns: Sequence[str]) -> Plot:
    words = "There are no figures yet."
    return Plot(_svg(heading, 60, words, [_text(WIDTH / 2, 34, words, "middle")]), heading.caption, columns, ())


def _heard(rows: Iterable[tuple[object, object]], unit: str) -> str:
    pairs = [f"{label}: {value}" for label, value in rows]
    more = len(pairs) - _HEARD
    rest = f"; {more} more stand in the table" if more > 0 else ""
    return f"{'; '.join(pairs[:_HEARD])} ({unit}){rest}."


def _uprights(scale: Scale, ticks: Sequence[int], height: float, unit: str, head: float = _HEAD) -> list[Markup]:
    """Return the ticks of an axis that lies below, with its unit."""
    bottom = height - _FOOT
    drawn = []
    for tick in ticks:
        drawn.append(_line("grid" if tick else "axis", scale.at(tick), head, scale.at(tick), bottom))
        drawn.append(_text(scale.at(tick), bottom + 15, f"{tick:,}", "middle"))
    return [*drawn, _text(scale.end, bottom + 32, unit, "end")]


def _level(tick: int, at: float) -> Markup:
    return _line("grid" if tick else "axis", 52, at, WIDTH - 14, at) + _text(46, at + 4, f"{tick:,}", "end")


def _moment(at: float, words: str) -> Markup:
    bottom = _HEIGHT - _FOOT
    # The words of the first and of the last must not leave the picture.
    place = "middle" if 42 < at < WIDTH - 42 else "end" if at > WIDTH / 2 else ""
    return _line("axis", at, bottom, at, bottom + 5) + _text(at, bottom + 19, words, place)


def _label(label: str, top: float) -> Markup:
    short = label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"
    return _text(_LEFT - 8, top + 12, short, "end")


def _text(left: float, bottom: float, words: str, place: str) -> Markup:
    return Markup('<text x="{}" y="{}"{}>{}</text>').format(
        round(left, 1), round(bottom, 1), Markup(' class="{}"').format(place) if place else "", words
    )


def _line(kind: str, left: float, top: float, right: float, bottom: float) -> Markup:
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(kind, left, top, right, bottom)


def _box(tone: str, left: float, top: float, wide: float, told: str = "", *, high: int = _BAR) -> Markup:
    hint = Markup("<title>{}</title>").format(told) if told else ""
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}">{}</rect>').format(
        tone, round(left, 1), round(top, 1), round(wide, 1), high, hint
    )
