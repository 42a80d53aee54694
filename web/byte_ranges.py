"""Which part of a file a request wants, by RFC 9110; touches nothing.

One part at a time is handed out. Who asks for several, or says it in a way that is none, gets the whole file, as the
RFC allows; so no request makes many parts of one.
"""

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Span:
    """Bytes from `start` up to before `stop`; `part` when they were asked for by a range."""

    start: int
    stop: int
    part: bool

    @property
    def length(self) -> int:
        """How many they are."""
        return self.stop - self.start


def span(wanted: str | None, condition: str | None, etag: str, size: int) -> Span | None:
    """Return what to send; None when no byte that is asked for is there.

    Args:
        wanted: the header `Range`.
        condition: the header `If-Range`; a part of another file than the client began with is worth nothing.
        etag: of the file as it is, with its quotes.
        size: of the file.
    """
    whole = Span(0, size, part=False)
    match = _RANGE.fullmatch(wanted.strip()) if wanted else None
    if match is None or (condition is not None and condition.strip() != etag):
        return whole
    first, last = match.groups()
    if not first:
        return _end(int(last), size) if last else whole
    start = int(first)
    if last and int(last) < start:
        return whole
    return Span(start, min(int(last) + 1, size) if last else size, part=True) if start < size else None


def _end(count: int, size: int) -> Span | None:
    return Span(max(size - count, 0), size, part=True) if count and size else None
