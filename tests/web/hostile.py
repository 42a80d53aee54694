"""Hostile text in every column that people or sites fill, and a reader that tells when a page lets any of it through.

    seed(register)                      # everything is there already; the texts of its rows become hostile
    assert not let_through(response)    # no element, attribute or script of the text's own

The rows are changed beneath the rules of the database, so that also text stands there that today's forms refuse: it may
have come in by an import, a backup or an older version.
"""

from __future__ import annotations

from html.parser import HTMLParser

from sqlalchemy import MetaData, String, Text, update
from werkzeug.test import TestResponse

from patchline.releaser.register import Register
from patchline.releaser.table_copy import unguarded

MARK = "zzhostile"
TEXT = (
    f"</td></script><script src=//evil.example/{MARK}></script><img src=x onerror={MARK}()>"
    "\"' onfocus=x autofocus {{7*191}} ${7*191} \u202e\x1b[31m=cmd|'/C calc'!A0"
)
FREE = frozenset(
    (
        *("title", "name", "reason", "note", "notes", "text", "problem", "resolved", "repository", "address", "team"),
        *("contact", "purpose", "source", "workaround", "description", "told", "remark", "browser", "message", "words"),
        *(
            "why",
            "trouble",
            "refused",
            "told_by",
            "username",
            "detail",
            "component",
            "comment",
            "location",
            "zone",
            "reference",
            "tier",
            "phone",
            "mail",
        ),
    )
)
"""Names of columns that hold what somebody wrote. Those that name something elsewhere are keys, and stay."""
KEYS = frozenset(
    {("site", "name"), ("setup", "name"), ("ring", "name"), ("customer", "tier"), ("setup_endpoint", "name")}
)


def seed(register: Register) -> list[str]:
    """Write hostile text into every such column of every row; return the columns, as `table.column`."""
    done = []
    with register.database.write() as session:
        connection = session.connection()
        metadata = MetaData()
        metadata.reflect(connection)
        tables = [table for table in metadata.sorted_tables if table.name != "alembic_version"]
        with unguarded(connection, tables):
            for table in tables:
                pointing = {element.parent.name for key in table.foreign_key_constraints for element in key.elements}
                for column in table.columns:
                    key = column.primary_key or column.name in pointing or (table.name, column.name) in KEYS
                    if key or column.name not in FREE or not isinstance(column.type, String | Text):
                        continue
                    length = column.type.length or len(TEXT)
                    changed = update(table).where(column.is_not(None)).values({column.name: TEXT[:length]})
                    if connection.execute(changed).rowcount:
                        done.append(f"{table.name}.{column.name}")
    return done


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "script" and not given.get("src", "").startswith("/static/"):
            self.found.append(f"a script from {given.get('src', 'the page itself')}")
        for name, value in given.items():
            if name.startswith("on") or name in ("autofocus", "style", "srcdoc"):
                self.found.append(f"<{tag} {name}=…>")
            scheme = value.strip().lower().split(":", 1)[0] if ":" in value else ""
            if name in ("href", "src", "action", "formaction") and scheme in ("javascript", "data", "vbscript"):
                self.found.append(f"<{tag} {name}={value[:40]}>")

    def handle_data(self, data: str) -> None:
        if "1337" in data:
            self.found.append("a template was carried out")


def let_through(response: TestResponse) -> list[str]:
    """Return what of a page is not the page's own."""
    reader = _Reader()
    if response.mimetype == "text/html":
        reader.feed(response.text)
        reader.close()
    headers = [f"header {name}" for name, value in response.headers if MARK in value and name != "Location"]
    return reader.found + headers
