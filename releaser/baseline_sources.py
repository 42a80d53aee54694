"""Where the files of a baseline come from: a folder of artefacts, single artefacts, or a commit (`CommitFiles`).

Each source knows the states of all its paths, and gives the content of those that the index looks into.
"""

import io
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Protocol, cast

from patchline.patches.errors import BuildError, NotFoundError
from patchline.patches.files import os_failure
from patchline.patches.manifest import File
from patchline.releaser.baselines import States, states_of_folder
from patchline.releaser.folders import FolderTree
from patchline.releaser.spool import Advance, measure, unheard
from patchline.releaser.trees import Roots

Place = tuple[str, str]
_CHUNK = 1 << 20
_START = 4


class BaselineSource(Protocol):
    """Files by root and path."""

    @property
    def states(self) -> States:
        """The state of every path."""
        ...

    def start(self, place: Place) -> bytes:
        """Return how a file begins, where that costs little; else nothing."""
        ...

    def opened(self, places: Iterable[Place]) -> Iterator[tuple[Place, IO[bytes]]]:
        """Yield files; each is closed when the next is asked for."""
        ...


class FolderSource:
    """A folder of artefacts."""

    def __init__(self, folder: Path, roots: Roots, advance: Advance = unheard) -> None:
        self._tree = FolderTree(folder, advance)
        self.states = states_of_folder(self._tree, roots)
        self._paths = {place: path for path in self._tree.files if (place := roots.place(path)) is not None}

    def start(self, place: Place) -> bytes:
        """Return how a file begins."""
        with self._tree.open(self._paths[place]) as file:
            return file.read(_START)

    def opened(self, places: Iterable[Place]) -> Iterator[tuple[Place, IO[bytes]]]:
        """Yield files."""
        for place in places:
            with io.BufferedReader(cast(io.RawIOBase, self._tree.open(self._paths[place])), _CHUNK) as file:
                yield place, file


class ArtefactSource:
    """Single artefacts, each known by its name."""

    def __init__(self, files: Iterable[Path], root: str, advance: Advance = unheard) -> None:
        self._files: dict[Place, Path] = {}
        self.states: States = {root: {}}
        for file in files:
            if file.name in self.states[root]:
                raise BuildError("artefact-twice", f"two artefacts are called {file.name!r}")
            self._files[root, file.name] = file
            self.states[root][file.name] = _measured(file, advance)

    def start(self, place: Place) -> bytes:
        """Return how a file begins."""
        with self._files[place].open("rb") as file:
            return file.read(_START)

    def opened(self, places: Iterable[Place]) -> Iterator[tuple[Place, IO[bytes]]]:
        """Yield files."""
        for place in places:
            with self._files[place].open("rb") as file:
                yield place, file


def _measured(path: Path, advance: Advance) -> File:
    def pieces(file: IO[bytes]) -> Iterator[bytes]:
        while piece := file.read(_CHUNK):
            advance(len(piece))
            yield piece

    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise BuildError("special-file", f"{path} is no file")
        with path.open("rb") as file:
            return File(*measure(pieces(file)), bool(status.st_mode & stat.S_IXUSR))
    except OSError as error:
        raise os_failure(error) from None


def artefacts(paths: list[Path], roots: Roots, advance: Advance = unheard) -> BaselineSource:
    """Return the source for one folder, or for some files.

    Raises:
        BuildError: files and folders are mixed, or two files have one name.
    """
    if len(paths) == 1 and paths[0].is_dir():
        return FolderSource(paths[0], roots, advance)
    for path in paths:
        if path.is_dir():
            raise BuildError("artefact-mixed", f"{path} is a folder among other artefacts")
        if not path.exists():
            raise NotFoundError("file", f"there is no file {path}")
    (root,) = roots.prefixes if len(roots.prefixes) == 1 else ("app",)
    return ArtefactSource(paths, root, advance)
