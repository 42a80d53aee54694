"""Canonical JSON (RFC 8785): the only JSON that Patchline signs, hashes or trusts.

A document is read only when its bytes are exactly its own canonical encoding, so two readers cannot disagree about it:
no duplicate keys, no floats, no integers beyond 2^53 - 1, no byte order mark, no spare white space.
"""

import hashlib
import json
import re
from json.encoder import encode_basestring as _encode_text
from typing import Any, NoReturn

import rfc8785

from patchline.patches.errors import DocumentError
from patchline.patches.limits import LIMITS

_SAFE_INTEGER = 2**53 - 1
_FROM_D800 = re.compile(rb"[\xed-\xff]")


def encode(document: Any, *, read_next: bool = False) -> bytes:
    """Return the canonical bytes of a document of dicts, lists, strings, integers, booleans and None.

    Args:
        document: what is written.
        read_next: the caller reads the bytes by `decode`, which refuses what has no canonical form here.
    """
    try:
        data = _encode(document)
    except UnicodeEncodeError:
        raise DocumentError("surrogate", "a document holds an unpaired surrogate") from None
    except (TypeError, ValueError, rfc8785.CanonicalizationError) as error:
        raise DocumentError("not-canonical", f"cannot be written as canonical JSON: {error}") from None
    if not read_next:
        _parse(data, "document")  # Refuses what has no canonical form here: floats, large integers.
    return data


def digest(data: bytes) -> str:
    """Return the SHA-256 of bytes, in lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def decode(data: bytes, *, what: str, limit: int = LIMITS.manifest, light: bool = False) -> Any:
    """Read canonical JSON.

    Args:
        data: the bytes as they came.
        what: name of the document in error messages.
        limit: most bytes accepted.
        light: it has few values, however long they are.

    Raises:
        DocumentError: the bytes are not the canonical encoding of one JSON document within bounds.
    """
    if len(data) > limit:
        raise DocumentError("too-large", f"{what} has {len(data)} bytes, more than {limit}")
    _check_density(data, what, light)
    document = _parse(data, what)
    _check_depth(document, what)
    try:
        canonical = _encode(document)
    except UnicodeEncodeError:
        raise DocumentError("surrogate", f"{what} holds an unpaired surrogate") from None
    if canonical != data:
        raise DocumentError("not-canonical", f"{what} is not in canonical form (RFC 8785)")
    return document


def encode_text(text: str) -> str:
    """Return the canonical form of one string, quotes included: as in a document, but without a document's cost."""
    return _encode_text(text)


def _check_density(data: bytes, what: str, light: bool) -> None:
    """Refuse what would fill the memory: `[],[],…` takes thirty times its size there.

    Marks within strings count too; no text that people write has so many.
    """
    weight = 4 * (data.count(b"[") + data.count(b"{")) + data.count(b",")
    if weight > LIMITS.light + (0 if light else len(data) // LIMITS.bytes_per_weight):
        raise DocumentError("too-many-values", f"{what} holds more values than its {len(data)} bytes should")


def _encode(document: Any) -> bytes:
    """Encode by Python's own encoder where it is canonical too: it is ten times faster.

    For strings, safe integers, booleans and None the two differ only in sorting keys: by UTF-16 code units here, by
    code points there, which is the same order below U+D800 (in UTF-8 the first byte ED).
    """
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    data = text.encode()
    return rfc8785.dumps(document) if _FROM_D800.search(data) else data


def _parse(data: bytes, what: str) -> Any:
    if data.startswith(b"\xef\xbb\xbf"):
        raise DocumentError("byte-order-mark", f"{what} starts with a byte order mark")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DocumentError("encoding", f"{what} is not UTF-8: {error.reason} at byte {error.start}") from None

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) != len(items):
            raise DocumentError("duplicate-key", f"{what} has the same key twice in one object")
        return found

    def number(literal: str) -> NoReturn:
        raise DocumentError("number", f"{what} holds {literal[:20]!r}; only integers are allowed")

    def integer(literal: str) -> int:
        if len(literal) > 17 or abs(int(literal)) > _SAFE_INTEGER:
            raise DocumentError("integer-range", f"{what} holds an integer beyond 2^53 - 1")
        return int(literal)

    try:
        document = json.loads(
            text, object_pairs_hook=pairs, parse_float=number, parse_constant=number, parse_int=integer
        )
    except json.JSONDecodeError as error:
        raise DocumentError("syntax", f"{what} is not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise DocumentError("depth", f"{what} is nested too deeply") from None
    return document


def _check_depth(document: Any, what: str) -> None:
    """Refuse deep nesting, walking without recursion and over arrays and objects alone."""
    level = [document] if isinstance(document, dict | list) else []
    for _ in range(LIMITS.depth):
        level = [
            value
            for item in level
            for value in (item.values() if isinstance(item, dict) else item)
            if isinstance(value, dict | list)
        ]
        if not level:
            return
    raise DocumentError("depth", f"{what} is nested deeper than {LIMITS.depth} levels")
