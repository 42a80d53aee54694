"""The metadata of a kit: what the channel says at this moment, under the kit key, for sites without a network.

Roots, targets, hotfixes and status are the channel's own bytes. Only snapshot and timestamp are the kit's: they say the
same as the channel's and have its version numbers, so an older kit is known as older by the site, but they are signed
by the kit key and for long. The same state and time make the same kit again, byte for byte.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tuf.api.metadata import (  # type: ignore[attr-defined]  # it declares no public names
    Metadata,
    Snapshot,
    Timestamp,
)

from patchline.patches import channel
from patchline.patches.channel import HOTFIXES, KIT_LIFE, SNAPSHOT, STATUS, TARGETS, TIMESTAMP
from patchline.patches.delegations import SPEC_VERSION
from patchline.patches.errors import ExpiredError, SettingsError, StateError
from patchline.patches.root import Root
from patchline.patches.signers import Signer
from patchline.patches.statements import time_text
from patchline.patches.tuf_keys import TufSigner
from patchline.releaser.channel_roots import check_kit_root
from patchline.releaser.published import ListedTarget, Published, Signed, Versions, kept_kit_root, read_published
from patchline.releaser.stores import Store


@dataclass(frozen=True)
class KitMetadata:
    """The metadata of a kit.

    Attributes:
        files: bytes by their place below the kit.
        expires: when the first part of it expires, and with it the kit.
        targets: every target by its name; a kit holds those of them that its site lacks.
        versions: of every role, the online ones for snapshot and timestamp too.
    """

    files: Mapping[str, bytes]
    expires: datetime
    targets: Mapping[str, ListedTarget]
    versions: Versions


def kit_metadata(store: Store, kit_key: Signer, now: datetime) -> KitMetadata:
    """Make a kit's metadata from a channel's state.

    Args:
        store: of the channel.
        kit_key: the one that the newest root of kits names.
        now: the time of making, from which it lives for 180 days.

    Raises:
        StateError: there is no channel or no root of kits yet, or a rotation was cut off.
        SettingsError: another key.
        ExpiredError: something in it has expired already.
        TrustError: the root of kits does not go with the newest root.
    """
    published = read_published(store)
    if published.delegations is None or not published.kit_roots:
        raise StateError("channel-empty", "the channel has no root of kits yet")
    if published.rotating:
        raise StateError("channel-rotation", f"root {len(published.roots)} was taken in only half")
    kit_root = published.kit_roots[-1]
    check_kit_root(kit_root, published.roots[-1])
    if kit_key.public.keyid not in kit_root.roles[SNAPSHOT].keys:
        raise SettingsError("channel-keys", f"key {kit_key.public.fingerprint} is not the one that signs kits")
    files = _kept(store, published, kit_root)
    now = now.replace(microsecond=0)
    snapshot = _signed(_snapshot(published, now), kit_key)
    timestamp = _signed(_timestamp(published, snapshot, now), kit_key)
    for role, signed in ((SNAPSHOT, snapshot), (TIMESTAMP, timestamp)):
        files[channel.metadata_file(role, signed.version)] = signed.data
    return KitMetadata(files, _expiry(published, now), published.targets, published.versions)


def _kept(store: Store, published: Published, kit_root: Root) -> dict[str, bytes]:
    """Return the channel's own files that a kit carries."""
    versions = published.versions
    roots = [channel.metadata_file("root", root.version) for root in published.roots]
    lists = [channel.metadata_file(role, versions.of(role)) for role in (TARGETS, HOTFIXES, STATUS)]
    found = {path: _read(store, path) for path in (*roots, *lists)}
    found[channel.kit_root_file(kit_root.version)] = _read(store, kept_kit_root(kit_root.version))
    return found


def _read(store: Store, path: str) -> bytes:
    data = store.read(path, max(channel.MOST_BYTES.values()))
    if data is None:
        raise StateError("channel-behind", f"{path} has vanished from the channel's store")
    return data


def _snapshot(published: Published, now: datetime) -> Snapshot:
    before = published.roles[SNAPSHOT]
    return Snapshot(before.version, SPEC_VERSION, now + KIT_LIFE, dict(before.metadata.signed.meta))


def _timestamp(published: Published, snapshot: Signed, now: datetime) -> Timestamp:
    return Timestamp(published.roles[TIMESTAMP].version, SPEC_VERSION, now + KIT_LIFE, snapshot.meta)


def _signed(part: Any, signer: Signer) -> Signed:
    metadata: Metadata[Any] = Metadata(part)
    metadata.sign(TufSigner(signer))
    return Signed(metadata, metadata.to_bytes())


def _expiry(published: Published, now: datetime) -> datetime:
    """Return when the first part of the kit expires.

    Raises:
        ExpiredError: that is past.
    """
    lasting = {role: end for role, end in published.expiries.items() if role not in (SNAPSHOT, TIMESTAMP)}
    role, end = min([*lasting.items(), ("kit", now.astimezone(UTC) + KIT_LIFE)], key=lambda pair: pair[1])
    if end <= now:
        raise ExpiredError("offline", f"{role} expired on {time_text(end)}; a kit made now would be of no use")
    return end
