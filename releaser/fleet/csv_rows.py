"""Tables as people export them from a spreadsheet: commas, semicolons or tabs, with or without a byte order mark."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO

from patchline.patches.errors import PatchlineError, UsageError

_DELIMITERS = ",;\t"
_NAMED = "sep="

Problem = tuple[int, PatchlineError]
"""The number of a row, and what is wrong with it."""


@dataclass(frozen=True)
class Row:
    """A row under the header, with its number in the spreadsheet; cells without blanks around them, empty ones left out."""

    number: int
    cells: dict[str, str]

    def get(self, column: str) -> str | None:
        """Return a cell, None when it is empty."""
        return self.cells.get(column)


def read_rows(data: bytes, columns: Sequence[str], needed: Sequence[str]) -> tuple[list[Row], list[Problem]]:
    """Return the rows of a table, and what is wrong with others.

    Raises:
        UsageError: it is no table, or its header is not as it must be.
    """
    text = _text(data)
    first, _, rest = text.partition("\n")
    if first.strip().lower().startswith(_NAMED):
        return _rows(rest, first.strip()[len(_NAMED) :][:1], 3, columns, needed)
    return _rows(text, max(_DELIMITERS, key=first.count), 2, columns, needed)


def _text(data: bytes) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        row = data[: error.start].count(b"\n") + 1
        raise UsageError("import-file", f"row {row} has a character that is not UTF-8") from None


def _rows(
    text: str, delimiter: str, first: int, columns: Sequence[str], needed: Sequence[str]
) -> tuple[list[Row], list[Problem]]:
    if delimiter not in _DELIMITERS or "\0" in text:
        raise UsageError("import-file", "this is no table of text")
    try:
        header, *lines = list(csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)) or [[]]
    except csv.Error as error:
        raise UsageError("import-file", f"this is no table: {error}") from None
    names = _header(header, columns, needed)
    rows: list[Row] = []
    problems: list[Problem] = []
    for number, line in enumerate(lines, first):
        cells = [cell.strip() for cell in line]
        if not any(cells):
            continue
        if any(cells[len(names) :]):
            problems.append((number, UsageError("import-file", "it has more cells than the header")))
            continue
        rows.append(Row(number, {name: cell for name, cell in zip(names, cells, strict=False) if name and cell}))
    return rows, problems


def _header(header: Sequence[str], columns: Sequence[str], needed: Sequence[str]) -> list[str]:
    names = [name.strip().lower().replace(" ", "_") for name in header]
    given = [name for name in names if name]
    if missing := [name for name in needed if name not in given]:
        raise UsageError("import-file", f"there is no column {missing[0]}; the first row names the columns")
    if unknown := [name for name in given if name not in columns]:
        raise UsageError("import-file", f"a column {unknown[0][:80]!r} means nothing; known are {', '.join(columns)}")
    if twice := [name for name in given if given.count(name) > 1]:
        raise UsageError("import-file", f"there are two columns {twice[0]}")
    return names


def read_day(column: str, text: str) -> datetime:
    """Return the moment that a cell says; a day alone is its beginning in UTC.

    Raises:
        UsageError: it is none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError("import-file", f"{column} is {text[:80]!r}, which is no date such as 2026-03-03") from None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
