"""Dates as people give them to ask about the past."""

from datetime import UTC, datetime, timedelta

from patchline.patches.errors import UsageError

_DAY = len("2026-03-05")


def read_moment(text: str, now: datetime, *, start: bool = False) -> datetime:
    """Return the end of a day, or the moment where a time is given; UTC unless it says its offset.

    Args:
        text: as somebody wrote it.
        now: what is asked for lies before it; the rest of today counts as now.
        start: a day alone means its beginning.

    Raises:
        UsageError: it is no date, or has not come yet.
    """
    written = text.strip()
    try:
        found = datetime.fromisoformat(written)
        moment = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError("date", f"{written[:40]!r} is no date") from None
    if moment > now:
        raise UsageError("date", f"{written[:40]} has not come yet")
    if start or len(written) != _DAY:
        return moment
    return min(moment + timedelta(days=1, microseconds=-1), now)


def optional_moment(text: str | None, now: datetime, *, start: bool = False) -> datetime | None:
    """Return `read_moment` of a text, None of none."""
    return read_moment(text, now, start=start) if text is not None else None


def moment_to_come(written: str) -> datetime:
    """Return the beginning of a day, or a moment, that may lie ahead; UTC unless it says its offset.

    Raises:
        UsageError: it is no date.
    """
    try:
        found = datetime.fromisoformat(written.strip())
    except ValueError:
        raise UsageError("date", f"{written[:40]!r} is no date") from None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
