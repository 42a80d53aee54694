"""Strict reading of a TOML file that people write: typed, and what nobody asks for is a mistake."""

import re
import tomllib
from pathlib import Path
from typing import Any

from patchline.patches.errors import RecipeError

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class TomlTable:
    """One table being read; `end` refuses the keys that nobody asked for.

    Attributes:
        path: the file, for messages.
        where: name of the table in it, empty for the whole file.
    """

    def __init__(self, document: Any, path: Path, where: str) -> None:
        self.path, self.where = path, where
        if not isinstance(document, dict):
            raise RecipeError("type", f"{path}: {where} must be a table")
        self._left: dict[str, Any] = dict(document)

    @classmethod
    def parse(cls, data: bytes, path: Path) -> "TomlTable":
        """Read a whole file.

        Raises:
            RecipeError: it is not TOML; the message names line and column.
        """
        try:
            return cls(tomllib.loads(data.decode("utf-8")), path, "")
        except UnicodeDecodeError as error:
            raise RecipeError("encoding", f"{path} is not UTF-8 at byte {error.start}") from None
        except tomllib.TOMLDecodeError as error:
            raise RecipeError("syntax", f"{path}: {error}") from None
        except RecursionError:
            raise RecipeError("syntax", f"{path} is nested too deeply") from None

    def fail(self, code: str, key: str, message: str) -> RecipeError:
        """Return the error for a key."""
        return RecipeError(code, f"{self.path}: {self._name(key)} {message}")

    def _name(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key

    def end(self) -> None:
        """Refuse keys that were not asked for."""
        for key in self._left:
            raise self.fail("unknown-key", key, "is not a key of a recipe")

    def take(self, key: str, kind: type, name: str) -> Any:
        """Return the value of a key, None when it is missing."""
        value = self._left.pop(key, None)
        if value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
            raise self.fail("type", key, f"must be {name}")
        return value

    def needed(self, key: str, value: Any) -> Any:
        """Return a value, which must be there."""
        if value is None:
            raise self.fail("missing", key, "is missing")
        return value

    def text(self, key: str, *, limit: int = 10_000, pattern: re.Pattern[str] | None = None) -> str | None:
        """Return a text."""
        value = self.take(key, str, "a text")
        if value is None:
            return None
        if not value or len(value) > limit or _CONTROL.search(value) or (pattern and not pattern.fullmatch(value)):
            raise self.fail("value", key, f"is not allowed: {value[:80]!r}")
        return str(value)

    def needed_text(self, key: str, *, pattern: re.Pattern[str] | None = None) -> str:
        """Return a text that must be there."""
        return str(self.needed(key, self.text(key, pattern=pattern)))

    def choice(self, key: str, allowed: tuple[str, ...]) -> str | None:
        """Return one of some words."""
        value = self.text(key)
        if value is not None and value not in allowed:
            raise self.fail("value", key, f"is {value!r}; known are {', '.join(allowed)}")
        return value

    def texts(self, key: str, allowed: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return a list of texts, empty when the key is missing."""
        values = self.take(key, list, "a list") or []
        for value in values:
            if not isinstance(value, str) or not value or _CONTROL.search(value):
                raise self.fail("type", key, "must hold texts")
            if allowed and value not in allowed:
                raise self.fail("value", key, f"names {value!r}; known are {', '.join(allowed)}")
        return tuple(values)

    def integer(self, key: str, low: int, high: int) -> int | None:
        """Return a number."""
        value = self.take(key, int, "a number")
        if value is not None and not low <= value <= high:
            raise self.fail("value", key, f"is {value}, not within {low}..{high}")
        return None if value is None else int(value)

    def flag(self, key: str, default: bool = False) -> bool:
        """Return true or false."""
        value = self.take(key, bool, "true or false")
        return default if value is None else bool(value)

    def date(self, key: str) -> str | None:
        """Return a date, written as a date or as a text."""
        value = self._left.pop(key, None)
        text = None if value is None else str(value)
        if text is not None and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            raise self.fail("value", key, "must be a date such as 2027-01-31")
        return text

    def table(self, key: str) -> "TomlTable":
        """Return the table below a key, empty when it is missing."""
        return TomlTable(self._left.pop(key, {}), self.path, self._name(key))

    def tables(self, key: str) -> "list[TomlTable]":
        """Return the tables of a list."""
        values = self.take(key, list, "a list of tables") or []
        return [TomlTable(value, self.path, f"{self._name(key)}[{number}]") for number, value in enumerate(values, 1)]

    def names(self) -> list[str]:
        """Return the keys that nobody asked for yet."""
        return list(self._left)
