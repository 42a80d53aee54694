"""How things are named: hotfixes, products, versions, fixes, persons; and short forms people read aloud.

A vendor's version string is kept as the vendor writes it (`22.09.1.0`, `8.10 U3c`); nothing here parses or orders one.
"""

import re

HOTFIX = re.compile(r"(?=.{3,64}\Z)[A-Z][A-Z0-9]*(-[A-Z0-9]+)+")
PRODUCT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
VERSION = re.compile(r"[^\s](.{0,126}[^\s])?")
FIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:#/-]{0,63}")
ROOT = re.compile(r"[a-z][a-z0-9-]{0,31}")
PERSON = re.compile(r"[a-z][a-z0-9._-]{0,63}")
CONTRIBUTOR = re.compile(r"[a-z][a-z0-9._-]{0,63}|unknown:[0-9a-f]{64}")
DIGEST = re.compile(r"[0-9a-f]{64}")
CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,}")
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CHECK_MODULUS = 1021


def crockford(number: int, length: int) -> str:
    """Write a number as `length` Crockford base32 characters, most significant first."""
    return "".join(_CROCKFORD[number >> 5 * place & 31] for place in reversed(range(length)))


def read_crockford(letters: str) -> int | None:
    """Return the number that characters of `crockford` write, None when one is none of them."""
    number = 0
    for letter in letters:
        if letter not in _CROCKFORD:
            return None
        number = number << 5 | _CROCKFORD.index(letter)
    return number


def grouped(text: str, size: int) -> str:
    """Put a dash after every `size` characters."""
    return "-".join(text[start : start + size] for start in range(0, len(text), size))


def fingerprint(digest: str) -> str:
    """Return the form of a SHA-256 (hexadecimal) that people compare: its first 125 bits, 25 characters in fives."""
    return grouped(crockford(int(digest, 16) >> 131, 25), 5)


def plain_fingerprint(typed: str) -> str:
    """Return a fingerprint as somebody typed it, without what people add or mistake in Crockford's letters."""
    return typed.upper().replace("-", "").replace(" ", "").translate(str.maketrans("OIL", "011"))


def level_code(digest: str) -> str:
    """Return the code of a level told by phone, `XXXX-XXXX-XXXX`: 50 bits of its SHA-256 and a check of 10 bits."""
    bits = int(digest, 16) >> 206
    return grouped(crockford(bits << 10 | bits % _CHECK_MODULUS, 12), 4)


def read_level_code(spoken: str) -> str | None:
    """Return the code as `level_code` writes it, from what somebody heard or typed; None when its check fails."""
    letters = plain_fingerprint(spoken)
    number = read_crockford(letters)
    if number is None or len(letters) != 12:
        return None
    return grouped(letters, 4) if (number >> 10) % _CHECK_MODULUS == number & 1023 else None
