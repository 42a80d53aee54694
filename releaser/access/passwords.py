"""Passwords: how they are kept, and which are taken.

- Argon2id at one cost that stands here; what a stored hash asks for beyond bounds is not computed.
- Only a few are computed at once in a process: whoever sends passwords by the thousand waits, and nobody else does.
- Where there is no password to compare with, the same work is done, so that the time tells nothing.
"""

import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from patchline.patches.errors import LockedError, PasswordError

SHORTEST, LONGEST = 12, 256
_AT_ONCE = 2
"""With the memory that each takes, what a process needs for them at most."""
_PATIENCE_S = 10
_MEMORY_KIB, _ROUNDS, _LANES = 32_768, 3, 1
_MOST_MEMORY_KIB, _MOST_ROUNDS = 131_072, 10
_hasher = PasswordHasher(time_cost=_ROUNDS, memory_cost=_MEMORY_KIB, parallelism=_LANES)
_computing = threading.BoundedSemaphore(_AT_ONCE)
# Of a random text that nobody kept, at the cost above.
NOBODYS = "$argon2id$v=19$m=32768,t=3,p=1$5AWAG2Yo5/MegcnbXREIYw$LrKEQANmHy+6iWDgi+dwXtwOP88v94N0vyGCmWpgscs"
_COMMON = (
    *("password", "passwort", "passphrase", "letmein", "welcome", "willkommen", "qwerty", "qwertz", "azerty", "admin"),
    *("administrator", "root", "user", "test", "secret", "geheim", "changeme", "default", "login", "master", "guest"),
    *("iloveyou", "hallo", "hello", "monkey", "dragon", "football", "baseball", "sunshine", "princess", "superman"),
    *("batman", "summer", "sommer", "winter", "spring", "autumn", "herbst", "monday", "montag", "january", "januar"),
    *("computer", "internet", "server", "company", "firma", "support", "patchline", "hotfix", "release", "vendor"),
)
_LOOKALIKES = str.maketrans("013457@$!|+", "oieastasilt")
_FEWEST_DIFFERENT = 5


def check_new(password: str, names: Iterable[str]) -> None:
    """Refuse what others guess first. What it is made of is the person's affair.

    Args:
        password: as it was typed.
        names: what the person is called here, and what runs here is.

    Raises:
        PasswordError: it is too short or too long, or a name, a common word or a row of keys.
    """
    if len(password) < SHORTEST:
        raise PasswordError("short", f"a password has at least {SHORTEST} characters")
    if len(password) > LONGEST:
        raise PasswordError("long", f"a password has at most {LONGEST} characters")
    if len(set(password.casefold())) < _FEWEST_DIFFERENT or _is_row(password):
        raise PasswordError("guessable", "it is a row of characters that others guess first")
    if _is_made_of(password, {*_COMMON, *(word for name in names for word in _words(name))}):
        raise PasswordError("guessable", "it is made of a name or of words that others guess first")


def _words(name: str) -> Iterator[str]:
    yield from (word for word in re.split(r"[\W_]+", name.casefold()) if len(word) >= 3)


def _is_row(password: str) -> bool:
    """Tell whether each character follows the one before, as in `123456789012`, but for a few."""
    steps = [ord(after) - ord(before) for before, after in pairwise(password.casefold())]
    return sum(step in (-1, 0, 1) for step in steps) > len(steps) - 3


def _is_made_of(password: str, words: set[str]) -> bool:
    """Tell whether nothing is left of it but a few characters when words are taken away."""
    plain = password.casefold()
    known = sorted(words, key=len, reverse=True)
    return any(_left(text, known) < _FEWEST_DIFFERENT for text in (plain, plain.translate(_LOOKALIKES)))


def _left(text: str, words: list[str]) -> int:
    for word in words:
        text = text.replace(word, " ")
    return len({character for character in text if character.isalpha()})


def compute(password: str) -> str:
    """Return a password as it is kept.

    Raises:
        LockedError: too many others are being computed.
    """
    with _turn():
        return _hasher.hash(_plain(password))


def agrees(kept: str | None, password: str) -> bool:
    """Tell whether a password is the one that is kept. It takes as long whether it is or not, and if none is kept.

    Raises:
        LockedError: too many others are being computed.
    """
    usable = kept if kept is not None and _is_affordable(kept) else None
    with _turn():
        try:
            _hasher.verify(usable or NOBODYS, _plain(password[: LONGEST + 1]))
        except VerificationError:
            return False
    return usable is not None


def is_outdated(kept: str) -> bool:
    """Tell whether a password is kept at another cost than new ones are."""
    return _hasher.check_needs_rehash(kept)


def _is_affordable(kept: str) -> bool:
    try:
        asked = extract_parameters(kept)
    except InvalidHashError:
        return False
    return asked.memory_cost <= _MOST_MEMORY_KIB and asked.time_cost <= _MOST_ROUNDS and asked.parallelism <= _LANES


def _plain(password: str) -> bytes:
    """Return it as bytes, the same however a keyboard composes its characters."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


@contextmanager
def _turn() -> Iterator[None]:
    if not _computing.acquire(timeout=_PATIENCE_S):
        raise LockedError("passwords", "too many people are signing in at once")
    try:
        yield
    finally:
        _computing.release()
