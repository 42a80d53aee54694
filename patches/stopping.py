"""An orderly stop: SIGINT, SIGTERM and a lost terminal become one exception, and can wait while something must finish.

- `stoppable` is entered once, by the program's edge: the three signals raise `Stopped` from then on.
- `finishing` surrounds what may not be left half done: a signal that comes meanwhile is raised at its end.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """Somebody told the program to stop; whoever undoes on `KeyboardInterrupt` undoes on this.

    Attributes:
        signal: which signal told it.
    """

    def __init__(self, number: int) -> None:
        self.signal = signal.Signals(number)
        super().__init__(f"stopped by {self.signal.name}")

    @property
    def exit_code(self) -> int:
        """128 plus the signal's number, as shells have it: 130 for SIGINT, 143 for SIGTERM."""
        return 128 + self.signal


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise `Stopped` for each of the three signals, except those the caller of the program ignores (nohup)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in STOPPING}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def finishing() -> Iterator[None]:
    """Let nothing stop the block; the first signal that came is raised when it has ended well.

    When the block itself fails, its error wins.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in STOPPING}
    try:  # From here on: a signal may come between the first handler and the last.
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, lambda number, frame: came.append(number))
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise Stopped(came[0])
