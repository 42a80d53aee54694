"""A table on its way into the register: its rows, what is wrong with them, and what they meet there."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute

from patchline.patches.errors import PatchlineError
from patchline.releaser.fleet.csv_rows import Problem, Row
from patchline.releaser.register import Change
from patchline.releaser.tables.base import Base
from patchline.releaser.tables.customers import Customer, Site

_AT_ONCE = 500

Entity = TypeVar("Entity", bound=Base)
Key = TypeVar("Key", int, str)


@dataclass
class Taken:
    """How much of a table was new or different."""

    customers_added: int = 0
    customers_changed: int = 0
    sites_added: int = 0
    sites_changed: int = 0
    contacts: int = 0
    entitlements: int = 0
    levels: int = 0

    def __bool__(self) -> bool:
        return any(vars(self).values())


@dataclass
class Work:
    """A table under way.

    Attributes:
        problems: what is wrong with any row; what has none is put into the session.
        products: those of the register.
        customers, sites: those of the table that are there or were added, by id and name.
    """

    change: Change
    rows: Sequence[Row]
    problems: list[Problem]
    products: frozenset[str]
    taken: Taken = field(default_factory=Taken)
    customers: dict[str, Customer] = field(default_factory=dict)
    sites: dict[str, Site] = field(default_factory=dict)

    @contextmanager
    def about(self, row: Row) -> Iterator[None]:
        """Remember what cannot be done for a row, and go on."""
        try:
            yield
        except PatchlineError as error:
            self.problems.append((row.number, error))

    def found(self, column: InstrumentedAttribute[Key], keys: Iterable[Key], table: type[Entity]) -> list[Entity]:
        """Return rows of the database by a key, some at a time."""
        wanted = sorted(set(keys))
        found: list[Entity] = []
        for start in range(0, len(wanted), _AT_ONCE):
            found += self.change.session.scalars(select(table).where(column.in_(wanted[start : start + _AT_ONCE])))
        return found

    def values(self, column: str) -> list[str]:
        """Return what stands in a column."""
        return [value for row in self.rows if (value := row.get(column)) is not None]
