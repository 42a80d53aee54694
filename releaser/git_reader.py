"""Objects out of one `git cat-file --batch-command --buffer`, each proved by its hash.

Pure of processes: it is given the two pipes. Objects come in the order they are asked for, so a caller that sorts by
path gets neighbours in one delta chain one after the other.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from threading import Thread
from typing import IO, NamedTuple

from patchline.patches.errors import GitError

WHOLE = 8 << 20
"""An object of more bytes is never whole in memory."""

_CHUNK = 1 << 20
_PIPE_HOLDS = 700
"""So many requests fit into an empty pipe, and can be written before anything is read."""
_NOTHING: Iterator[bytes] = iter(())
_FOUND = re.compile(rb"([0-9a-f]{40,64}) (blob|tree|commit|tag) ([0-9]{1,19})\n")


class Object(NamedTuple):
    """One object.

    Attributes:
        kind: `blob`, `tree`, `commit` or `tag`.
        data: its content when it has at most `WHOLE` bytes, else None.
        chunks: its content in pieces otherwise, to be read before the next object is taken.
    """

    oid: str
    kind: str
    size: int
    data: bytes | None
    chunks: Iterator[bytes]

    def pieces(self) -> Iterator[bytes]:
        """Return the content in pieces, small or large."""
        return self.chunks if self.data is None else iter((self.data,))


class ObjectReader:
    """The two ends of a running `git cat-file --batch-command --buffer`."""

    def __init__(self, requests: IO[bytes], answers: IO[bytes], algorithm: str) -> None:
        """Take the pipes over.

        Args:
            requests: where ids are written.
            answers: where objects are read.
            algorithm: `sha1` or `sha256`.
        """
        self._requests, self._answers = requests, answers
        self._hash = hashlib.sha256 if algorithm == "sha256" else hashlib.sha1

    def read(self, oids: Sequence[str]) -> Iterator[Object | None]:
        """Yield an object for each id, or None where the repository lacks it.

        Raises:
            GitError: an object's content does not give its id, or git ended early.
        """
        feeder = Thread(target=self._ask, args=(oids,), daemon=True) if len(oids) > _PIPE_HOLDS else None
        if feeder:
            feeder.start()
        else:
            self._ask(oids)
        for oid in oids:
            found = self._next(oid)
            yield found
            if found is not None and found.data is None:
                for _ in found.chunks:
                    pass
        if feeder:
            feeder.join()

    def _ask(self, oids: Sequence[str]) -> None:
        try:
            self._requests.write("".join(f"contents {oid}\n" for oid in oids).encode() + b"flush\n")
            self._requests.flush()
        except (BrokenPipeError, ValueError):
            # Git is gone; the side that reads says so with the reason.
            return

    def _next(self, oid: str) -> Object | None:
        header = self._answers.readline()
        match = _FOUND.fullmatch(header)
        if match is None or match[1].decode() != oid:
            if header == f"{oid} missing\n".encode():
                return None
            raise GitError("damaged", f"object {oid} cannot be read: git answered {header[:120]!r}")
        kind, size = match[2].decode(), int(match[3])
        check = self._hash(b"%b %d\0" % (match[2], size), usedforsecurity=False)
        if size > WHOLE:
            return Object(oid, kind, size, None, self._stream(oid, size, check))
        data = self._take(oid, size)
        check.update(data)
        self._finish(oid, check)
        return Object(oid, kind, size, data, _NOTHING)

    def _stream(self, oid: str, size: int, check: "hashlib._Hash") -> Iterator[bytes]:
        left = size
        while left:
            chunk = self._take(oid, min(_CHUNK, left))
            left -= len(chunk)
            check.update(chunk)
            yield chunk
        self._finish(oid, check)

    def _take(self, oid: str, size: int) -> bytes:
        data = self._answers.read(size)
        if len(data) != size:
            raise GitError("damaged", f"object {oid} cannot be read to its end")
        return data

    def _finish(self, oid: str, check: "hashlib._Hash") -> None:
        if self._take(oid, 1) != b"\n":
            raise GitError("damaged", f"object {oid} is longer than git said")
        self._compare(oid, check)

    def _compare(self, oid: str, check: "hashlib._Hash") -> None:
        if check.hexdigest() != oid:
            raise GitError("object-corrupt", f"object {oid} does not hold what its id says")
