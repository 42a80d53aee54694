"""Everything the client does at a site, done once on a small sample in an empty folder: does it work on this machine?

The sample release (`sample/`) was signed with keys that follow from their names, so anybody can sign like it. They count
for its own trust file and nowhere else. It is judged at the time it was made, so it never expires.
"""

import io
import os
import platform
import signal
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import NoReturn

from patchline.patches import backends
from patchline.patches.bundle import Container, NullStore, stage
from patchline.patches.errors import PatchlineError
from patchline.patches.files import os_failure
from patchline.patches.keys import Kind
from patchline.patches.site import changing, creating, state
from patchline.patches.site.area import Area, Attributes
from patchline.patches.site.changing import Consent, Context
from patchline.patches.site.disk import Disk, Place
from patchline.patches.trust import Trust
from patchline.patches.verify import Sidecars, VerifiedManifest, verify

SAMPLE_TIME = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PRODUCT, BASELINE, HOTFIX = "self-test", "1.0", "HF-2026-0001"

Tree = dict[str, tuple[int, bytes]]
"""What lies below a folder: its mode, with the content of a file or the target of a link; nothing for a folder."""

_FILE, _PROGRAM, _LINK, _FOLDER = stat.S_IFREG | 0o644, stat.S_IFREG | 0o755, stat.S_IFLNK, stat.S_IFDIR | 0o755

BASE: Tree = {
    "bin": (_FOLDER, b""),
    "bin/tool": (_PROGRAM, b"#!/bin/sh\necho 1.0\n"),
    "bin/now": (_LINK, b"tool"),
    "lib": (_FOLDER, b""),
    "lib/big.dat": (_FILE, b"0123456789abcdef" * 16384),
    "lib/old": (_FOLDER, b""),
    "lib/old/gone.txt": (_FILE, b"goes\n"),
    "lib/plain.sh": (_FILE, b"echo plain\n"),
    "untouched.txt": (_FILE, b"the customer's own\n"),
}
HEAD: Tree = {
    "bin": (_FOLDER, b""),
    "bin/tool": (_PROGRAM, b"#!/bin/sh\necho 1.1\n"),
    "bin/now": (_LINK, b"../lib/new/deep/tool"),
    "lib": (_FOLDER, b""),
    "lib/big.dat": (_FILE, b"fedcba9876543210" * 16384),
    "lib/new": (_FOLDER, b""),
    "lib/new/deep": (_FOLDER, b""),
    "lib/new/deep/tool": (_PROGRAM, b"#!/bin/sh\necho new\n"),
    "lib/plain.sh": (_PROGRAM, b"echo plain\n"),
    "untouched.txt": (_FILE, b"the customer's own\n"),
}

_FLIPS = 12
_KILLS = 8


@dataclass(frozen=True)
class Finding:
    """How one part of the rehearsal went.

    Attributes:
        detail: what was seen, or what went wrong.
    """

    name: str
    passed: bool
    detail: str


class _Unexpected(Exception):
    """Something ended otherwise than it should; the text says how."""


def rehearse(folder: Path) -> Iterator[Finding]:
    """Try everything; yields each finding as soon as it is known.

    Args:
        folder: an empty one of the caller's own, on the disk that is to be tried.
    """
    parts: tuple[tuple[str, Callable[[], str]], ...] = (
        ("signatures", _signatures),
        ("tampering", _tampering),
        ("apply and roll back", lambda: _there_and_back(folder / "plain")),
        ("killed half-way", lambda: _killed(folder / "killed")),
    )
    yield Finding("python", True, f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for name, part in parts:
        yield _finding(name, part)


def _finding(name: str, part: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, part())
    except _Unexpected as error:
        return Finding(name, False, str(error))
    except PatchlineError as error:
        return Finding(name, False, f"{error.message} ({error.code})")
    except OSError as error:
        return Finding(name, False, os_failure(error).message)


def sample(name: str) -> bytes:
    """Return one file of the sample release."""
    try:
        return (resources.files("patchline.patches.site") / "sample" / name).read_bytes()
    except zipfile.BadZipFile:
        raise _Unexpected("the client's own file is damaged; fetch it again") from None


@dataclass(frozen=True)
class _Release:
    """The sample as a customer gets it."""

    container: bytes
    sidecars: Sidecars
    trust: Trust

    @classmethod
    def read(cls) -> "_Release":
        sidecars = Sidecars(sample("provenance.jsonl"), sample("approvals.jsonl"))
        return cls(sample("bundle.hotfix"), sidecars, Trust.parse(sample("trust.json")))

    def verified(self) -> tuple[VerifiedManifest, Container]:
        container = Container(io.BytesIO(self.container))
        return verify(container.manifest, self.sidecars, self.trust, SAMPLE_TIME), container


def _signatures() -> str:
    """Every backend that is there must accept the sample's signatures and refuse them over other bytes."""
    release = _Release.read()
    verified, _ = release.verified()
    tried: list[backends.Backend] = [backends.Pure(), *([backends.Compiled()] if backends.compiled_is_there() else [])]
    for backend in tried:
        for kind, (point, signature, data) in _known_signatures(release).items():
            fits = backend.p256 if kind is Kind.P256 else backend.ed25519
            if not fits(point, signature, data) or fits(point, signature, data + b"\n"):
                raise _Unexpected(f"the {backend.name} backend is wrong about {kind}")
    approved = ", ".join(sorted(place.person for place in verified.approvals))
    return f"sample approved by {approved}; checked by {' and '.join(backend.name for backend in tried)}"


def _known_signatures(release: _Release) -> dict[Kind, tuple[bytes, bytes, bytes]]:
    """Return a point, a signature and what was signed, for each kind of key, from the sample's policy."""
    envelope, found = release.trust.policy_envelope, {}
    for keyid, signature in envelope.signatures:
        key = release.trust.root.targets.keys[keyid]
        found[key.kind] = key.point, signature, envelope.signed_bytes
    return found


def _tampering() -> str:
    """One bit turned anywhere in the release must be refused, by an error of ours."""
    release = _Release.read()
    parts = {
        "bundle": release.container,
        "provenance": release.sidecars.provenance,
        "approvals": release.sidecars.approvals,
    }
    for name, data in parts.items():
        for place in range(len(data) // (2 * _FLIPS), len(data), len(data) // _FLIPS):
            turned = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
            _must_refuse({**parts, name: turned}, release.trust, f"byte {place} of the {name}")
    _must_refuse({**parts, "bundle": release.container[:-1]}, release.trust, "a missing last byte of the bundle")
    return f"{_FLIPS * len(parts)} single bits turned, one byte cut off: all refused"


def _must_refuse(parts: dict[str, bytes], trust: Trust, what: str) -> None:
    try:
        sidecars = Sidecars(parts["provenance"], parts["approvals"])
        verified, container = _Release(parts["bundle"], sidecars, trust).verified()
        stage(verified, container, NullStore())
    except PatchlineError:
        return
    raise _Unexpected(f"{what} was changed and nobody noticed")


class _Stage:
    """A site in a folder, in its baseline."""

    def __init__(self, folder: Path) -> None:
        self.root, self.state = folder / "root", folder / "state"
        self.root.mkdir(parents=True)
        self.root.chmod(0o755)
        _write_tree(self.root, BASE)
        new = creating.NewSite(PRODUCT, BASELINE, {"app": self.root}, (), sample("trust.json"), None)
        creating.create(new, self.state, Disk(), SAMPLE_TIME)

    def apply(self, disk: Disk) -> None:
        with state.opened(self.root, self.state, disk) as site:
            changing.apply(site, [_Release.read().verified()], Consent(), Context(SAMPLE_TIME))

    def roll_back(self, disk: Disk) -> None:
        with state.opened(self.root, self.state, disk) as site:
            changing.rollback(site, HOTFIX, to_level=False, consent=Consent(), context=Context(SAMPLE_TIME))

    def recover(self) -> None:
        with state.opened(self.root, self.state, Disk()) as site:
            changing.recover(site, Context(SAMPLE_TIME))

    def must_be(self, tree: Tree, when: str) -> None:
        there = _read_tree(self.root)
        wrong = sorted(path for path in there.keys() | tree.keys() if there.get(path) != tree.get(path))
        if wrong:
            raise _Unexpected(f"{when}: {', '.join(wrong[:3])} not as expected")


def _there_and_back(folder: Path) -> str:
    site = _Stage(folder)
    site.apply(Disk())
    site.must_be(HEAD, "after apply")
    site.roll_back(Disk())
    site.must_be(BASE, "after roll back")
    changed = sum(BASE.get(path) != HEAD.get(path) for path in BASE.keys() | HEAD.keys())
    return f"{changed} places changed and changed back, identical both times"


class _Counting(Disk):
    """Counts its steps, and dies at one of them."""

    parallel = 1

    def __init__(self, last: int = 0) -> None:
        super().__init__()
        self.count, self._last = 0, last

    def step(
        self, name: str, area: Area, path: str, other: Place | None = None, data: bytes | Attributes = b""
    ) -> None:
        """Count; at the last step the process is killed before it can do anything more."""
        self.count += 1
        if self.count == self._last:
            os.kill(os.getpid(), signal.SIGKILL)


def _killed(folder: Path) -> str:
    """Kill apply and roll back at steps spread over the whole of each; recovery must end in one of the two trees."""
    site = _Stage(folder)
    forward, back = _Counting(), _Counting()
    site.apply(forward)
    site.roll_back(back)
    ended = {"before": 0, "after": 0}
    for number in range(_KILLS):
        for work, steps in ((site.apply, forward.count), (site.roll_back, back.count)):
            _in_child(work, 1 + steps * number // _KILLS)
            site.recover()
            there = _read_tree(site.root) == HEAD
            site.must_be(HEAD if there else BASE, "after a kill and recovery")
            ended["after" if there == (work == site.apply) else "before"] += 1
            if not there and work == site.apply:
                site.apply(Disk())
            elif there and work == site.roll_back:
                site.roll_back(Disk())
    return f"{2 * _KILLS} kills: {ended['before']} ended wholly before, {ended['after']} wholly after"


def _in_child(work: Callable[[Disk], None], last: int) -> None:
    child = os.fork()
    if child == 0:
        _die_working(work, last)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
        raise _Unexpected(f"the process was to be killed at step {last} and ended with {status}")


def _die_working(work: Callable[[Disk], None], last: int) -> NoReturn:
    try:
        work(_Counting(last))
    finally:
        os._exit(1)


def _write_tree(folder: Path, tree: Tree) -> None:
    for path, (mode, content) in tree.items():
        target = folder / path
        if stat.S_ISLNK(mode):
            target.symlink_to(os.fsdecode(content))
            continue
        if stat.S_ISDIR(mode):
            target.mkdir()
        else:
            target.write_bytes(content)
        target.chmod(stat.S_IMODE(mode))


def _read_tree(folder: Path) -> Tree:
    found: Tree = {}
    for top, folders, files in os.walk(folder):
        if Path(top) == folder:
            folders.remove(".patchline")
        for name in (*folders, *files):
            path = Path(top) / name
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                found[str(path.relative_to(folder))] = stat.S_IFLNK, os.fsencode(path.readlink())
            else:
                found[str(path.relative_to(folder))] = mode, b"" if stat.S_ISDIR(mode) else path.read_bytes()
    return found
