"""An append-only file of rows, each sealed to the one before: the form of journal and ledger.

- A row is one line: 64 hexadecimal digits, a space, the row as canonical JSON, a line feed. The digits are
  HMAC-SHA256(site secret, name of the file + line feed + digits of the row before + row).
- A row whose writing failed is cut off at once: it must not be found there later, after other things were done instead.
- A last line that is not whole is what a power loss leaves: it was never promised, and the next append cuts it off.
  Any other line that does not fit was edited: refused.
- A last row that is missing is noticed by whoever knows the head the file should have (journal and ledger know each
  other's).
"""

import hmac
from typing import Any

from patchline.patches import documents
from patchline.patches.errors import DocumentError, InstallationError
from patchline.patches.site.area import Area
from patchline.patches.site.disk import Disk

START = "0" * 64
"""The head of a file without rows."""
_LIMIT = 1 << 30


class Chain:
    """The rows of one file.

    Attributes:
        rows: the documents, oldest first.
        head: the digits of the last row; `START` when there is none.
    """

    def __init__(self, area: Area, path: str, secret: bytes, disk: Disk) -> None:
        """Read the file.

        Raises:
            InstallationError: a row was changed, or the file is not there.
        """
        self._area, self._path, self._secret, self._disk = area, path, secret, disk
        self.rows: list[dict[str, Any]] = []
        self.head = START
        self.heads: list[str] = []
        try:
            data = area.read(path, _LIMIT)
        except FileNotFoundError:
            raise InstallationError("state", f"{area.path / path} is missing") from None
        whole, self._torn = self._read(data)
        self._size = whole

    @staticmethod
    def first(name: str, row: dict[str, Any], secret: bytes) -> bytes:
        """Return the bytes of a new file with one row."""
        return _line(name, row, START, secret)[1]

    def start(self, row: dict[str, Any]) -> None:
        """Put a new file with one row in the place of this one, durably; until then the old one stands."""
        digits, line = _line(self._path, row, START, self._secret)
        self._disk.replace(self._area, self._path, line)
        self.rows, self.heads, self._size, self._torn = [], [], 0, False
        self._add(row, digits, len(line))

    def append(self, row: dict[str, Any]) -> None:
        """Add a row, durably.

        Raises:
            OSError: it could not be written, and is not there.
            InstallationError: it could not be written, and may be there or not: only `recover` may go on.
        """
        if self._torn:
            self._cut()
        digits, line = _line(self._path, row, self.head, self._secret)
        try:
            self._disk.append(self._area, self._path, line)
        except OSError as error:
            self._torn = True
            try:
                self._cut()
            except OSError:
                raise InstallationError("unfinished", f"{self._path} cannot be written: {error.strerror}") from None
            raise
        self._add(row, digits, len(line))

    def _cut(self) -> None:
        self._disk.cut(self._area, self._path, self._size)
        self._torn = False

    def doubt(self) -> None:
        """Have the next `sync` of the disk make durable what was read: a killed process may have written it."""
        self._disk.doubt(self._area, self._path)

    def _add(self, row: dict[str, Any], digits: str, size: int) -> None:
        self.rows.append(row)
        self.heads.append(digits)
        self.head = digits
        self._size += size

    def _read(self, data: bytes) -> tuple[int, bool]:
        """Read the rows; return the bytes they fill and whether something torn follows."""
        self._size = 0
        while self._size < len(data):
            line, feed, rest = data[self._size :].partition(b"\n")
            row = self._open(line) if feed else None
            if row is None:
                # A tear ends before the line feed, or left zeros in the row; what comes after it was not ours either.
                if rest or (feed and b"\0" not in line):
                    raise InstallationError("edited", f"{self._area.path / self._path} was changed by something else")
                return self._size, True
            self._add(row, line[:64].decode(), len(line) + 1)
        return self._size, False

    def _open(self, line: bytes) -> dict[str, Any] | None:
        digits, _, body = line.partition(b" ")
        sealed = _seal(self._path, body, self.head, self._secret)
        if not hmac.compare_digest(digits, sealed.encode()):
            return None
        try:
            row = documents.decode(body, what=self._path, limit=_LIMIT)
        except DocumentError:
            return None
        return row if isinstance(row, dict) else None


def _seal(name: str, body: bytes, head: str, secret: bytes) -> str:
    return hmac.digest(secret, f"{name}\n{head}".encode() + body, "sha256").hex()


def _line(name: str, row: dict[str, Any], head: str, secret: bytes) -> tuple[str, bytes]:
    body = documents.encode(row)
    digits = _seal(name, body, head, secret)
    return digits, digits.encode() + b" " + body + b"\n"
