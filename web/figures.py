"""Plots that stand on pages of several people: how long approvals took, and what expires when."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from patchline.patches.manifest import SEVERITIES
from patchline.releaser.approval_times import Took
from patchline.web.plots import Bar, Group, Heading, Plot, bars, spread


def time_to_approve(found: Sequence[Took], now: datetime) -> Plot:
    """Return how long approvals took, by severity, the gravest first."""
    by_severity = {severity: tuple(one.days for one in found if one.severity == severity) for severity in SEVERITIES}
    groups = [Group(severity, days) for severity, days in by_severity.items()]
    return spread(Heading("time-to-approve", "From review to approval", "days", now), groups)


def expiries(found: Mapping[str, datetime], warned: Iterable[str], now: datetime) -> Plot:
    """Return the days until things expire, the next first.

    Args:
        found: when each expires.
        warned: those of which somebody should take care by now.
        now: the time.
    """
    due = set(warned)
    rows = sorted(found.items(), key=lambda one: one[1])
    heading = Heading("expiries", "What expires when", "days", now)
    return bars(heading, [Bar(name, max((at - now).days, 0), _tone(at, name in due, now)) for name, at in rows])


def _tone(at: datetime, due: bool, now: datetime) -> str:
    return "bad" if at <= now else "warn" if due else "good"
