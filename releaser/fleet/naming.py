"""How customers, sites and people at customers are named: what may be written, and aliases nobody gave."""

import re
import secrets

from patchline.patches import identifiers
from patchline.patches.errors import UsageError

SITE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LONGEST_TITLE, LONGEST_ALIAS = 200, 64
_ALIAS_LETTERS = 8


def check_id(what: str, text: str, pattern: re.Pattern[str]) -> str:
    """Return an id.

    Raises:
        UsageError: it is none.
    """
    if not pattern.fullmatch(text):
        raise UsageError(
            "customer-field", f"{text[:80]!r} is no id of a {what}: letters, digits, dots, dashes, underscores"
        )
    return text


def check_line(what: str, text: str, longest: int) -> str:
    """Return a line that people read.

    Raises:
        UsageError: it is empty, too long, or more than a line.
    """
    if not text.strip() or len(text) > longest or not text.isprintable():
        raise UsageError("customer-field", f"the {what} has 1 to {longest} printable characters")
    return text


def check_word(what: str, text: str, words: tuple[str, ...]) -> str:
    """Return one of some words.

    Raises:
        UsageError: it is none of them.
    """
    if text not in words:
        raise UsageError("customer-field", f"{text[:80]!r} is no {what}: {', '.join(words)}")
    return text


def new_alias(letter: str) -> str:
    """Return an alias that tells nothing: `C-7K3M-9QZ2`."""
    drawn = identifiers.crockford(secrets.randbits(5 * _ALIAS_LETTERS), _ALIAS_LETTERS)
    return f"{letter}-{identifiers.grouped(drawn, 4)}"
