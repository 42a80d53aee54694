"""A site in a temporary folder, and hotfixes for it made from two trees."""

import os
import stat
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from patchline.patches import bundle
from patchline.patches.manifest import Manifest
from patchline.patches.site import changing, creating, inventory, state
from patchline.patches.site.changing import Consent, Context
from patchline.patches.site.disk import Disk
from patchline.patches.situation import Choices
from patchline.patches.trust import Trust, trust_document
from patchline.patches.verify import VerifiedManifest, verify
from tests import vendor
from tests.samples import ABSENT, FOLDER, entry, file_state, fix, link_state, manifest_document, sha256

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
Tree = dict[str, Any]
"""Path to content: bytes for a file, a pair (bytes, True) for an executable one, `Link` text for a link."""


@dataclass(frozen=True)
class LinkTo:
    target: str


class Directory:
    """A path that is a folder before or after; in a tree an empty one, unless more paths lie in it."""


@dataclass(frozen=True)
class Hotfix:
    verified: VerifiedManifest
    path: Path

    @property
    def manifest(self) -> Manifest:
        return self.verified.manifest


@cache
def trust_for(product: str) -> Trust:
    policy = vendor.policy_envelope(vendor.policy_document(product=product, root_steps=True))
    return Trust.parse(trust_document(product=product, root=vendor.root(), policy=policy))


def approved(manifest: Manifest, path: Path, container: str) -> VerifiedManifest:
    """Sign a manifest as builder and approvers do, lay that beside the bundle, and take it through the door."""
    built = [vendor.provenance(manifest, containers=(container,))]
    sidecars = vendor.sidecars(manifest, ("ben", "ed-cleo"), built)
    path.with_name(f"{path.name}.provenance.jsonl").write_bytes(sidecars.provenance)
    path.with_name(f"{path.name}.approvals.jsonl").write_bytes(sidecars.approvals)
    return verify(manifest.data, sidecars, trust_for(manifest.target.product), NOW)


def put(folder: Path, tree: Tree) -> None:
    for path, content in tree.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, LinkTo):
            target.symlink_to(content.target)
            continue
        if isinstance(content, Directory):
            target.mkdir(exist_ok=True)
            continue
        data, executable = content if isinstance(content, tuple) else (content, False)
        target.write_bytes(data)
        target.chmod(0o755 if executable else 0o644)


def take(folder: Path) -> dict[str, Any]:
    """Everything in a root except `.patchline/`: kind, content, mode, owner of each path, folders too."""
    found = {}
    for top, folders, files in os.walk(folder):
        if Path(top) == folder and ".patchline" in folders:
            folders.remove(".patchline")
        for name in folders + files:
            path = Path(top) / name
            status = path.lstat()
            kind = stat.S_IFMT(status.st_mode)
            content = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else None
            mode = None if path.is_symlink() else stat.S_IMODE(status.st_mode)
            found[str(path.relative_to(folder))] = (kind, content, mode, status.st_uid, status.st_gid)
    return found


def state_of(content: Any) -> dict[str, Any]:
    if content is None:
        return ABSENT
    if isinstance(content, LinkTo):
        return link_state(content.target)
    if isinstance(content, Directory):
        return FOLDER
    data, executable = content if isinstance(content, tuple) else (content, False)
    return file_state(data, executable)


def data_of(content: Any) -> bytes:
    return content[0] if isinstance(content, tuple) else content


@contextmanager
def offered(hotfixes: tuple[Hotfix, ...]):
    with ExitStack() as stack:
        streams = [stack.enter_context(hotfix.path.open("rb")) for hotfix in hotfixes]
        yield [(item.verified, bundle.Container(stream)) for item, stream in zip(hotfixes, streams, strict=True)]


def consent(choices: dict[str, Any]) -> Consent:
    picked = {name: frozenset(choices.pop(name, ())) for name in ("override", "preserve", "accept_loss")}
    return Consent(choices=Choices(**picked), **choices)


@dataclass
class World:
    folder: Path
    base: Tree
    disk: Disk | None = None
    now: datetime = NOW
    baseline_list: bytes | None = None
    more_roots: dict[str, Path] = field(default_factory=dict)
    follow: tuple[str, ...] = ()
    trust: Trust | None = None
    existing: bool = False
    """A site that is there already."""

    def __post_init__(self) -> None:
        if self.existing:
            return
        self.root.mkdir(parents=True, exist_ok=True)
        put(self.root, self.base)
        self.init()

    @property
    def root(self) -> Path:
        return self.folder / "app"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def init(self) -> None:
        roots = {"app": self.root, **self.more_roots}
        follow = tuple(self.root / link for link in self.follow)
        new = creating.NewSite("demo", "1.0", roots, follow, (self.trust or trust_for("demo")).data, self.baseline_list)
        creating.create(new, self.state, self.disk or Disk(), self.now)

    def opened(self):
        return state.opened(self.root, self.state, self.disk or Disk())

    def hotfix(self, changes: dict[str, Any], name: str = "HF-2026-0001", base: Tree | None = None, **more: Any):
        """A hotfix that changes paths of `base` (the baseline) to the contents given; None deletes."""
        base = self.base if base is None else base
        fixes = more.pop("fixes", [fix("BUG-1" if name == "HF-2026-0001" else f"BUG-{name}")])
        ids = [item["id"] for item in fixes]
        pre = more.pop("pre", {})
        extra = more.pop("entry", {})
        contents = {}
        files = []
        for path, after in changes.items():
            before = [state_of(item) for item in pre.get(path, [base.get(path)])]
            options = {"fixes": ids, **extra.get(path, {})}
            files.append(entry(path, before, state_of(after), **options))
            for item in [after, *pre.get(path, [base.get(path)])]:
                if isinstance(item, bytes | tuple):
                    contents[sha256(data_of(item))] = data_of(item)
        scripts = more.pop("script_contents", [])
        contents.update({sha256(data): data for data in scripts})
        declared = sorted(({"sha256": sha256(data), "size": len(data)} for data in scripts), key=lambda x: x["sha256"])
        document = manifest_document(files, hotfix=name, fixes=fixes, scripts=declared, **more)
        manifest = Manifest.from_document(document)
        path = self.folder / f"{manifest.label}-{manifest.digest[:8]}.hotfix"
        written = bundle.write(path, manifest, lambda member: [contents[member.sha256]], overwrite=True)
        return Hotfix(approved(manifest, path, written.container), path)

    def apply(self, *hotfixes: Hotfix, **choices: Any):
        with self.opened() as site, offered(hotfixes) as bundles:
            return changing.apply(site, bundles, consent(choices), Context(self.now))

    def plan(self, *hotfixes: Hotfix, **choices: Any):
        with self.opened() as site, offered(hotfixes) as bundles:
            return changing.plan_for(site, bundles, consent(choices), Context(self.now))

    def refusals(self, *hotfixes: Hotfix, **choices: Any) -> list[str]:
        """The codes of everything that stands in the way."""
        return [problem.code for problem in self.plan(*hotfixes, **choices).problems]

    def cleanup(self, keep: int = 1, *, dry_run: bool = False):
        with self.opened() as site:
            return changing.cleanup(site, keep, Context(self.now), dry_run=dry_run)

    def rollback(self, target: str = "HF-2026-0001", *, to_level: bool = False, **consent: Any):
        with self.opened() as site:
            return changing.rollback(
                site, target, to_level=to_level, consent=Consent(**consent), context=Context(self.now)
            )

    def recover(self):
        with self.opened() as site:
            return changing.recover(site, Context(self.now))

    def inventory(self, *, check: bool = True):
        with self.opened() as site:
            return inventory.take(site, site.ledger(), unfinished=False, check=check)

    def tree(self) -> dict[str, Any]:
        return take(self.root)
