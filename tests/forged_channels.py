"""A vendor's channel in a folder, and kits of it, honest or not: every role can be made, dated and signed at will."""

import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tuf.api.metadata import Metadata, MetaFile, Snapshot, TargetFile, Targets, Timestamp

from patchline.patches import channel, documents
from patchline.patches.channel import HOTFIXES, SNAPSHOT, STATUS, TARGETS, TIMESTAMP
from patchline.patches.delegations import Delegations
from patchline.patches.root import Root
from patchline.patches.tuf_keys import TufSigner
from patchline.releaser import ceremony
from tests import vendor

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ONLINE, PUBLISHER, KIT = "online", "publisher", "kit"
OFFLINE = vendor.OFFLINE


def public(name: str):
    return vendor.signer(name).public


def make_root(previous: Root | None = None, *, names=OFFLINE, by=None, now=NOW, kit=False, key=None) -> Root:
    """A root of the channel (or of kits), signed by these offline keys."""
    role = {"kit": public(key or KIT)} if kit else {"online": public(key or ONLINE)}
    made = ceremony.make_root([public(name) for name in names], 2, now, previous=previous, **role)
    for name in names[:2] if by is None else by:
        made = ceremony.sign_root(made, vendor.signer(name))
    return made


def make_targets(version=1, *, names=OFFLINE, now=NOW, publisher=PUBLISHER, status=ONLINE) -> Delegations:
    previous = None
    for _ in range(version):
        made = ceremony.make_targets([public(publisher)], [public(status)], now, previous=previous)
        previous = made
    for name in names[:2]:
        made = ceremony.sign_targets(made, vendor.signer(name))
    return made


def signed(content: Any, *names: str) -> bytes:
    """TUF metadata, signed by these keys."""
    metadata = Metadata(content)
    for name in names:
        metadata.sign(TufSigner(vendor.signer(name)), append=True)
    return documents.encode(metadata.to_dict())


@dataclass
class Channel:
    """A channel in a folder; `commit` publishes what was put."""

    folder: Path
    now: datetime = NOW
    roots: list[Root] = field(default_factory=list)
    kit_root: Root | None = None
    targets: Delegations | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    keys: dict[str, str] = field(
        default_factory=lambda: {HOTFIXES: PUBLISHER, STATUS: ONLINE, SNAPSHOT: ONLINE, TIMESTAMP: ONLINE}
    )

    def __post_init__(self) -> None:
        self.roots = self.roots or [make_root(now=self.now)]
        self.kit_root = self.kit_root or make_root(kit=True, now=self.now)
        self.targets = self.targets or make_targets(now=self.now)

    def put(self, name: str, data: bytes) -> None:
        self.files[name] = data

    def drop(self, name: str) -> None:
        del self.files[name]

    def commit(self, now: datetime | None = None, *, folder: Path | None = None, kit: bool = False, **changes: Any):
        """Write everything; `changes` name parts of roles to be made otherwise, as `timestamp_expires`."""
        now, folder = now or self.now, folder or self.folder
        if not kit:
            for role in (HOTFIXES, STATUS, SNAPSHOT, TIMESTAMP):
                self.versions[role] = self.versions.get(role, 0) + 1
        for root in self.roots:
            self.write(folder, channel.metadata_file("root", root.version), documents.encode(root.document))
        if kit:
            self.write(folder, channel.kit_root_file(self.kit_root.version), documents.encode(self.kit_root.document))
        data = documents.encode(self.targets.document)
        self.write(folder, channel.metadata_file(TARGETS, self.targets.version), data)
        for role in (HOTFIXES, STATUS):
            if not kit:
                self.write_role(folder, role, self.role(role, now), changes)
            else:
                path = channel.metadata_file(role, self.versions[role])
                self.write(folder, path, (self.folder / path).read_bytes())
        keys = {**self.keys, SNAPSHOT: KIT, TIMESTAMP: KIT} if kit else self.keys
        meta = {f"{role}.json": MetaFile(self.versions[role]) for role in (HOTFIXES, STATUS)}
        meta["targets.json"] = MetaFile(self.targets.version)
        meta.update(changes.get("meta", {}))
        life = channel.KIT_LIFE if kit else None
        snapshot = Snapshot(expires=now + (life or channel.LIVES[SNAPSHOT]), version=self.versions[SNAPSHOT], meta=meta)
        self.write_role(folder, SNAPSHOT, snapshot, changes, keys)
        told = MetaFile(changes.get("snapshot_version", snapshot.version))
        timestamp = Timestamp(
            expires=now + (life or channel.LIVES[TIMESTAMP]), version=self.versions[TIMESTAMP], snapshot_meta=told
        )
        self.write_role(folder, TIMESTAMP, timestamp, changes, keys)
        for name, content in self.files.items():
            self.write(folder, channel.target_file(name, documents.digest(content)), content)

    def role(self, role: str, now: datetime) -> Targets:
        listed = {
            name: TargetFile(len(data), {"sha256": documents.digest(data)}, name)
            for name, data in self.files.items()
            if name.startswith(f"{role}/")
        }
        return Targets(expires=now + channel.LIVES[role], version=self.versions[role], targets=listed)

    def write_role(self, folder: Path, role: str, content: Any, changes: dict[str, Any], keys=None) -> None:
        for name in ("expires", "version", "delegations"):
            if f"{role}_{name}" in changes:
                setattr(content, name, changes[f"{role}_{name}"])
        by = changes.get(f"{role}_by", (keys or self.keys)[role])
        version = changes.get(f"{role}_file", content.version)
        data = changes.get(f"{role}_bytes") or signed(content, *([by] if isinstance(by, str) else by))
        self.write(folder, channel.metadata_file(role, version), data)

    def write(self, folder: Path, path: str, data: bytes) -> None:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def kit(self, folder: Path, now: datetime | None = None, **changes: Any) -> Path:
        """Write a kit with everything in it."""
        self.commit(now, folder=folder, kit=True, **changes)
        return folder

    def copy(self, folder: Path) -> Path:
        """Keep the channel as it is now in another folder."""
        shutil.copytree(self.folder, folder)
        return folder

    def rotate(self, **changes: Any) -> Root:
        """Publish a next root."""
        self.roots.append(make_root(self.roots[-1], now=self.now, **changes))
        return self.roots[-1]


def later(**delta: Any) -> datetime:
    return NOW + timedelta(**delta)
