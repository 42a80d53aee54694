"""Keys, roles and signatures of TUF metadata, read strictly; what root and delegations have in common.

Errors are of the family of the fields given, with the codes that the caller names.
"""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from patchline.patches.fields import Fields
from patchline.patches.keys import PublicKey
from patchline.patches.tuf_keys import TufKey, register

_HEXADECIMAL = re.compile(r"([0-9a-f]{2})+")
_MEMBERS = {"signatures", "signed"}
register()


@dataclass(frozen=True)
class Role:
    """Keys by id, and how many of them must sign."""

    keys: Mapping[str, PublicKey]
    threshold: int

    def as_document(self) -> dict[str, Any]:
        """Return the role as it stands in metadata."""
        return {"keyids": list(self.keys), "threshold": self.threshold}


def read_signed(fields: Fields, kind: str, code: str) -> Fields:
    """Return the signed part of metadata of a kind, after looking at the signatures' form.

    python-tuf looks at signatures only when it verifies, and then lets a malformed one pass as one that does not count.
    """
    what = fields.where
    if set(fields.document) != _MEMBERS:
        raise fields.family(code, f"the {what} is no TUF metadata")
    for entry in fields.objects("signatures", most=100):
        if set(entry.document) != {"keyid", "sig"}:
            raise fields.family(code, f"{entry.where} is no signature of TUF metadata")
        entry.text("keyid")
        entry.text("sig", limit=1000, pattern=_HEXADECIMAL)
    signed = fields.object("signed")
    if signed.document.get("_type") != kind:
        raise fields.family(code, f"this TUF metadata is a {signed.document.get('_type')!r}, not a {kind}")
    return signed


def read_keys(fields: Fields, code: str) -> dict[str, PublicKey]:
    """Return the keys of `keys` by their ids: P-256 and Ed25519, each under the digest of itself."""
    found = {}
    keys = fields.object("keys")
    if len(keys.document) > 100:
        keys.fail("value", " names more than 100 keys")
    for keyid in keys.document:
        try:
            found[keyid] = TufKey.from_dict(keyid, copy.deepcopy(keys.object(keyid).document)).public
        except (ValueError, KeyError, TypeError) as error:
            raise fields.family(code, f"key {keyid[:16]!r} of the {fields.where} cannot be used: {error}") from None
    return found


def read_role(
    fields: Fields, keys: Mapping[str, PublicKey], key_code: str, threshold_code: str, *, may_be_empty: bool = False
) -> Role:
    """Return a role: its keys, each once and known, and a threshold that they can reach.

    Args:
        fields: the role.
        keys: those it may name.
        key_code: of the error for keys.
        threshold_code: of the error for the threshold.
        may_be_empty: it may have no key; nothing is accepted by it then.
    """
    keyids = fields.texts("keyids", most=100)
    if len(set(keyids)) != len(keyids) or not set(keyids).issubset(keys):
        fields.fail(key_code, ".keyids names a key twice or one that is not there")
    threshold = fields.integer("threshold", -(1 << 52), 1 << 52)
    unused = may_be_empty and not keyids
    if threshold < 1 or (threshold > len(keyids) and not unused):
        fields.fail(threshold_code, f".threshold is {threshold} of {len(keyids)} keys")
    return Role(MappingProxyType({keyid: keys[keyid] for keyid in keyids}), threshold)
