"""Plots of invented figures, one of each kind, for the page that shows the look."""

from datetime import datetime, timedelta

from patchline.web.plots import Bar, Group, Heading, Plot, Stack, bars, over_time, spread, stacked


def plots(now: datetime) -> list[Plot]:
    """Return one plot of each kind."""
    return [_adoption(now), _rings(now), _ages(now), _approvals(now)]


def _adoption(now: datetime) -> Plot:
    figures = (2, 5, 9, 31, 88, 240, 236, 251, 590, 871, 1_012, 1_188, 1_204)
    points = [(now - timedelta(days=5 * (len(figures) - at)), value) for at, value in enumerate(figures)]
    return over_time(Heading("adoption", "Sites that have HF-2026-0012", "sites", now), points, whole=1_310)


def _rings(now: datetime) -> Plot:
    tones = {"has it": "good", "waits": "busy", "silent": "warn", "problem": "bad", "not reached": "off"}
    stacks = [
        Stack("canary", {"has it": 12}),
        Stack("early", {"has it": 180, "waits": 41, "silent": 6, "problem": 2}),
        Stack("everyone who is left, of all regions", {"not reached": 1_069}),
    ]
    return stacked(Heading("rings", "Rings of a rollout", "sites", now), stacks, tones, shares=True)


def _ages(now: datetime) -> Plot:
    found = [Bar("this week", 811, "good"), Bar("this month", 322, "good"), Bar("this quarter", 121, "warn")]
    return bars(
        Heading("ages", "How old our evidence is", "sites", now),
        [*found, Bar("older", 39, "bad"), Bar("never", 17, "off")],
    )


def _approvals(now: datetime) -> Plot:
    groups = [Group("critical", (0.2, 0.4, 0.4, 0.9, 2.1)), Group("important", (0.8, 1.2, 1.9, 2.6, 3.3, 6.8))]
    return spread(Heading("approvals", "From review to approval", "days", now), [*groups, Group("moderate", (4.2,))])
