"""A channel as it is published: read back from its store, everything checked, before anything is put on top of it.

Whoever may write to the store but has no key must not get a changed list signed again by publishing over it: what is
read counts by the same signatures, digests and versions that a site checks. What has expired is read all the same;
publishing is how it gets better.
"""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, TypeVar

from tuf.api.exceptions import LengthOrHashMismatchError, RepositoryError
from tuf.api.metadata import (  # type: ignore[attr-defined]  # it declares no public names
    Metadata,
    MetaFile,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from patchline.patches import channel, documents
from patchline.patches.channel import HOTFIXES, SNAPSHOT, STATUS, TARGETS, TIMESTAMP
from patchline.patches.delegations import Delegations
from patchline.patches.errors import ChannelError
from patchline.patches.limits import LIMITS
from patchline.patches.root import Root
from patchline.releaser.stores import Seen, Store

MOST_ROOTS = 256
KIT_ROOT_FOLDER = "kits"
"""Where the roots of kits are kept; not among a channel's metadata, where they would make a kit of it."""
_Signed = TypeVar("_Signed", Targets, Snapshot, Timestamp)


@dataclass(frozen=True)
class ListedTarget:
    """A target of the channel: its name, and the file that it is by now."""

    name: str
    sha256: str
    size: int

    @property
    def file(self) -> str:
        """Where it lies below the folder of a channel or kit."""
        return channel.target_file(self.name, self.sha256)


@dataclass(frozen=True)
class Versions:
    """Which version of each role is published; 0 before there is one."""

    root: int = 0
    kit_root: int = 0
    targets: int = 0
    hotfixes: int = 0
    status: int = 0
    snapshot: int = 0
    timestamp: int = 0

    def of(self, role: str) -> int:
        """Return the version of a role."""
        return int(getattr(self, role))

    def newer_than(self, before: "Versions") -> tuple[str, ...]:
        """Return the roles that have another version than before."""
        return tuple(role for role, version in vars(self).items() if version != before.of(role))

    def as_document(self) -> dict[str, int]:
        """Return the versions for `--json` and the register."""
        return dict(vars(self))


@dataclass(frozen=True)
class Signed:
    """Metadata of one role: what it says, and the bytes that say it."""

    metadata: Metadata[Any]
    data: bytes

    @property
    def version(self) -> int:
        """Its version."""
        return int(self.metadata.signed.version)

    @property
    def expires(self) -> datetime:
        """When it expires."""
        expires: datetime = self.metadata.signed.expires
        return expires.replace(tzinfo=UTC)

    @property
    def meta(self) -> MetaFile:
        """What other metadata says about it."""
        return MetaFile.from_data(self.version, self.data, ["sha256"])


@dataclass(frozen=True)
class Published:
    """A channel's state.

    Attributes:
        roots: all of them, the first having version 1.
        kit_roots: the same of the root of kits.
        delegations: the top-level targets; None before the channel begins.
        roles: the other four by name, all or none of them.
        timestamp: the object of the store that all hangs on.
        rotating: a new root is there, and what it names has not signed yet: `channel root` was cut off.
    """

    roots: tuple[Root, ...]
    kit_roots: tuple[Root, ...]
    delegations: Delegations | None
    roles: Mapping[str, Signed]
    timestamp: Seen | None
    rotating: bool = False

    @property
    def versions(self) -> Versions:
        """The version of every role."""
        return Versions(
            root=len(self.roots),
            kit_root=len(self.kit_roots),
            targets=self.delegations.version if self.delegations else 0,
            **{name: signed.version for name, signed in self.roles.items()},
        )

    @cached_property
    def targets(self) -> dict[str, ListedTarget]:
        """Every target by its name."""
        found = {}
        for role in (HOTFIXES, STATUS):
            if role in self.roles:
                for name, target in self.roles[role].metadata.signed.targets.items():
                    found[name] = listed(name, target)
        return found

    @property
    def expiries(self) -> dict[str, datetime]:
        """When each role's metadata expires, the newest roots included."""
        found = {name: signed.expires for name, signed in self.roles.items()}
        if self.delegations:
            found[TARGETS] = self.delegations.expires
        found |= {"root": self.roots[-1].expires} if self.roots else {}
        return found | ({"kit-root": self.kit_roots[-1].expires} if self.kit_roots else {})


def listed(name: str, target: TargetFile) -> ListedTarget:
    """Return a target as the channel's metadata lists it."""
    return ListedTarget(name, target.hashes["sha256"], target.length)


def read_published(store: Store) -> Published:
    """Read a channel's state; an empty one where nothing was published.

    Raises:
        ChannelError: something in the store is not what was published.
        TrustError: the same of a root.
        StateError: the store cannot be read.
    """
    roots = read_roots(store, kit=False)
    kit_roots = read_roots(store, kit=True)
    timestamp = store.look(channel.metadata_file(TIMESTAMP, 0), channel.MOST_BYTES[TIMESTAMP])
    if timestamp is None:
        return Published(roots, kit_roots, None, {}, None)
    if not roots:
        raise ChannelError("metadata", "the channel has a timestamp but no root")
    # The newest root comes first; an earlier one counts only until its `channel root` has been finished.
    for root in reversed(roots):
        signed = _parse(timestamp.data, TIMESTAMP, Timestamp)
        if counts(root, TIMESTAMP, signed.metadata):
            return _read_under(store, root, roots, kit_roots, timestamp, signed)
    raise ChannelError("signatures", "the channel's timestamp was signed by no key that its root names")


def _read_under(
    store: Store,
    root: Root,
    roots: tuple[Root, ...],
    kit_roots: tuple[Root, ...],
    seen: Seen,
    timestamp: Signed,
) -> Published:
    snapshot = _read(store, SNAPSHOT, timestamp.metadata.signed.snapshot_meta, Snapshot)
    _require(root, SNAPSHOT, snapshot.metadata)
    meta: Mapping[str, MetaFile] = snapshot.metadata.signed.meta
    if set(meta) != {f"{role}.json" for role in (TARGETS, HOTFIXES, STATUS)}:
        raise ChannelError("metadata", "the channel's snapshot names other metadata than patchline publishes")
    top = _read(store, TARGETS, meta["targets.json"], Targets)
    delegations = Delegations.read(documents.decode(top.data, what="targets", limit=LIMITS.manifest))
    delegations.check_signed(root)
    roles = {SNAPSHOT: snapshot, TIMESTAMP: timestamp}
    for role in (HOTFIXES, STATUS):
        roles[role] = _read(store, role, meta[f"{role}.json"], Targets)
        _require_delegated(top.metadata, role, roles[role].metadata)
    return Published(roots, kit_roots, delegations, roles, seen, rotating=root is not roots[-1])


def kept_kit_root(version: int) -> str:
    """Return where the channel's store keeps a root of kits."""
    return f"{KIT_ROOT_FOLDER}/{version}.kit-root.json"


def read_roots(store: Store, *, kit: bool) -> tuple[Root, ...]:
    """Read the roots of channel or kits, each following the one before.

    Raises:
        TrustError: one does not follow, or does not count.
    """
    found: list[Root] = []
    for version in range(1, MOST_ROOTS + 1):
        path = kept_kit_root(version) if kit else channel.metadata_file("root", version)
        data = store.read(path, channel.MOST_BYTES["root"])
        if data is None:
            break
        root = Root.read(documents.decode(data, what=path), kit=kit)
        if root.version != version:
            raise ChannelError("metadata", f"{path} holds root {root.version}")
        found[-1].check_successor(root) if found else root.check_self()
        found.append(root)
    return tuple(found)


def _read(store: Store, role: str, meta: MetaFile, kind: type[_Signed]) -> Signed:
    path = channel.metadata_file(role, meta.version)
    data = store.read(path, channel.MOST_BYTES[role])
    if data is None:
        raise ChannelError("metadata", f"{path} is missing in the channel")
    try:
        meta.verify_length_and_hashes(data)
    except LengthOrHashMismatchError as error:
        raise ChannelError("metadata", f"{path} is not what was published: {error}") from None
    signed = _parse(data, role, kind)
    if signed.version != meta.version:
        raise ChannelError("metadata", f"{path} holds version {signed.version}")
    return signed


def _parse(data: bytes, role: str, kind: type[_Signed]) -> Signed:
    try:
        metadata: Metadata[Any] = Metadata.from_dict(json.loads(data))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ChannelError("metadata", f"the channel's {role} is no TUF metadata: {error}") from None
    if not isinstance(metadata.signed, kind):
        raise ChannelError("metadata", f"the channel's {role} is metadata of another kind")
    return Signed(metadata, data)


def root_part(root: Root) -> Any:
    """Return a root as python-tuf's object, which checks signatures of the roles it names."""
    return Metadata.from_dict(copy.deepcopy(root.document)).signed


def counts(root: Root, role: str, metadata: Metadata[Any]) -> bool:
    """Tell whether keys of the root that are enough signed a role's metadata."""
    try:
        return bool(root_part(root).get_verification_result(role, metadata.signed_bytes, metadata.signatures))
    except (RepositoryError, ValueError):
        return False


def _require(root: Root, role: str, metadata: Metadata[Any]) -> None:
    if not counts(root, role, metadata):
        raise ChannelError("signatures", f"the channel's {role} was not signed by the keys that its root names")


def _require_delegated(top: Metadata[Any], role: str, metadata: Metadata[Any]) -> None:
    if not top.signed.get_verification_result(role, metadata.signed_bytes, metadata.signatures):
        raise ChannelError("signatures", f"the channel's {role} was not signed by the keys that its targets name")
