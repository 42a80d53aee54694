"""Pages of rows: read by keyset, shown as a page, and given to programs as JSON and CSV under the same address.

`?after=KEY&limit=N` asks for a page of rows, `?format=json` or `?format=csv` for another form of the same answer.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Response, jsonify, render_template, request, url_for

from patchline.patches.errors import UsageError

MOST, USUAL = 200, 50
Row = TypeVar("Row")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Page:
    """Which rows are wanted: at most `limit`, after the one of the key `after`."""

    limit: int
    after: str | None

    @classmethod
    def asked(cls) -> "Page":
        """Return what the request asks for.

        Raises:
            UsageError: it is no number of rows.
        """
        given = request.args.get("limit", str(USUAL))
        if not given.isascii() or not given.isdecimal() or not 1 <= int(given[:6]) <= MOST:
            raise UsageError("page", f"a page has 1 to {MOST} rows")
        return cls(int(given), request.args.get("after") or None)

    @property
    def most(self) -> int:
        """How many rows to read: one more than is shown tells whether there are more."""
        return self.limit + 1

    def cut(self, rows: Sequence[Row], key: Callable[[Row], object]) -> tuple[Sequence[Row], str | None]:
        """Return the rows to show, and the key after which the next page begins."""
        shown = rows[: self.limit]
        return shown, str(key(shown[-1])) if len(rows) > self.limit else None


@dataclass(frozen=True)
class Table:
    """Rows as CSV has them, under a name for the file."""

    name: str
    columns: Sequence[str]
    rows: Iterable[Sequence[object]]


def answer(template: str, document: Mapping[str, Any], table: Table | None = None, **shown: Any) -> Response:
    """Return a page, or what it says as JSON or CSV, as `?format=` asks.

    Args:
        template: of the page.
        document: the same for programs, as the command prints it with `--json`; a document with `after` has more rows.
        table: the same as rows, None where there is none.
        shown: what the template needs.

    Raises:
        UsageError: there is no such form.
    """
    wanted = request.args.get("format", "html")
    if wanted == "json" or (wanted == "html" and request.accept_mimetypes.best == "application/json"):
        return jsonify(document)
    if wanted == "csv" and table is not None:
        return _csv(table)
    if wanted != "html":
        raise UsageError("page", f"there is no {wanted[:20]!r} of this page")
    exports = ["json", *(["csv"] if table is not None else [])]
    return Response(
        render_template(template, exports=exports, after=document.get("after"), **shown), mimetype="text/html"
    )


def here(**changed: str | None) -> str:
    """Return the address of this page with other arguments; None takes one away. For links to other forms and rows."""
    given = {**(request.view_args or {}), **request.args.to_dict(flat=False), **changed}
    return url_for(
        request.endpoint or "start.page", **{name: value for name, value in given.items() if value is not None}
    )


def _csv(table: Table) -> Response:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(table.columns)
    writer.writerows([[_cell(value) for value in row] for row in table.rows])
    response = Response(text.getvalue(), mimetype="text/csv")
    response.headers.set("Content-Disposition", "attachment", filename=f"{table.name}.csv")
    return response


def _cell(value: object) -> str:
    """Return a cell; one that a spreadsheet would take for a formula is made a text."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
