"""Files that go to a server with a command: as they are named, folders one file after the other."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from patchline.patches.errors import UsageError
from patchline.patches.files import read_file

MOST_BYTES = 24 << 20
"""Of all files that go with one command."""


def sent(paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents.

    Raises:
        UsageError: they are more than go at once.
        PatchlineError: one cannot be read.
    """
    left = MOST_BYTES
    for name in _files(paths):
        data = sys.stdin.buffer.read(left + 1) if name == "-" else read_file(Path(name), limit=left + 1)
        left -= len(data)
        if left < 0:
            raise UsageError("too-much", "these files are more than can be sent at once")
        yield name, data


def _files(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        if path != "-" and Path(path).is_dir():
            yield from (str(one) for one in sorted(Path(path).iterdir()) if one.is_file())
        else:
            yield path
