"""Dates as people give them to commands that ask about the past."""

from datetime import UTC, datetime, timedelta

from patchline.patches.errors import UsageError


def read_moment(text: str) -> datetime:
    """Return the end of a day, or the moment where a time is given; UTC unless it says its offset.

    Raises:
        UsageError: it is no date.
    """
    try:
        found = datetime.fromisoformat(text.strip())
        moment = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        return moment + timedelta(days=1, microseconds=-1) if len(text.strip()) == len("2026-03-05") else moment
    except (ValueError, OverflowError):
        raise UsageError("date", f"{text[:40]!r} is no date") from None


def optional_moment(text: str | None) -> datetime | None:
    """Return `read_moment` of a text, None of none."""
    return read_moment(text) if text is not None else None
