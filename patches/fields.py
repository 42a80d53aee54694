"""Typed reading of a decoded document, field by field, with errors that name the place.

The family given raises with the codes `missing`, `type` and `value`; every reader of documents uses this one.
Keys that nobody asks for are left alone: a document may carry more than this client knows.
"""

import re
from collections.abc import Iterator
from typing import Any

from patchline.patches.errors import PatchlineError

Family = type[PatchlineError]
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_HEX_DIGEST = re.compile(r"[0-9a-f]{64}")


class Fields:
    """One JSON object being read.

    Attributes:
        where: name of the object in messages, such as `manifest.files[3]`.
        document: the object itself.
    """

    def __init__(self, document: Any, where: str, family: Family) -> None:
        self.where = where
        self.family = family
        if not isinstance(document, dict):
            raise family("type", f"{where} must be an object")
        self.document: dict[str, Any] = document

    def fail(self, code: str, message: str) -> Any:
        """Raise the family's error for this object."""
        raise self.family(code, f"{self.where}{message}")

    def has(self, key: str) -> bool:
        """Tell whether the key is there and not null."""
        return self.document.get(key) is not None

    def _get(self, key: str, kind: type, name: str) -> Any:
        if key not in self.document:
            self.fail("missing", f".{key} is missing")
        value = self.document[key]
        # bool is an int in Python; JSON's true is no number.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.fail("type", f".{key} must be {name}")
        return value

    def integer(self, key: str, low: int, high: int) -> int:
        """Return an integer within low..high."""
        value: int = self._get(key, int, "an integer")
        if not low <= value <= high:
            self.fail("value", f".{key} is {value}, not within {low}..{high}")
        return value

    def boolean(self, key: str) -> bool:
        """Return true or false."""
        value: bool = self._get(key, bool, "true or false")
        return value

    def text(self, key: str, *, limit: int = 300, pattern: re.Pattern[str] | None = None, lines: bool = False) -> str:
        """Return a non-empty string of at most `limit` characters; control characters only as line feeds if `lines`."""
        value: str = self._get(key, str, "a string")
        self.check_text(key, value, limit=limit, pattern=pattern, lines=lines)
        return value

    def check_text(
        self, key: str, value: str, *, limit: int = 300, pattern: re.Pattern[str] | None = None, lines: bool = False
    ) -> None:
        """Apply the rules of `text` to a string at hand."""
        control = _CONTROL_BUT_LINES if lines else _CONTROL
        if not value or len(value) > limit or control.search(value) or (pattern and not pattern.fullmatch(value)):
            self.fail("value", f".{key} is not allowed: {value[:80]!r}")

    def optional_text(self, key: str, *, limit: int = 10_000, lines: bool = True) -> str | None:
        """Return a string, or None when the key is missing or null."""
        return self.text(key, limit=limit, lines=lines) if self.has(key) else None

    def choice(self, key: str, allowed: tuple[str, ...], code: str = "value") -> str:
        """Return one of the allowed strings; anything else is an error of the given code."""
        value: str = self._get(key, str, "a string")
        if value not in allowed:
            self.fail(code, f".{key} is {value[:80]!r}; known are {', '.join(allowed)}")
        return value

    def sha256(self, key: str) -> str:
        """Return a SHA-256 digest: 64 lower-case hexadecimal digits."""
        value: str = self._get(key, str, "a string")
        if not _HEX_DIGEST.fullmatch(value):
            self.fail("value", f".{key} is not allowed: {value[:80]!r}")
        return value

    def items(self, key: str, *, most: int) -> list[Any]:
        """Return a list of at most `most` items."""
        value: list[Any] = self._get(key, list, "a list")
        if len(value) > most:
            self.fail("value", f".{key} has {len(value)} items, more than {most}")
        return value

    def texts(
        self, key: str, *, most: int = 10_000, limit: int = 300, pattern: re.Pattern[str] | None = None
    ) -> tuple[str, ...]:
        """Return a list of strings, each as `text` reads it."""
        values = self.items(key, most=most)
        for value in values:
            if not isinstance(value, str):
                self.fail("type", f".{key} must hold strings")
            self.check_text(key, value, limit=limit, pattern=pattern)
        return tuple(values)

    def object(self, key: str) -> "Fields":
        """Return the object below a key."""
        return Fields(self._get(key, dict, "an object"), f"{self.where}.{key}", self.family)

    def objects(self, key: str, *, most: int) -> Iterator["Fields"]:
        """Yield the objects of a list."""
        for number, item in enumerate(self.items(key, most=most)):
            yield Fields(item, f"{self.where}.{key}[{number}]", self.family)
