"""The rule of every path in a manifest: what any site can hold, and nothing that leads elsewhere."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache

from patchline.patches.errors import ManifestError
from patchline.patches.limits import LIMITS

OWN_FOLDER = ".patchline"
"""First component that belongs to the applier in every root."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_BIDI = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_NOT_ON_WINDOWS = re.compile(r'[\\:*?"<>|]')
_RESERVED = re.compile(r"(?i:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\..*)?")
_PLAIN = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.+-]*[A-Za-z0-9_+-])?(?:/(?!$)|$))+")
"""What breaks no rule, while short and where case matters: nearly every path."""
CASE_BLIND = frozenset({"windows", "macos"})
PLATFORMS = ("linux", "macos", "unix", "windows")


def check_path(path: str, platforms: Iterable[str]) -> None:
    """Refuse a path that some site could not hold or that points outside its root.

    Raises:
        ManifestError: with a code of its own for each rule.
    """
    case_blind = not CASE_BLIND.isdisjoint(platforms)
    if not case_blind and len(path) <= LIMITS.component and _PLAIN.fullmatch(path):
        return
    shown = f"path {path[:120]!r}"
    for code, broken in (
        ("path-empty", not path),
        ("path-absolute", path.startswith("/")),
        ("path-control", _CONTROL.search(path)),
        ("path-bidi", _BIDI.search(path)),
        ("path-too-long", len(_utf8(path)) > LIMITS.path),
        ("path-double-slash", "//" in path or path.endswith("/")),
    ):
        if broken:
            raise ManifestError(code, f"{shown} is not allowed")
    parts = path.split("/")
    if parts[0].casefold() == OWN_FOLDER:
        raise ManifestError("path-reserved-folder", f"{shown} lies in the applier's own folder")
    for part in parts:
        _check_component(part, shown, case_blind)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _check_component(part: str, shown: str, case_blind: bool) -> None:
    if code := _fault(part, case_blind):
        raise ManifestError(code, f"{shown} is not allowed")


@lru_cache(maxsize=1 << 14)
def _fault(part: str, case_blind: bool) -> str | None:
    """Return the code of the rule that a component breaks; the same few folders stand in thousands of paths."""
    rules = (
        ("path-parent", part == ".."),
        ("path-dot", part == "."),
        ("path-dash", part.startswith("-")),
        ("path-trailing-dot", part.endswith(".")),
        ("path-trailing-space", part.endswith(" ")),
        ("path-component-too-long", len(_utf8(part)) > LIMITS.component),
        ("path-character", case_blind and _NOT_ON_WINDOWS.search(part)),
        ("path-reserved", case_blind and _RESERVED.fullmatch(part)),
    )
    return next((code for code, broken in rules if broken), None)


def check_link(path: str, target: str) -> None:
    """Refuse a link whose target is absolute or leaves the root, judged by its text alone."""
    shown = f"link {path[:120]!r}"
    if not target or _CONTROL.search(target) or _BIDI.search(target) or len(_utf8(target)) > LIMITS.path:
        raise ManifestError("link-empty", f"{shown} has a target that is not allowed")
    if target.startswith("/"):
        raise ManifestError("link-absolute", f"{shown} points to the absolute {target[:120]!r}")
    depth = path.count("/")
    for part in target.split("/"):
        depth += -1 if part == ".." else 0 if part in ("", ".") else 1
        if depth < 0:
            raise ManifestError("link-escape", f"{shown} leaves its root: {target[:120]!r}")


def check_twins(paths: Iterable[str], platforms: Iterable[str]) -> None:
    """Refuse two paths of one root that some file system holds as one."""
    paths = list(paths)
    if not all(map(str.isascii, paths)):  # ASCII has one normal form.
        _check_unique(paths, lambda path: unicodedata.normalize("NFC", path), "path-normal-form-twin")
    if not CASE_BLIND.isdisjoint(platforms):
        _check_unique(paths, lambda path: unicodedata.normalize("NFC", path).casefold(), "path-case-twin")


def _check_unique(paths: Iterable[str], fold: Callable[[str], str], code: str) -> None:
    # Folders count as well: `Lib/a` and `lib/b` cannot both be held where case does not matter.
    seen: dict[str, str] = {}
    for path in paths:
        while path:
            folded = fold(path)
            if seen.setdefault(folded, path) != path:
                raise ManifestError(code, f"path {path[:120]!r} and {seen[folded][:120]!r} are one name")
            path = path.rpartition("/")[0]


def parents(path: str) -> list[str]:
    """Return the folders above a path, nearest first, the root itself left out."""
    above = []
    while "/" in path:
        path = path.rpartition("/")[0]
        above.append(path)
    return above
