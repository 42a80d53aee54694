"""A bar on stderr for work that takes longer than a second.

Whatever may take long tells `watch()` what it does and how far it is. That is nobody, unless the program's edge has
entered `showing_progress`; as with logging, no rule depends on who listens.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Literal, Protocol, TextIO

from patchline.patches.wording import readable_size

Unit = Literal["bytes", "items"]
Advance = Callable[[int], None]

_PATIENCE = 1.0
_REDRAW = 0.1
_WIDTH = 24


class Watch:
    """Hears how work goes on; this one tells nobody.

    Attributes:
        claims: how many `progress` blocks are being in; then a file that is read does not say so itself.
    """

    claims = 0

    def tell(self, doing: str, total: int | None = None, unit: Unit = "bytes") -> None:
        """Say what is being done from now on.

        Args:
            doing: such as `verifying`.
            total: how much there is to do; None goes on counting where the total so far is not reached.
            unit: what is counted.
        """

    def advance(self, amount: int) -> None:
        """Say how much more was done."""


_NOBODY = Watch()


class _Bar(Watch):
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._doing, self._total, self._done = "", 0, 0
        self._unit: Unit = "bytes"
        self._next = time.monotonic() + _PATIENCE
        self._shown = False

    def tell(self, doing: str, total: int | None = None, unit: Unit = "bytes") -> None:
        self._doing = doing
        if total is not None or self._done >= self._total:
            self._total, self._done, self._unit = total or 0, 0, unit
        self._draw()

    def advance(self, amount: int) -> None:
        self._done += amount
        self._draw()

    def _draw(self) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _REDRAW
            self._shown = True
            self._write(f"\r\x1b[2K{self._line()}")

    def _write(self, text: str) -> None:
        # A terminal that is gone is no reason to stop.
        with suppress(OSError):
            self._stream.write(text)
            self._stream.flush()

    def clear(self) -> None:
        if self._shown:
            self._shown = False
            self._write("\r\x1b[2K")

    def _line(self) -> str:
        if not self._total:
            return f"{self._doing} {self._amount(self._done)}" if self._done else f"{self._doing} …"
        part = min(1.0, self._done / self._total)
        filled = int(part * _WIDTH)
        bar = "#" * filled + "-" * (_WIDTH - filled)
        return f"{self._doing} [{bar}] {part:4.0%}  {self._amount(self._done)} of {self._amount(self._total)}"

    def _amount(self, number: int) -> str:
        return readable_size(number) if self._unit == "bytes" else f"{number:,}"


_watching: list[_Bar] = []


@contextmanager
def progress(doing: str, total: int | None = None, *, unit: Unit = "bytes") -> Iterator[Advance]:
    """Say what the block does; yields the function to call with how much more was done.

    Files that are read within the block count as part of it.
    """
    outer = watch()
    outer.tell(doing, total, unit)
    outer.claims += 1
    try:
        yield outer.advance
    finally:
        outer.claims -= 1


@contextmanager
def showing_progress() -> Iterator[None]:
    """Show how work goes on, if stderr is a terminal and it takes over a second; the bar goes when the block ends."""
    if not sys.stderr.isatty():
        yield
        return
    bar = _Bar(sys.stderr)
    _watching.append(bar)
    try:
        yield
    finally:
        _watching.remove(bar)
        bar.clear()


def watch() -> Watch:
    """Return who is to be told; nobody outside of `progress`."""
    return _watching[-1] if _watching else _NOBODY


def clear_bars() -> None:
    """Make the terminal's line free for a text; the bar comes back by itself."""
    for bar in _watching:
        bar.clear()


class Readable(Protocol):
    """What can be read from."""

    def read(self, size: int, /) -> bytes:
        """Return at most that many bytes."""
        ...


class WatchedStream:
    """A stream that tells how many bytes were read from it."""

    def __init__(self, stream: Readable, doing: str, size: int) -> None:
        self._stream = stream
        if not watch().claims:
            watch().tell(doing, size)

    def read(self, size: int, /) -> bytes:
        """Return at most that many bytes."""
        data = self._stream.read(size)
        watch().advance(len(data))
        return data
