"""The form of a backup: a strict tar (`patches.archive`) whose first member says what must follow.

    backup.json        what it is of: schema, length and head of the audit chain, tables, files
    database.jsonl     all rows (`table_copy`)
    f/00000001 …       the files, in the order in which backup.json names them
    digests            SHA-256 of each of those, a line each

Names of files are believed only after `check_name`; they are looked up below the three places that a backup has.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from patchline.patches import documents
from patchline.patches.archive import OpenMember, read_members
from patchline.patches.errors import BackupError
from patchline.patches.fields import Fields
from patchline.patches.files import open_regular
from patchline.patches.statements import TIME

FORMAT = 1
INDEX, DATABASE, DIGESTS = "backup.json", "database.jsonl", "digests"
HOME, BUNDLES, CHANNEL = "home", "bundles", "channel"
PLACES = (HOME, BUNDLES, CHANNEL)
MOST_FILES = 2_000_000
INDEX_LIMIT = 512 << 20
_MOST = 2**53 - 1
_NAME = re.compile(r"[^/\x00-\x1f\x7f]{1,255}(?:/[^/\x00-\x1f\x7f]{1,255}){0,60}")
_TABLE = re.compile(r"[a-z_]{1,63}")


@dataclass(frozen=True)
class SavedFile:
    """A file of a backup: below which place, under which name, and its size."""

    place: str
    name: str
    size: int


@dataclass(frozen=True)
class Index:
    """What a backup is of.

    Attributes:
        made: when, as statements write it.
        schema: of the database.
        count, head: of the audit chain.
        tables: number of rows by table.
        files: in their order.
        elsewhere: places that are object stores, which no backup copies; by place.
    """

    made: str
    schema: str
    count: int
    head: str
    tables: dict[str, int]
    files: tuple[SavedFile, ...]
    elsewhere: dict[str, str]

    def as_bytes(self) -> bytes:
        """Return the index as it stands in a backup."""
        return documents.encode(
            {
                "format": FORMAT,
                "made": self.made,
                "schema": self.schema,
                "audit": {"count": self.count, "head": self.head},
                "tables": self.tables,
                "files": [[one.place, one.name, one.size] for one in self.files],
                "elsewhere": self.elsewhere,
            }
        )

    @classmethod
    def parse(cls, data: bytes) -> "Index":
        """Read an index.

        Raises:
            BackupError, DocumentError: it is none.
        """
        fields = Fields(documents.decode(data, what=INDEX, limit=INDEX_LIMIT), "backup", BackupError)
        fields.integer("format", FORMAT, FORMAT)
        audit, tables, elsewhere = fields.object("audit"), fields.object("tables"), fields.object("elsewhere")
        for name in tables.document:
            tables.check_text(name, name, pattern=_TABLE)
        return cls(
            made=fields.text("made", pattern=TIME),
            schema=fields.text("schema", limit=32),
            count=audit.integer("count", 0, _MOST),
            head=audit.sha256("head"),
            tables={name: tables.integer(name, 0, _MOST) for name in tables.document},
            files=tuple(_file(item) for item in fields.items("files", most=MOST_FILES)),
            elsewhere={name: elsewhere.text(name, limit=1000) for name in elsewhere.document},
        )

    @property
    def members(self) -> list[str]:
        """The names of the archive's members, in their order."""
        return [INDEX, DATABASE, *(member_name(number) for number in range(len(self.files))), DIGESTS]


def member_name(number: int) -> str:
    """Return the name of the member that is the file of this number."""
    return f"f/{number + 1:08}"


def _file(item: Any) -> SavedFile:
    if not (isinstance(item, list) and len(item) == 3 and item[0] in PLACES and type(item[2]) is int and item[2] >= 0):
        raise BackupError("value", f"the backup's index has {str(item)[:80]!r} among its files")
    return SavedFile(item[0], check_name(item[1]), item[2])


def check_name(name: Any) -> str:
    """Return the name of a file if it stays below its place.

    Raises:
        BackupError: it does not, or is none.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or {".", ".."}.intersection(name.split("/")):
        raise BackupError("name", f"the backup names a file {str(name)[:80]!r}, which none may have")
    return name


def read_index(path: Path) -> Index:
    """Read what a backup is of, and nothing else."""
    with open_regular(path) as file:
        for member in read_members(file, [INDEX], what=path.name):
            return _index(member)
    raise BackupError("value", f"{path.name} has no index")


def _index(member: OpenMember) -> Index:
    if member.size > INDEX_LIMIT:
        raise BackupError("value", f"the backup's index has {member.size} bytes")
    return Index.parse(b"".join(member.chunks()))


class Reading:
    """A backup being read, member by member; each is checked once it was read to its end."""

    def __init__(self, file: BinaryIO, index: Index, name: str) -> None:
        self.index = index
        self._name = name
        self._members = read_members(file, index.members, what=name)
        self._digests: list[str] = []
        next(self._members)

    def database(self) -> "Checked":
        """Return the member with all rows; the first one to be read."""
        return Checked(next(self._members), self._digests)

    def files(self) -> Iterator[tuple[SavedFile, "Checked"]]:
        """Yield every file with its content, which is to be read at once.

        Raises:
            BackupError: the digests are others, or a file has another size.
            ArchiveError: the archive is damaged.
        """
        for saved, member in zip(self.index.files, self._members, strict=False):
            if member.size != saved.size:
                raise BackupError("value", f"{saved.name} has {member.size} bytes in the backup, not {saved.size}")
            content = Checked(member, self._digests)
            yield saved, content
            content.finish()
        self._end()

    def _end(self) -> None:
        member = next(self._members)
        told = b"".join(member.chunks()).decode("ascii", "replace").splitlines()
        for place, (wanted, found) in enumerate(zip(told, self._digests, strict=False)):
            if wanted != found:
                raise BackupError("damaged", f"{self.index.members[place + 1]} in {self._name} is damaged")
        if len(told) != len(self._digests) or next(self._members, None) is not None:
            raise BackupError("damaged", f"{self._name} has other digests than members")


class Checked:
    """A member's content, hashed while it is read."""

    def __init__(self, member: OpenMember, digests: list[str]) -> None:
        self._member = member
        self._hasher = hashlib.sha256()
        self._digests = digests
        self._done = False

    def chunks(self) -> Iterator[bytes]:
        """Yield the content, once."""
        for chunk in self._member.chunks():
            self._hasher.update(chunk)
            yield chunk
        self.finish()

    def finish(self) -> None:
        """Read what is left, and note the digest."""
        if self._done:
            return
        for chunk in self._member.chunks():
            self._hasher.update(chunk)
        self._digests.append(self._hasher.hexdigest())
        self._done = True


@contextmanager
def reading(path: Path) -> Iterator[Reading]:
    """Open a backup.

    Raises:
        BackupError, ArchiveError: it is none.
    """
    index = read_index(path)
    with open_regular(path) as file:
        yield Reading(file, index, path.name)


def check(path: Path) -> Index:
    """Read a whole backup and check every byte of it; return what it is of."""
    with reading(path) as backup:
        backup.database().finish()
        for _, content in backup.files():
            content.finish()
        return backup.index
