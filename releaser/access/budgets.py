"""How many requests somebody's programs may make in a minute, for all processes of a server together.

A process takes a portion of the minute's budget from the database and spends it by itself: so most requests ask no
database, and all processes together never give out more than the budget.
"""

from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from sqlalchemy import case
from sqlalchemy.dialects import postgresql, sqlite

from patchline.patches.errors import BudgetError
from patchline.releaser.register import Register
from patchline.releaser.tables.webhooks import Spent

PER_MINUTE = 1_200
PORTION = 60
_MOST_KEPT = 10_000


@dataclass
class _Purse:
    """What a process has left of a minute; nothing is to be had any more when it is empty and `last`."""

    minute: int
    left: int
    last: bool


class Budgets:
    """The budgets that a process spends; each process has one of these."""

    def __init__(self, register: Register, per_minute: int = PER_MINUTE, portion: int = PORTION) -> None:
        self._register, self._per_minute, self._portion = register, per_minute, portion
        self._purses: dict[str, _Purse] = {}
        self._lock = Lock()

    def spend(self, key: str, now: datetime) -> None:
        """Take one request from somebody's budget.

        Raises:
            BudgetError: nothing is left in this minute.
        """
        minute = int(now.timestamp()) // 60
        with self._lock:
            purse = self._purses.get(key)
            if purse is None or purse.minute != minute or (purse.left < 1 and not purse.last):
                purse = self._purses[key] = self._portion_of(key, minute)
                self._tidy(minute)
            if purse.left < 1:
                wait = 60 - int(now.timestamp()) % 60
                raise BudgetError("spent", f"{key} made {self._per_minute} requests in this minute", wait)
            purse.left -= 1

    def _portion_of(self, key: str, minute: int) -> _Purse:
        insert = sqlite.insert if self._register.database.is_sqlite else postgresql.insert
        adding = insert(Spent).values(key=key, minute=minute, taken=self._portion)
        taken = case((Spent.minute == minute, Spent.taken + self._portion), else_=self._portion)
        upsert = adding.on_conflict_do_update(index_elements=[Spent.key], set_={"minute": minute, "taken": taken})
        with self._register.database.write() as session:
            total = session.execute(upsert.returning(Spent.taken)).scalar_one()
        over = max(total - self._per_minute, 0)
        return _Purse(minute, max(self._portion - over, 0), total >= self._per_minute)

    def _tidy(self, minute: int) -> None:
        if len(self._purses) > _MOST_KEPT:
            self._purses = {key: purse for key, purse in self._purses.items() if purse.minute == minute}
