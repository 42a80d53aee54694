"""Taking the reports of many sites that come at once: those that wait are written in one transaction.

Whoever comes while others are being written waits, and is written with all who waited meanwhile; so the disk is asked
once for many, and no report waits for a clock. Each process has one `Receiver`; the database orders processes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

from patchline.releaser.fleet.keyring import ONLINE
from patchline.releaser.fleet.reports import Checked, Taken, take_checked
from patchline.releaser.register import Register

SITES = "sites"
"""Who takes what sites send: nobody of the vendor's people."""
_TOGETHER = 64


@dataclass
class _Waiting:
    checked: Checked
    now: datetime
    taken: Taken | None = None
    error: Exception | None = field(default=None)

    @property
    def over(self) -> bool:
        return self.taken is not None or self.error is not None


class Receiver:
    """Takes reports whose signatures were verified, from any number of threads."""

    def __init__(self, register: Register) -> None:
        self._register = register
        self._waiting: list[_Waiting] = []
        self._list, self._writing = Lock(), Lock()

    def take(self, checked: Checked, now: datetime) -> Taken:
        """Take a report, with those that wait beside it.

        Raises:
            LockedError, DatabaseError: the database does not take them.
        """
        mine = _Waiting(checked, now)
        with self._list:
            self._waiting.append(mine)
        while not mine.over:
            with self._writing:
                if not mine.over:
                    self._write()
        if mine.error is not None:
            raise mine.error
        assert mine.taken is not None  # noqa: S101 (over without an error)
        return mine.taken

    def _write(self) -> None:
        with self._list:
            batch, self._waiting = self._waiting[:_TOGETHER], self._waiting[_TOGETHER:]
        try:
            with self._register.outside(SITES, max(one.now for one in batch)) as change:
                taken = take_checked(change, [one.checked for one in batch], ONLINE)
        except Exception as error:  # noqa: BLE001 (each of them raises it where it waits)
            _fail(batch, error)
            return
        for one, told in zip(batch, taken, strict=True):
            one.taken = told


def _fail(batch: Sequence[_Waiting], error: Exception) -> None:
    for one in batch:
        one.error = error
