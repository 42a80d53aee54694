"""Patterns for paths, as people know them from ignore files.

`*` and `?` stay within one folder, `**` crosses folders. A pattern without a slash means a name in any folder.
`ROOT:PATTERN` means one root only; without it a pattern holds in every root.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from patchline.patches import identifiers

_TOKEN = re.compile(r"\*\*/|/\*\*$|\*\*|\*|\?|[^*?]+")
_MEANING = {"**/": "(?:.*/)?", "/**": "/.*", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def matches(pattern: str, root: str, path: str) -> bool:
    """Tell whether a pattern means a path of a root."""
    wanted, compiled = _compiled(pattern)
    return (wanted is None or wanted == root) and compiled.fullmatch(path) is not None


def any_matches(patterns: Iterable[str], root: str, path: str) -> bool:
    """Tell whether one of some patterns means a path of a root."""
    for pattern in patterns:  # A generator would cost more than nearly every path needs.
        if matches(pattern, root, path):
            return True
    return False


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> tuple[str | None, re.Pattern[str]]:
    prefix, colon, rest = pattern.partition(":")
    root = prefix if colon and identifiers.ROOT.fullmatch(prefix) else None
    text = rest if root is not None else pattern
    inner = "".join(_MEANING.get(token, re.escape(token)) for token in _TOKEN.findall(text.strip("/")))
    anywhere = "" if "/" in text.rstrip("/") else "(?:.*/)?"
    # A pattern that names a folder means all that lies in it.
    return root, re.compile(f"{anywhere}{inner}(?:/.*)?", re.DOTALL)
