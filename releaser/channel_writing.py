"""Putting a channel's next state into its store, in an order that a crash cannot break.

    files of targets · kit roots · N.targets · N.hotfixes · N.status · N.snapshot · N.root · timestamp

What has a number is written once and never again; until the timestamp is swapped, which takes one step, nobody looks
at any of it. A try that was cut off leaves numbers nobody refers to, and the next one takes those after them. Another
publisher who was faster changes the timestamp, and then the swap fails and nothing has happened.

A new root is seen at once, so it comes last but one. Where a former key signs too, and the new state also counts under
the root before, the timestamp comes first instead: then no moment is without a state that counts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tuf.api.metadata import (  # type: ignore[attr-defined]  # it declares no public names
    Metadata,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from patchline.patches import channel, documents
from patchline.patches.channel import HOTFIXES, SNAPSHOT, STATUS, TARGETS, TIMESTAMP
from patchline.patches.delegations import SPEC_VERSION, Delegations
from patchline.patches.errors import ChannelError, LockedError, RefusedError, SettingsError, TrustError
from patchline.patches.root import Root
from patchline.patches.signers import Signer
from patchline.patches.tuf_keys import TufSigner
from patchline.releaser.published import ListedTarget, Published, Signed, Versions, counts, kept_kit_root
from patchline.releaser.stores import Seen, Store

FULL = 0.8
"""Share of what a client reads at most, from which on nothing more is published."""
_MOST_SKIPPED = 1000
"""Numbers that tries which were cut off may have used up."""


@dataclass(frozen=True)
class OnlineKeys:
    """The keys on the machine that publishes.

    Attributes:
        former: keys that a rotation takes away; as long as they are here, they sign snapshot and timestamp too.
    """

    publisher: Signer
    status: Signer
    snapshot: Signer
    timestamp: Signer
    former: tuple[Signer, ...] = ()

    @classmethod
    def single(cls, online: Signer, *former: Signer) -> "OnlineKeys":
        """Return one key in all four roles, as small vendors have it."""
        return cls(online, online, online, online, former)

    def check(self, root: Root, delegations: Delegations) -> None:
        """Raise SettingsError unless these are the keys that root and targets name."""
        places = (
            (SNAPSHOT, self.snapshot, root.roles[SNAPSHOT]),
            (TIMESTAMP, self.timestamp, root.roles[TIMESTAMP]),
            (HOTFIXES, self.publisher, delegations.hotfixes),
            (STATUS, self.status, delegations.status),
        )
        for role, signer, named in places:
            if signer.public.keyid not in named.keys or named.threshold != 1:
                raise SettingsError(
                    "channel-keys",
                    f"the key at hand, {signer.public.fingerprint}, is not the one that signs {role} by itself",
                )


@dataclass(frozen=True)
class Wanted:
    """A state to be published.

    Attributes:
        roots: those that are new, in their order.
        kit_roots: the same of kits.
        delegations: the top-level targets.
        targets: all of them by name.
        again: roles to be signed again although nothing in them changes.
        above: versions that are used up already, wherever that was seen.
    """

    delegations: Delegations
    targets: Mapping[str, ListedTarget]
    roots: tuple[Root, ...] = ()
    kit_roots: tuple[Root, ...] = ()
    again: frozenset[str] = frozenset()
    above: Versions = field(default_factory=Versions)


class Writing:
    """One state being written on top of another one."""

    def __init__(self, store: Store, keys: OnlineKeys, published: Published, wanted: Wanted, now: datetime) -> None:
        self._store, self._keys, self._now = store, keys, now
        self._published, self._wanted = published, wanted
        self._roots = (*published.roots, *wanted.roots)
        keys.check(self._roots[-1], wanted.delegations)

    def write(self) -> Versions:
        """Write it; nothing where it is the one that is published.

        Returns:
            The versions published now.

        Raises:
            LockedError: another publisher was faster; nothing has happened.
            RefusedError: a list has become too large for clients.
            SettingsError: other keys are at hand than root and targets name.
        """
        for kit_root in self._wanted.kit_roots:
            self._once(kept_kit_root(kit_root.version), kit_root)
        delegations = self._targets_file()
        roles = {role: self._delegated(role) for role in (HOTFIXES, STATUS)}
        snapshot = self._snapshot(delegations, roles)
        timestamp = self._timestamp(snapshot)
        if self._counts_before(snapshot, timestamp):
            self._swap(timestamp)
            self._write_roots()
        else:
            self._write_roots()
            self._swap(timestamp)
        found = {**roles, SNAPSHOT: snapshot, TIMESTAMP: timestamp}
        return Versions(
            root=len(self._roots),
            kit_root=len(self._published.kit_roots) + len(self._wanted.kit_roots),
            targets=self._wanted.delegations.version,
            **{role: signed.version for role, signed in found.items()},
        )

    def _write_roots(self) -> None:
        for root in self._wanted.roots:
            self._once(channel.metadata_file("root", root.version), root)

    def _once(self, path: str, document: Root | Delegations) -> bytes:
        """Write what was signed offline under the number it has; an equal one with other signatures may lie there."""
        data = documents.encode(document.document)
        if self._store.create(path, data):
            return data
        there = self._store.read(path, channel.MOST_BYTES["root" if isinstance(document, Root) else TARGETS]) or b""
        if documents.decode(there, what=path)["signed"] != document.document["signed"]:
            raise ChannelError("fork", f"{path} is there already and says something else")
        return there

    def _targets_file(self) -> Signed:
        delegations = self._wanted.delegations
        path = channel.metadata_file(TARGETS, delegations.version)
        data = self._once(path, delegations)
        there = Delegations.read(documents.decode(data, what=path))
        there.check_signed(self._roots[-1])
        return Signed(Metadata.from_dict(documents.decode(data, what=path)), data)

    def _delegated(self, role: str) -> Signed:
        """Return the role's metadata: what is published, or a new version of it."""
        before = self._published.roles.get(role)
        listed = {name: one for name, one in self._wanted.targets.items() if name.startswith(f"{role}/")}
        known = {name: one for name, one in self._published.targets.items() if name.startswith(f"{role}/")}
        if before and listed == known and role not in self._wanted.again and self._same_holders(role):
            return before
        files = {name: _target_file(one) for name, one in sorted(listed.items())}
        signer = self._keys.publisher if role == HOTFIXES else self._keys.status

        def make(version: int) -> Metadata[Any]:
            return _signed(Targets(version, SPEC_VERSION, self._until(role), files), [signer])

        return self._numbered(role, make)

    def _same_holders(self, role: str) -> bool:
        before = self._published.delegations
        return before is not None and before.roles[role] == self._wanted.delegations.roles[role]

    def _snapshot(self, delegations: Signed, roles: Mapping[str, Signed]) -> Signed:
        before = self._published.roles.get(SNAPSHOT)
        meta = {f"{role}.json": signed.meta for role, signed in {TARGETS: delegations, **roles}.items()}
        if before and before.metadata.signed.meta == meta and not self._again(SNAPSHOT):
            return before
        return self._numbered(
            SNAPSHOT,
            lambda version: _signed(
                Snapshot(version, SPEC_VERSION, self._until(SNAPSHOT), meta),
                self._with_former(self._keys.snapshot),
            ),
        )

    def _timestamp(self, snapshot: Signed) -> Signed:
        before = self._published.roles.get(TIMESTAMP)
        if before and snapshot is self._published.roles[SNAPSHOT] and not self._again(TIMESTAMP):
            return before
        version = self._next(TIMESTAMP)
        made = Timestamp(version, SPEC_VERSION, self._until(TIMESTAMP), snapshot.meta)
        metadata = _signed(made, self._with_former(self._keys.timestamp))
        return Signed(metadata, self._bounded(TIMESTAMP, metadata))

    def _again(self, role: str) -> bool:
        """Tell whether snapshot or timestamp is to be signed again: it is due, or the root names other keys."""
        return role in self._wanted.again or bool(self._wanted.roots) or self._published.rotating

    def _with_former(self, signer: Signer) -> list[Signer]:
        rotating = bool(self._wanted.roots) or self._published.rotating
        former = self._keys.former if rotating else ()
        return [signer, *(one for one in former if one.public != signer.public)]

    def _numbered(self, role: str, make: Any) -> Signed:
        """Write metadata under the first number that is free."""
        first = self._next(role)
        for version in range(first, first + _MOST_SKIPPED):
            metadata = make(version)
            data = self._bounded(role, metadata)
            if self._store.create(channel.metadata_file(role, version), data):
                return Signed(metadata, data)
        raise ChannelError("metadata", f"{_MOST_SKIPPED} numbers after {role} {first} are used up")

    def _next(self, role: str) -> int:
        return max(self._published.versions.of(role), self._wanted.above.of(role)) + 1

    def _until(self, role: str) -> datetime:
        return self._now.replace(microsecond=0) + channel.LIVES[role]

    def _bounded(self, role: str, metadata: Metadata[Any]) -> bytes:
        data = metadata.to_bytes()
        most = int(channel.MOST_BYTES[role] * FULL)
        if len(data) > most:
            raise RefusedError(
                "channel-full",
                f"{role} would have {len(data):,} bytes; more than {most:,} are too near to what clients read",
            )
        return data

    def _counts_before(self, snapshot: Signed, timestamp: Signed) -> bool:
        """Tell whether the new state counts under the root before too."""
        if not (self._wanted.roots and self._published.roots and self._published.timestamp):
            return False
        root = self._published.roots[-1]
        try:
            self._wanted.delegations.check_signed(root)
        except (ChannelError, TrustError):
            return False
        return counts(root, SNAPSHOT, snapshot.metadata) and counts(root, TIMESTAMP, timestamp.metadata)

    def _swap(self, timestamp: Signed) -> None:
        seen: Seen | None = self._published.timestamp
        if seen and seen.data == timestamp.data:
            return
        if not self._store.swap(channel.metadata_file(TIMESTAMP, 0), timestamp.data, seen):
            raise LockedError("channel", "somebody else published meanwhile; nothing was changed")


def _signed(part: Any, signers: Iterable[Signer]) -> Metadata[Any]:
    metadata: Metadata[Any] = Metadata(part)
    for signer in signers:
        metadata.sign(TufSigner(signer), append=True)
    return metadata


def _target_file(one: ListedTarget) -> TargetFile:
    return TargetFile(one.size, {"sha256": one.sha256}, one.name)
