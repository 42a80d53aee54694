"""Who stands behind an e-mail address: the vendor's own file that turns identities of commits into persons.

    key = "a secret of at least 32 characters, so that nobody can guess who is behind `unknown:…`"

    [people]
    alice = ["alice@example.com", "alice@old.example.com"]

An address that no person owns becomes `unknown:` and its HMAC-SHA256 under the key. Addresses never reach a bundle.
"""

import hashlib
import hmac
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from patchline.patches import identifiers
from patchline.patches.documents import digest
from patchline.patches.errors import BuildError
from patchline.patches.files import read_file

_LIMIT = 16 << 20
_ADDRESS = re.compile(r"[^\s<>@A-Z]+@[^\s<>@A-Z]+")


@dataclass(frozen=True)
class People:
    """Persons by e-mail address.

    Attributes:
        digest: SHA-256 of the file; None when there was none, and every identity is unknown.
    """

    key: bytes
    owners: dict[str, str]
    digest: str | None

    def identify(self, mails: Iterable[str]) -> list[str]:
        """Return the sorted persons behind some lower-case e-mail addresses."""
        return sorted({self.owners.get(mail) or self._unknown(mail) for mail in mails})

    def _unknown(self, mail: str) -> str:
        return "unknown:" + hmac.new(self.key, mail.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Identified:
    """Persons found before, by somebody who had the file of people: neither key nor addresses are needed any more.

    Attributes:
        persons: everybody who contributed to what is built.
        digest: SHA-256 of the file.
    """

    persons: tuple[str, ...]
    digest: str | None

    def identify(self, mails: Iterable[str]) -> list[str]:
        """Return the persons, whoever is asked for."""
        return list(self.persons)


def nobody(context: str) -> People:
    """Return people for a build without a file: all unknown, and not to be linked between two contexts.

    Args:
        context: what the addresses belong to, such as the head commit; no secret, so addresses can be guessed at.
    """
    return People(context.encode(), {}, None)


def read_people(path: Path) -> People:
    """Read a people file.

    Raises:
        BuildError: it is not as the module's text says; the message names the place.
    """
    data = read_file(path, limit=_LIMIT)
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BuildError("people-syntax", f"{path}: {error}") from None
    if unknown := document.keys() - {"key", "people"}:
        raise BuildError("people-syntax", f"{path}: unknown key {min(unknown)!r}")
    key, people = document.get("key"), document.get("people")
    if not isinstance(key, str) or len(key) < 32:
        raise BuildError("people-key", f"{path}: key must be a text of at least 32 characters")
    if not isinstance(people, dict):
        raise BuildError("people-syntax", f"{path}: the table [people] is missing")
    owners: dict[str, str] = {}
    for person, addresses in people.items():
        _take(path, owners, person, addresses)
    return People(key.encode(), owners, digest(data))


def _take(path: Path, owners: dict[str, str], person: str, addresses: object) -> None:
    if not identifiers.PERSON.fullmatch(person):
        raise BuildError("people-person", f"{path}: people.{person} is not a person id")
    if not isinstance(addresses, list) or not addresses:
        raise BuildError("people-address", f"{path}: people.{person} must list e-mail addresses")
    for address in addresses:
        if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
            raise BuildError("people-address", f"{path}: people.{person} has {address!r}, no lower-case e-mail address")
        if owners.setdefault(address, person) != person:
            raise BuildError("people-twice", f"{path}: {address} belongs to {owners[address]} and {person}")
