"""Making and signing roots and targets: what people do on their own machines, with no home but theirs.

Everything made here is read back by the rules of `patches`, so nothing leaves that a site would refuse for its form.
"""

import copy
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from tuf.api.metadata import Metadata

from patchline.patches import channel
from patchline.patches.delegations import SPEC_VERSION, Delegations, signed_part
from patchline.patches.errors import TrustError, UsageError
from patchline.patches.keys import PublicKey
from patchline.patches.root import KIT_TREE, ROLES, TREE_MARK, Root
from patchline.patches.signers import Signer
from patchline.patches.statements import time_text
from patchline.patches.tuf_keys import TufKey, TufSigner
from patchline.patches.tuf_roles import Role


def make_root(
    keys: Iterable[PublicKey],
    threshold: int,
    now: datetime,
    *,
    online: PublicKey | None = None,
    kit: PublicKey | None = None,
    previous: Root | None = None,
) -> Root:
    """Make a root to be signed: the same keys for root and targets, one key or none for snapshot and timestamp.

    Args:
        keys: of root and targets.
        threshold: how many of them must sign.
        now: the time it is made.
        online: the key of a channel's snapshot and timestamp.
        kit: the key of a kit's snapshot and timestamp, which makes it the root of kits.
        previous: the root that it follows, of the same tree.

    Raises:
        TrustError: the threshold is below 1 or above the number of keys, or `previous` is of the other tree.
        UsageError: both an online and a kit key.
    """
    if online and kit:
        raise UsageError("options", "the channel and its kits have roots of their own: give --online or --kit")
    if previous and previous.kit != (kit is not None):
        raise TrustError("root-tree", "the root of kits follows no root of the channel, nor the other way round")
    keys = list(keys)
    if not 1 <= threshold <= len({key.keyid for key in keys}):
        raise TrustError("root-threshold", f"the threshold is {threshold} of {len(keys)} keys")
    offline = [key.keyid for key in keys]
    others = [key for key in (online, kit) if key]
    moving = [key.keyid for key in others]
    holders = {"root": offline, "targets": offline, "snapshot": moving, "timestamp": moving}
    signed: dict[str, Any] = {
        "_type": "root",
        "spec_version": SPEC_VERSION,
        "version": previous.version + 1 if previous else 1,
        "expires": time_text(now + channel.LIVES[channel.ROOT]),
        "consistent_snapshot": True,
        "keys": {key.keyid: TufKey(key).to_dict() for key in [*keys, *others]},
        "roles": {
            name: {"keyids": holders[name], "threshold": threshold if holders[name] is offline else 1} for name in ROLES
        },
    }
    if kit:
        signed[TREE_MARK] = KIT_TREE
    return Root.read({"signed": signed, "signatures": []}, kit=kit is not None)


def sign_root(root: Root, signer: Signer) -> Root:
    """Return the root with one more signature."""
    return Root.read(_signed_by(root.document, signer), kit=root.kit)


def make_targets(
    publishers: Iterable[PublicKey], status: Iterable[PublicKey], now: datetime, *, previous: Delegations | None = None
) -> Delegations:
    """Make the top-level targets to be signed: who publishes hotfixes, and who signs the channel's status.

    Any one of the keys named is enough: they are online, on the machines that publish.

    Raises:
        ChannelError: a role without a key.
    """
    holders = ((channel.HOTFIXES, publishers), (channel.STATUS, status))
    roles = {name: Role({key.keyid: key for key in keys}, 1) for name, keys in holders}
    version = previous.version + 1 if previous else 1
    signed = signed_part(roles, version, time_text(now + channel.LIVES[channel.TARGETS]))
    return Delegations.read({"signed": signed, "signatures": []})


def sign_targets(targets: Delegations, signer: Signer) -> Delegations:
    """Return the top-level targets with one more signature."""
    return Delegations.read(_signed_by(targets.document, signer))


def _signed_by(document: dict[str, Any], signer: Signer) -> dict[str, Any]:
    metadata: Metadata[Any] = Metadata.from_dict(copy.deepcopy(document))
    metadata.sign(TufSigner(signer), append=True)
    return metadata.to_dict()
