"""Folders of built files as trees: every file hashed, links and empty folders seen, nothing followed.

- The walk never goes through a link.
- What is neither file, link nor folder is refused by name.
"""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, cast

from patchline.patches.errors import BuildError, NotFoundError
from patchline.patches.files import os_failure
from patchline.patches.manifest import File
from patchline.releaser.spool import Advance, measure, unheard
from patchline.releaser.trees import Mark, Node

_CHUNK = 1 << 20
_LARGE = 1 << 20


class FolderTree:
    """A folder, listed and hashed once when it is opened.

    Attributes:
        path: the folder.
        files: state of every regular file by its path.
        links: target of every link by its path.
        empty: paths of the folders in which nothing lies.
    """

    root = Node("folder", "")

    def __init__(self, path: Path, advance: Advance = unheard) -> None:
        """List and hash a folder.

        Args:
            path: the folder.
            advance: told how many more bytes were hashed.

        Raises:
            BuildError: it holds something that is no file, link or folder.
            PatchlineError: it cannot be read.
        """
        self.path = path
        self.files: dict[bytes, File] = {}
        self.links: dict[bytes, bytes] = {}
        self.empty: set[bytes] = set()
        self._nodes: dict[bytes, dict[bytes, Node]] = {}
        self._special: set[bytes] = set()
        if not path.is_dir():
            raise NotFoundError("folder", f"{path} is not a folder")
        try:
            self._hash(self._list(), advance)
        except OSError as error:
            raise os_failure(error) from None

    def children(self, folders: Sequence[tuple[bytes, Node]]) -> Sequence[Mapping[bytes, Mark]]:
        """Return what lies in each of some folders."""
        return [self._nodes[path] for path, _ in folders]

    def node(self, mark: Mark) -> Node:
        """Return the mark, which is a node."""
        return cast(Node, mark)

    def has_special_rights(self, path: bytes) -> bool:
        """Tell whether a file runs with the rights of its owner or group (setuid, setgid)."""
        return path in self._special

    def read(self, path: bytes) -> Iterator[bytes]:
        """Yield a file's content in pieces."""
        try:
            with self.open(path) as file:
                while piece := file.read(_CHUNK):
                    yield piece
        except OSError as error:
            raise os_failure(error) from None

    def _list(self) -> list[tuple[bytes, int]]:
        """Walk the folder; return path and size of every regular file."""
        found = []
        for folder, folders, files, descriptor in os.fwalk(os.fsencode(self.path)):
            path = os.path.relpath(folder, os.fsencode(self.path)) if folder != os.fsencode(self.path) else b""
            names = folders + files
            self._nodes[path] = {}
            if path and not names:
                self.empty.add(path)
            for name in names:
                whole = path + b"/" + name if path else name
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                self._nodes[path][name] = self._examine(whole, status, name, descriptor)
                if stat.S_ISREG(status.st_mode):
                    found.append((whole, status.st_size))
        return found

    def _examine(self, whole: bytes, status: os.stat_result, name: bytes, folder: int) -> Node:
        if stat.S_ISDIR(status.st_mode):
            # Like no other, so that every folder is looked into.
            return Node("folder", f"{id(self)}/{whole!r}")
        if stat.S_ISLNK(status.st_mode):
            self.links[whole] = os.readlink(name, dir_fd=folder)
            return Node("link", self.links[whole].hex())
        if not stat.S_ISREG(status.st_mode):
            raise BuildError("special-file", f"{_shown(whole)} is no file, link or folder")
        if status.st_mode & (stat.S_ISUID | stat.S_ISGID):
            self._special.add(whole)
        return Node("file", "")

    def _hash(self, found: list[tuple[bytes, int]], advance: Advance) -> None:
        """Hash every file, two large ones at a time: below a size a thread costs more than it gives."""
        large = [path for path, size in found if size >= _LARGE]
        with ThreadPoolExecutor(2) as threads:
            states = threads.map(self._state, large)
            for path, size in found:
                if size < _LARGE:
                    self._take(path, self._state(path))
                    advance(size)
            for path, state in zip(large, states, strict=True):
                self._take(path, state)
                advance(state.size)

    def _state(self, path: bytes) -> File:
        with self.open(path) as file:
            executable = bool(os.fstat(file.fileno()).st_mode & stat.S_IXUSR)
            sha256, size = measure(iter(lambda: file.read(_CHUNK), b""))
        return File(sha256, size, executable)

    def _take(self, whole: bytes, state: File) -> None:
        self.files[whole] = state
        folder, _, name = whole.rpartition(b"/")
        self._nodes[folder][name] = Node("file", state.sha256, state.executable)

    def open(self, path: bytes) -> IO[bytes]:
        """Open a file; a link is not followed, and a pipe put in its place does not hang."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        return open(
            os.fsencode(self.path) + b"/" + path, "rb", buffering=0, opener=lambda name, _: os.open(name, flags)
        )


def _shown(path: bytes) -> str:
    return repr(path.decode("utf-8", "backslashreplace"))
