"""The root of trust: TUF root metadata, read strictly and checked by python-tuf with our own signature check.

- The root's keys sign the next root; the top-level targets keys sign policies. Both have a threshold of distinct keys.
- Only P-256 and Ed25519 keys, each under the SHA-256 of itself as its id, so one key cannot be counted twice.
- A threshold below 1 or above the number of keys is refused.
- A root counts when a threshold of its own root keys signed it. The next one must count by itself, have the version
  after, and be signed by a threshold of the present one's keys too.
- In TUF a wrong signature merely does not count; so it is here.
"""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from tuf.api.metadata import Metadata
from tuf.api.metadata import Root as TufRoot  # type: ignore[attr-defined]  # it declares no public names

from patchline.patches.errors import TrustError
from patchline.patches.fields import Fields
from patchline.patches.keys import PublicKey
from patchline.patches.tuf_keys import TufKey, register

ROLES = ("root", "snapshot", "targets", "timestamp")
_HEXADECIMAL = re.compile(r"([0-9a-f]{2})+")
_MEMBERS = {"signatures", "signed"}
register()


@dataclass(frozen=True)
class Role:
    """Keys by id, and how many of them must sign."""

    keys: Mapping[str, PublicKey]
    threshold: int


@dataclass(frozen=True)
class Root:
    """Root metadata whose form was checked; whether it counts, `check_self` and `check_successor` say.

    Attributes:
        document: the metadata as it stands in JSON.
        roles: the four top-level roles; snapshot and timestamp may have no keys until a channel exists.
    """

    document: dict[str, Any]
    version: int
    expires: datetime
    roles: Mapping[str, Role]

    @property
    def targets(self) -> Role:
        """Who signs policies."""
        return self.roles["targets"]

    @property
    def keys(self) -> dict[str, PublicKey]:
        """Every key of every role by its id."""
        return {keyid: key for role in self.roles.values() for keyid, key in role.keys.items()}

    @classmethod
    def read(cls, document: Any) -> "Root":
        """Read root metadata from canonical JSON, signed or still to be signed.

        Raises:
            TrustError: it breaks a rule.
            SignatureError: a key must not be used.
        """
        fields = Fields(document, "root", TrustError)
        if set(fields.document) != _MEMBERS:
            raise TrustError("root-malformed", "the root is no TUF metadata")
        _check_signatures(fields)
        signed = fields.object("signed")
        if signed.document.get("_type") != "root":
            raise TrustError("root-malformed", f"this TUF metadata is a {signed.document.get('_type')!r}, not a root")
        keys = _read_keys(signed)
        roles = {name: _read_role(signed.object("roles").object(name), keys, name) for name in ROLES}
        _check_offline(roles)
        metadata = _metadata(document)
        return cls(
            document=copy.deepcopy(document),
            version=signed.integer("version", 1, 1 << 50),
            expires=metadata.signed.expires.replace(tzinfo=UTC),
            roles=MappingProxyType(roles),
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


def _check_signatures(fields: Fields) -> None:
    """Refuse signatures of another shape; python-tuf looks at them only when it verifies."""
    for entry in fields.objects("signatures", most=100):
        if set(entry.document) != {"keyid", "sig"}:
            raise TrustError("root-malformed", f"{entry.where} is no signature of TUF metadata")
        entry.text("keyid")
        entry.text("sig", limit=1000, pattern=_HEXADECIMAL)


def _metadata(document: Any) -> Metadata[TufRoot]:
    try:
        metadata: Metadata[TufRoot] = Metadata.from_dict(copy.deepcopy(document))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrustError("root-malformed", f"the root is no TUF metadata: {error}") from None
    if not isinstance(metadata.signed, TufRoot):
        raise TrustError("root-malformed", "this TUF metadata is no root")
    return metadata


def _read_keys(signed: Fields) -> dict[str, PublicKey]:
    found = {}
    keys = signed.object("keys")
    if len(keys.document) > 100:
        keys.fail("value", " names more than 100 keys")
    for keyid in keys.document:
        try:
            found[keyid] = TufKey.from_dict(keyid, copy.deepcopy(keys.object(keyid).document)).public
        except (ValueError, KeyError, TypeError) as error:
            raise TrustError("root-key", f"key {keyid[:16]!r} of the root cannot be used: {error}") from None
    return found


def _check_offline(roles: Mapping[str, Role]) -> None:
    """Refuse a key that is to lie offline and online at once."""
    offline = roles["root"].keys.keys() | roles["targets"].keys.keys()
    online = roles["snapshot"].keys.keys() | roles["timestamp"].keys.keys()
    if shared := offline & online:
        raise TrustError("key-purpose", f"key {min(shared)[:16]} stands both for the root and for the channel")


def _read_role(fields: Fields, keys: Mapping[str, PublicKey], name: str) -> Role:
    keyids = fields.texts("keyids", most=100)
    if len(set(keyids)) != len(keyids) or not set(keyids).issubset(keys):
        fields.fail("root-key", ".keyids names a key twice or one that is not there")
    threshold = fields.integer("threshold", -(1 << 52), 1 << 52)
    # The channel's roles are empty until it exists; nothing is accepted by them then.
    unused = name in ("snapshot", "timestamp") and not keyids
    if threshold < 1 or (threshold > len(keyids) and not unused):
        fields.fail("root-threshold", f".threshold is {threshold} of {len(keyids)} keys")
    return Role(MappingProxyType({keyid: keys[keyid] for keyid in keyids}), threshold)
