"""The root of trust: TUF root metadata, read strictly and checked by python-tuf with our own signature check.

- The root's keys sign the next root; the top-level targets keys sign policies. Both have a threshold of distinct keys.
- Only P-256 and Ed25519 keys, each under the SHA-256 of itself as its id, so one key cannot be counted twice.
- A threshold below 1 or above the number of keys is refused.
- A root counts when a threshold of its own root keys signed it. The next one must count by itself, have the version
  after, and be signed by a threshold of the present one's keys too.
- In TUF a wrong signature merely does not count; so it is here.
- A root for kits is marked as such inside what is signed, and never read as a channel's root or the other way round:
  it has the same root and targets keys, but its snapshot and timestamp are signed by the kit key, and for long.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from patchline.patches.errors import TrustError
from patchline.patches.fields import Fields
from patchline.patches.keys import PublicKey
from patchline.patches.tuf_library import Metadata, TufRoot
from patchline.patches.tuf_roles import Role, read_keys, read_role, read_signed

ROLES = ("root", "snapshot", "targets", "timestamp")
TREE_MARK, KIT_TREE = "x-patchline-tree", "kit"
"""The member of a root's signed part that makes it the root of kits."""


@dataclass(frozen=True)
class Root:
    """Root metadata whose form was checked; whether it counts, `check_self` and `check_successor` say.

    Attributes:
        document: the metadata as it stands in JSON.
        roles: the four top-level roles; snapshot and timestamp may have no keys until a channel exists.
        kit: it is the root of kits, not of a channel.
    """

    document: dict[str, Any]
    version: int
    expires: datetime
    roles: Mapping[str, Role]
    kit: bool = False

    @property
    def targets(self) -> Role:
        """Who signs policies."""
        return self.roles["targets"]

    @property
    def keys(self) -> dict[str, PublicKey]:
        """Every key of every role by its id."""
        return {keyid: key for role in self.roles.values() for keyid, key in role.keys.items()}

    @classmethod
    def read(cls, document: Any, *, kit: bool = False) -> "Root":
        """Read root metadata from canonical JSON, signed or still to be signed.

        Args:
            document: the metadata.
            kit: read the root of kits and no other; a channel's root and no other if not.

        Raises:
            TrustError: it breaks a rule.
            SignatureError: a key must not be used.
        """
        signed = read_signed(Fields(document, "root", TrustError), "root", "root-malformed")
        _check_tree(signed, kit)
        keys = read_keys(signed, "root-key")
        roles = {name: _read_role(signed.object("roles").object(name), keys, name) for name in ROLES}
        _check_offline(roles)
        metadata = _metadata(document)
        return cls(
            document=copy.deepcopy(document),
            version=signed.integer("version", 1, 1 << 50),
            expires=metadata.signed.expires.replace(tzinfo=UTC),
            roles=MappingProxyType(roles),
            kit=kit,
        )

    def signers(self, other: "Root") -> frozenset[str]:
        """Return the ids of this root's root keys that signed the other one (or this one itself)."""
        metadata, own = _metadata(other.document), _metadata(self.document)
        result = own.signed.get_verification_result("root", metadata.signed_bytes, metadata.signatures)
        return frozenset(result.signed)

    def check_self(self) -> None:
        """Raise TrustError unless a threshold of the root's own keys signed it."""
        there, needed = len(self.signers(self)), self.roles["root"].threshold
        if there < needed:
            raise TrustError("root-signatures", f"root {self.version} was signed by {there} of {needed} of its keys")

    def check_successor(self, newer: "Root") -> None:
        """Raise TrustError unless `newer` may replace this root."""
        if newer.kit != self.kit:
            raise TrustError("root-tree", "the root of kits follows no root of the channel, nor the other way round")
        if newer.version < self.version:
            raise TrustError("root-older", f"root {newer.version} is older than root {self.version}, already known")
        if newer.version > self.version + 1:
            raise TrustError("root-gap", f"root {newer.version} does not follow root {self.version}; one is missing")
        if newer.version == self.version:
            if newer.document["signed"] != self.document["signed"]:
                raise TrustError("root-fork", f"there are two different roots {self.version}")
            newer.check_self()
            return
        there, needed = len(self.signers(newer)), self.roles["root"].threshold
        if there < needed:
            raise TrustError(
                "root-predecessor",
                f"root {newer.version} was signed by {there} of {needed} keys of root {self.version}",
            )
        newer.check_self()


def _read_role(fields: Fields, keys: Mapping[str, PublicKey], name: str) -> Role:
    # The channel's roles are empty until it exists.
    return read_role(fields, keys, "root-key", "root-threshold", may_be_empty=name in ("snapshot", "timestamp"))


def is_kit_root(document: Any) -> bool:
    """Tell whether TUF metadata says that it is the root of kits."""
    signed = document.get("signed") if isinstance(document, dict) else None
    return isinstance(signed, dict) and TREE_MARK in signed


def _check_tree(signed: Fields, kit: bool) -> None:
    mark = signed.document.get(TREE_MARK)
    if TREE_MARK in signed.document and mark != KIT_TREE:
        raise TrustError("root-tree", f"the root is marked as of {mark!r}")
    if (mark == KIT_TREE) != kit:
        there, wanted = ("kits", "a channel") if mark else ("a channel", "kits")
        raise TrustError("root-tree", f"this is the root of {there}, not of {wanted}")


def _metadata(document: Any) -> Metadata[TufRoot]:
    try:
        metadata: Metadata[TufRoot] = Metadata.from_dict(copy.deepcopy(document))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrustError("root-malformed", f"the root is no TUF metadata: {error}") from None
    if not isinstance(metadata.signed, TufRoot):
        raise TrustError("root-malformed", "this TUF metadata is no root")
    return metadata


def _check_offline(roles: Mapping[str, Role]) -> None:
    """Refuse a key that is to lie offline and online at once."""
    offline = roles["root"].keys.keys() | roles["targets"].keys.keys()
    online = roles["snapshot"].keys.keys() | roles["timestamp"].keys.keys()
    if shared := offline & online:
        raise TrustError("key-purpose", f"key {min(shared)[:16]} stands both for the root and for the channel")
