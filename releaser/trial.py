"""Throwaway people who take one hotfix from its source to a customer's site and back, each with the real programs.

`patchline try` and `make demo` are two stories told with the same cast:

- `Vendor`: three offline key holders, a builder, approvers, a release key; each with a home and a passphrase of their
  own. What they hand to each other lies in one folder, `shared`.
- `Customer`: one site, initialised from the baseline with the trust file that the vendor handed over.

Keys are made anew each time and are worth nothing afterwards.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from patchline.patches import bundle
from patchline.patches.errors import TrialError
from patchline.patches.files import read_file
from patchline.patches.limits import LIMITS
from patchline.patches.manifest import Folder, Manifest, State
from patchline.patches.paths import OWN_FOLDER
from patchline.patches.trust import Trust
from patchline.releaser.acting import Outcome, Person
from patchline.releaser.folders import FolderTree
from patchline.releaser.narration import Narrator
from patchline.releaser.policy_making import RELEASE_PERSON
from patchline.releaser.sources import link_state
from patchline.releaser.trust_files import read_public

OFFLINE = ("offline-1", "offline-2", "offline-3")
BUILDER = "bob"
APPROVERS = ("ada", "ben")
_ATTEMPTS = 5

Picture = dict[bytes, State]
"""What lies in a folder: the state of every file, link and empty folder by its path."""


def picture(folder: Path) -> Picture:
    """Return what lies in a root, but for the site's own folder in it."""
    tree = FolderTree(folder)
    found: Picture = {path: Folder() for path in tree.empty}
    found |= tree.files
    found |= {path: link_state(repr(path), target) for path, target in tree.links.items()}
    own = OWN_FOLDER.encode()
    return {path: state for path, state in found.items() if path.partition(b"/")[0] != own}


@dataclass(frozen=True)
class Release:
    """A release of the product, by its name and what lies in it."""

    name: str
    tree: Picture

    @classmethod
    def of(cls, name: str, folder: Path) -> "Release":
        """Take the picture of a folder that holds the release."""
        return cls(name, picture(folder))


@dataclass(frozen=True)
class Killed:
    """How far an apply was when it was killed: how many of its paths had changed."""

    changed: int
    paths: int


@dataclass
class Stage:
    """The folder of a story, and who tells it.

    Attributes:
        shared: where people leave things for each other.
    """

    folder: Path
    narrator: Narrator

    def __post_init__(self) -> None:
        """Make the folder for what is handed over."""
        self.shared.mkdir(parents=True)

    @property
    def shared(self) -> Path:
        """Where people leave things for each other."""
        return self.folder / "shared"

    def person(self, name: str, **settings: str) -> Person:
        """Return somebody with a new home."""
        return Person(name, self.folder / name, self.folder, self.narrator, settings)


@dataclass
class Vendor:
    """The vendor's people.

    Attributes:
        product: what they make.
        approvers: names of those whose keys may approve, authors too.
    """

    stage: Stage
    product: str
    approvers: Sequence[str] = APPROVERS
    _people: dict[str, Person] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Person:
        """Return one of the people by name."""
        if name not in self._people:
            self._people[name] = self.stage.person(name)
        return self._people[name]

    def shared(self, name: str) -> Path:
        """Return the path of something handed over."""
        return self.stage.shared / name

    @property
    def trust(self) -> Path:
        """The vendor's trust file."""
        return self.shared(f"{self.product}.trust")

    def make_keys(self) -> None:
        """Let everybody make a key on their own machine, and give away its public half."""
        for name in (*OFFLINE, BUILDER, *self.approvers, RELEASE_PERSON):
            self[name].run("patchline", "key", "new", name, lines=2 if name == OFFLINE[0] else 0)
            self[name].run("patchline", "key", "public", name, into=self._pem(name))

    def make_trust(self, baselines: Iterable[Path]) -> None:
        """Make root and policy, each signed by two of the three offline key holders, and the trust file.

        Args:
            baselines: lists of the files of each baseline.
        """
        first, root, policy = self[OFFLINE[0]], self.shared("root.json"), self.shared("policy.json")
        offline = [word for name in OFFLINE for word in ("--key", self._pem(name))]
        first.run("patchline", "trust", "root", *offline, "--threshold", "2", "--out", root, lines=0)
        approvers = [word for name in self.approvers for word in ("--approver", self._holder(first, name))]
        first.run(
            *("patchline", "trust", "policy", "--product", self.product, "--threshold", "2"),
            *("--builder", self._holder(first, BUILDER), *approvers),
            *("--release", self._pem(RELEASE_PERSON), "--out", policy),
            lines=0,
        )
        for name in OFFLINE[:2]:
            self.sign(name, root, [other for other in OFFLINE if other != name])
            self.sign(name, policy, [BUILDER, *self.approvers, RELEASE_PERSON])
        lists = [word for path in baselines for word in ("--files", path)]
        made = ("--root", root, "--policy", policy, *lists, "--out", self.trust)
        first.run("patchline", "trust", "file", *made)

    def list_baseline(self, baseline: str, *source: str | Path) -> Path | None:
        """List the files of a baseline; None when it holds something that no list can say."""
        out = self.shared(f"{self.product}-{baseline.replace('/', '-')}.files")
        named = ("--product", self.product, "--baseline", baseline, "--out", out)
        outcome = self[BUILDER].run("patchline", "baseline", "files", *source, *named, lines=2, expect=None)
        return out if outcome.code == 0 else None

    def approve(self, name: str, hotfix: Path, *more: str | Path, expect: int = 0) -> Outcome:
        """Let somebody approve a bundle with their own key, or be refused."""
        line = ("patchline", "bundle", "approve", hotfix, "--key", name, "--trust", self.trust, *more, "--yes")
        return self[name].run(*line, expect=expect, lines=-2)

    def release(self, hotfix: Path) -> None:
        """Let the release key sign, once the quorum is there."""
        line = ("patchline", "bundle", "release", hotfix, "--key", RELEASE_PERSON, "--trust", self.trust)
        self[RELEASE_PERSON].run(*line)

    def sign(self, name: str, document: Path, new: Iterable[str]) -> None:
        """Let an offline key's holder sign, giving the fingerprints that the keys' persons told."""
        told = [word for other in new for word in ("--fingerprint", read_public(self._pem(other)).fingerprint)]
        self[name].run("patchline", "trust", "sign", document, "--key", name, *told, lines=1)

    def _pem(self, name: str) -> Path:
        return self.shared(f"{name}.pem")

    def _holder(self, typing: Person, name: str) -> str:
        return f"{name}={typing.typed(self._pem(name))}"


@dataclass
class Customer:
    """A customer with one site.

    Attributes:
        person: who works at the site.
        root: the installation.
        product: what is installed.
    """

    person: Person
    root: Path
    product: str

    @classmethod
    def on(cls, stage: Stage, root: str, product: str, name: str = "customer") -> "Customer":
        """Return a customer on a stage, whose installation lies in a folder of this name."""
        return cls(stage.person(name, PATCHLINE_STATE=f"../{name}/state"), stage.folder / name / root, product)

    @property
    def state(self) -> Path:
        """The site's state folder, which the customer's environment names."""
        return self.person.home / "state"

    def init(self, baseline: str, trust: Path, listed: Path | None) -> None:
        """Make the installation a site; the fingerprint is the one heard by phone."""
        heard = Trust.parse(read_file(trust, limit=LIMITS.trust_file)).fingerprint
        files = ("--files", listed) if listed else ()
        named = ("--root", self.root, "--product", self.product, "--baseline", baseline)
        self._site("init", *named, "--trust", trust, "--fingerprint", heard, *files)

    def say(self, *line: str | Path, lines: int = 6) -> Outcome:
        """Run a command of the site, with its root named."""
        return self._site(*line, "--root", self.root, lines=lines)

    def _site(self, *line: str | Path, lines: int = 6) -> Outcome:
        return self.person.run("patchline-site", *line, lines=lines)

    def kill_apply(self, hotfix: Path) -> Killed:
        """Apply, and kill the process once it has begun to change files.

        Raises:
            TrialError: it always ended first.
        """
        manifest = manifest_of(hotfix)
        for _ in range(_ATTEMPTS):
            watch = _Watch(self.root, self.state, manifest)
            line = ("patchline-site", "apply", hotfix, "--root", self.root)
            if self.person.kill_half_way(*line, half_way=watch.half_way):
                killed = Killed(watch.changed, len(manifest.files))
                self.person.narrator.tell(f"→ {killed.changed} of {killed.paths} paths were changed when it was killed")
                return killed
            self.person.narrator.tell("It ended before it could be killed; once more.")
            self.say("rollback", manifest.hotfix, lines=0)
        raise TrialError("too-fast", f"{_ATTEMPTS} times apply ended before it could be killed")

    def survive_a_kill(self, hotfix: Path, base: Release, head: Release) -> tuple[Killed, Release]:
        """Be killed while applying, recover, and end with the hotfix applied; return which release recovery gave.

        Raises:
            TrialError: the installation was neither of the two afterwards.
        """
        killed = self.kill_apply(hotfix)
        self.say("inventory", lines=3)
        self.say("recover")
        recovered = head if picture(self.root) == head.tree else base
        self.must_be(recovered)
        if recovered is base:
            self.say("apply", hotfix)
            self.must_be(head)
        return killed, recovered

    def must_be(self, release: Release) -> None:
        """Tell that the installation is exactly a release.

        Raises:
            TrialError: it is not.
        """
        found, wanted = picture(self.root), release.tree
        wrong = sorted(path for path in found.keys() | wanted.keys() if found.get(path) != wanted.get(path))
        if wrong:
            shown = ", ".join(repr(os.fsdecode(path)) for path in wrong[:5])
            raise TrialError("tree", f"{len(wrong)} paths are not as in {release.name}: {shown}")
        self.person.narrator.tell(f"→ identical to {release.name}: {len(found):,} files and links compared")


class _Watch:
    """Sees, from outside, how far an apply is: from the journal that it has begun, from the disk what it changed."""

    def __init__(self, root: Path, state: Path, manifest: Manifest) -> None:
        self._journal = state / "journal"
        self._paths = [root / entry.path for entry in manifest.files]
        self._before = self._signatures()

    def half_way(self) -> bool:
        rows = self._journal.read_bytes()
        return b'"row":"forward"' in rows and b'"row":"done"' not in rows and self.changed > 0

    @property
    def changed(self) -> int:
        return sum(old != new for old, new in zip(self._before, self._signatures(), strict=True))

    def _signatures(self) -> list[tuple[int, int, int] | None]:
        return [_signature(path) for path in self._paths]


def _signature(path: Path) -> tuple[int, int, int] | None:
    """Return what differs between a file and the one put in its place; None where nothing is."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_mode


def manifest_of(hotfix: Path) -> Manifest:
    """Return the manifest of a bundle that was just built."""
    with bundle.open_container(hotfix) as container:
        return Manifest.parse(container.manifest)
