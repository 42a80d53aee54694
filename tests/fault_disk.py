"""A disk that stops, fails, and forgets what was not made durable.

`FaultDisk` takes part in a real change of a real site: it can stop before any step (`Crash`), write half of a piece,
raise an `OSError`, and it records every step. `Platter` replays a record in memory and knows for each file and each
name in a folder what is durable; `Platter.after_power_loss` is one of the trees that may be found after the power came
back, and `write_out` puts it in the place of the real one. Roots and state folder keep their inodes, which a site knows.

What a power loss may do here is more than most file systems do: of everything since the last sync of a file or folder,
any part can be lost, whatever came later. A name of a folder that was not synced has any of the values it had since; a
rename is one change, or with `torn` two. A file not synced is empty, cut short, full of zeros, or whole.
"""

import errno
import os
import random
import shutil
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from patchline.patches import documents
from patchline.patches.errors import InstallationError
from patchline.patches.fields import Fields
from patchline.patches.site.area import Area, Attributes
from patchline.patches.site.disk import Disk, Place

SPACE_TAKING = frozenset({"create", "write", "link", "symlink", "mkdir", "append"})


class Crash(BaseException):
    """The process is gone: nothing below may catch it and go on."""


@dataclass(frozen=True)
class Step:
    """One step as it was recorded; areas by the place where they were opened."""

    name: str
    top: Path
    path: str
    other: tuple[Path, str] | None
    data: bytes


class FaultDisk(Disk):
    """The real disk with a fault.

    Attributes:
        steps: what was done, the step at which it stopped left out.
    """

    parallel = 1

    def __init__(
        self,
        *,
        stop_at: int | None = None,
        half: bool = False,
        fail: Callable[[int, str], int | None] = lambda number, name: None,
    ) -> None:
        """Take the fault.

        Args:
            stop_at: the number of the step (from 0) that does not happen any more.
            half: what would be written at that step is written by half.
            fail: tells the `errno` with which a step fails, given its number and name.
        """
        super().__init__()
        self.steps: list[Step] = []
        self._stop_at, self._half, self._fail = stop_at, half, fail
        self._count = 0

    def step(
        self, name: str, area: Area, path: str, other: Place | None = None, data: bytes | Attributes = b""
    ) -> None:
        if isinstance(data, Attributes):
            data = documents.encode(data.as_document())
        number, self._count = self._count, self._count + 1
        if self._stop_at is not None and number >= self._stop_at:
            if number == self._stop_at and self._half and name in ("write", "append"):
                _write_half(area, path, data)
            raise Crash
        if problem := self._fail(number, name):
            if problem in (errno.ENOSPC, errno.EDQUOT) and name in ("write", "append"):
                _write_half(area, path, data)
            raise OSError(problem, os.strerror(problem), path)
        self.steps.append(Step(name, area.path, path, other and (other[0].path, other[1]), data))


def _write_half(area: Area, path: str, data: bytes) -> None:
    with area.parent(path) as (folder, name):
        handle = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW, dir_fd=folder)
        try:
            os.write(handle, data[: len(data) // 2])
        finally:
            os.close(handle)


@dataclass(eq=False)
class Node:
    """A file, link or folder, with what is durable of it."""

    kind: str
    data: bytes = b""
    kept_data: bytes = b""
    attributes: Attributes = Attributes(0o600, os.geteuid(), os.getegid())  # noqa: RUF009 - frozen
    kept_attributes: Attributes | None = None
    names: dict[str, "Node"] = field(default_factory=dict)
    kept_names: dict[str, "Node"] = field(default_factory=dict)

    def make_durable(self) -> None:
        self.kept_data, self.kept_attributes = self.data, self.attributes


@dataclass(frozen=True)
class Naming:
    """A name of a folder that got another value, and the number of the change it was part of."""

    change: int
    folder: Node
    name: str
    node: Node | None


@dataclass(frozen=True)
class Loss:
    """What a power loss takes: which changes of names are kept, and what of a file that was not synced."""

    keeps: Callable[[int], bool]
    rest: Callable[[bytes, bytes], bytes]
    attributes: bool
    torn: bool = False


def _whole(kept: bytes, data: bytes) -> bytes:
    return data


def _lost(kept: bytes, data: bytes) -> bytes:
    return kept if data.startswith(kept) else data


NOTHING_LOST = Loss(lambda change: True, _whole, attributes=True)
ALL_LOST = Loss(lambda change: False, _lost, attributes=False)
DATA_LOST = Loss(lambda change: True, _lost, attributes=False)
NAMES_LOST = Loss(lambda change: False, _whole, attributes=True)


def random_loss(seed: int) -> Loss:
    """Return a loss that is the same for the same seed."""
    chance = random.Random(seed)
    share = chance.choice((0.2, 0.5, 0.8))

    def rest(kept: bytes, data: bytes) -> bytes:
        tail = data[len(kept) :] if data.startswith(kept) else b""
        cut = len(data) - len(tail) + chance.randrange(len(tail) + 1)
        return chance.choice((data, data[:cut], data[:cut] + bytes(len(data) - cut), data[: len(data) - len(tail)]))

    return Loss(lambda change: chance.random() < share, rest, chance.random() < 0.5, torn=chance.random() < 0.3)


Folders = Mapping[Path, Node]
"""What lies in the root and in the state folder, by where they are."""


def read_in(tops: Iterable[Path]) -> Folders:
    """Read folders as they are, everything durable."""
    known: dict[int, Node] = {}
    return {top: _read(top, known) for top in tops}


def _read(path: Path, known: dict[int, Node]) -> Node:
    status = path.lstat()
    if stat.S_ISREG(status.st_mode) and status.st_ino in known:
        return known[status.st_ino]
    attributes = Attributes(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid)
    if stat.S_ISLNK(status.st_mode):
        return Node("link", os.fsencode(path.readlink()), attributes=attributes)
    if stat.S_ISREG(status.st_mode):
        node = known[status.st_ino] = Node("file", path.read_bytes(), attributes=attributes)
        return node
    names = {entry.name: _read(Path(entry.path), known) for entry in os.scandir(path)}
    return Node("folder", attributes=attributes, names=names)


class Platter:
    """What a disk holds, and what of it would outlive a power loss."""

    def __init__(self, folders: Folders) -> None:
        """Start with folders of which everything is durable."""
        copies: dict[Node, Node] = {}
        self._tops = {top: _durable(node, copies) for top, node in folders.items()}
        self._pending: list[Naming] = []
        self._changes = 0

    # Replaying

    def replay(self, steps: Iterable[Step]) -> "Platter":
        """Take further steps in; return itself."""
        for step in steps:
            getattr(self, "_" + step.name.replace("-", "_"))(step)
        return self

    def _folder(self, top: Path, path: str) -> tuple[Node, str]:
        node = self._tops[top]
        *above, name = path.split("/")
        for part in above:
            node = node.names[part]
        return node, name

    def _at(self, step: Step) -> Node:
        folder, name = self._folder(step.top, step.path)
        return folder.names[name]

    def _name(self, *names: tuple[Node, str, Node | None]) -> None:
        self._changes += 1
        for folder, name, node in names:
            if node is None:
                folder.names.pop(name, None)
            else:
                folder.names[name] = node
            self._pending.append(Naming(self._changes, folder, name, node))

    def _new(self, step: Step, node: Node) -> None:
        folder, name = self._folder(step.top, step.path)
        if name not in folder.names:  # Otherwise the real disk has refused it.
            self._name((folder, name, node))

    def _create(self, step: Step) -> None:
        self._new(step, Node("file", attributes=Attributes(int(step.data, 8), os.geteuid(), os.getegid())))

    def _symlink(self, step: Step) -> None:
        self._new(step, Node("link", step.data, step.data))

    def _mkdir(self, step: Step) -> None:
        self._new(step, Node("folder", attributes=Attributes(0o700, os.geteuid(), os.getegid())))

    def _link(self, step: Step) -> None:
        assert step.other is not None
        folder, name = self._folder(*step.other)
        self._new(step, folder.names[name])

    def _write(self, step: Step) -> None:
        self._at(step).data += step.data

    _append = _write

    def _rename(self, step: Step) -> None:
        assert step.other is not None
        from_folder, from_name = self._folder(*step.other)
        folder, name = self._folder(step.top, step.path)
        node = from_folder.names[from_name]
        if folder.names.get(name) is not node:  # Two names of one file: nothing happens.
            self._name((folder, name, node), (from_folder, from_name, None))

    def _unlink(self, step: Step) -> None:
        folder, name = self._folder(step.top, step.path)
        if name in folder.names:
            self._name((folder, name, None))

    _rmdir = _unlink

    def _attributes(self, step: Step) -> None:
        document = documents.decode(step.data, what="attributes")
        self._at(step).attributes = Attributes.read(Fields(document, "attributes", InstallationError))

    def _cut(self, step: Step) -> None:
        node = self._at(step)
        node.data = node.data[: int(step.data)]
        node.make_durable()

    def _sync_append(self, step: Step) -> None:
        node = self._at(step)
        node.kept_data = node.data

    def _sync_file(self, step: Step) -> None:
        self._at(step).make_durable()

    def _sync_folder(self, step: Step) -> None:
        node = self._tops[step.top]
        for part in step.path.split("/") if step.path else ():
            following = node.names.get(part)
            if following is None or following.kind != "folder":
                return
            node = following
        for naming in self._pending:
            if naming.folder is node:
                _assign(node.kept_names, naming)
        self._pending = [naming for naming in self._pending if naming.folder is not node]

    # Losing

    def after_power_loss(self, loss: Loss) -> Folders:
        """Return the folders as they may be found."""
        names: dict[Node, dict[str, Node]] = {}
        chosen: dict[object, bool] = {}
        for naming in self._pending:
            key = naming if loss.torn else naming.change
            if chosen.setdefault(key, loss.keeps(naming.change)):
                _assign(names.setdefault(naming.folder, dict(naming.folder.kept_names)), naming)
        copies: dict[Node, Node] = {}

        def copy(node: Node) -> Node:
            if node not in copies:
                data = node.data if node.data == node.kept_data else loss.rest(node.kept_data, node.data)
                attributes = node.attributes if loss.attributes else node.kept_attributes
                default = Attributes(0o700 if node.kind == "folder" else 0o600, os.geteuid(), os.getegid())
                copies[node] = Node(node.kind, data, attributes=attributes or default)
                below = names.get(node, node.kept_names)
                copies[node].names = {name: copy(inner) for name, inner in below.items()}
            return copies[node]

        return {top: copy(node) for top, node in self._tops.items()}


def _durable(node: Node, copies: dict[Node, Node]) -> Node:
    if node not in copies:
        names = {name: _durable(inner, copies) for name, inner in node.names.items()}
        copies[node] = Node(node.kind, node.data, node.data, node.attributes, node.attributes, names, dict(names))
    return copies[node]


def _assign(names: dict[str, Node], naming: Naming) -> None:
    if naming.node is None:
        names.pop(naming.name, None)
    else:
        names[naming.name] = naming.node


def write_out(folders: Folders) -> None:
    """Put folders in the place of the real ones, which stay the same inodes."""
    for top, node in folders.items():
        for entry in os.scandir(top):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                Path(entry.path).unlink()
        written: dict[Node, Path] = {}
        for name, inner in node.names.items():
            _write(inner, top / name, written)


def _write(node: Node, path: Path, written: dict[Node, Path]) -> None:
    if node.kind == "link":
        path.symlink_to(os.fsdecode(node.data))
        return
    if node in written:
        path.hardlink_to(written[node])
        return
    if node.kind == "folder":
        path.mkdir()
        for name, inner in node.names.items():
            _write(inner, path / name, written)
    else:
        path.write_bytes(node.data)
        written[node] = path
    if (node.attributes.uid, node.attributes.gid) != (os.geteuid(), os.getegid()):
        os.chown(path, node.attributes.uid, node.attributes.gid)
    path.chmod(node.attributes.mode)
