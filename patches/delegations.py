"""The top-level targets: which keys publish hotfixes, and which sign the channel's status. Signed offline.

There is one form: no targets of its own, exactly two delegated roles, each for its own names, `terminating`, and each
key under the digest of itself. So no role can be handed on twice, or answer for names of another one.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from patchline.patches.channel import HOTFIX_PATHS, HOTFIXES, STATUS, STATUS_PATHS
from patchline.patches.errors import ChannelError
from patchline.patches.fields import Fields
from patchline.patches.keys import PublicKey
from patchline.patches.root import Root
from patchline.patches.tuf_keys import TufKey
from patchline.patches.tuf_library import Metadata, TufTargets
from patchline.patches.tuf_roles import Role, read_keys, read_role, read_signed

PATHS: Mapping[str, tuple[str, ...]] = MappingProxyType({HOTFIXES: HOTFIX_PATHS, STATUS: STATUS_PATHS})
SPEC_VERSION = "1.0.31"


@dataclass(frozen=True)
class Delegations:
    """Top-level targets whose form was checked; whether they count, `check_signed` says.

    Attributes:
        document: the metadata as it stands in JSON.
        roles: `hotfixes` and `status`.
    """

    document: dict[str, Any]
    version: int
    expires: datetime
    roles: Mapping[str, Role]

    @property
    def hotfixes(self) -> Role:
        """Who publishes hotfixes."""
        return self.roles[HOTFIXES]

    @property
    def status(self) -> Role:
        """Who signs policies, recalls, checkpoint and client as the newest."""
        return self.roles[STATUS]

    @classmethod
    def read(cls, document: Any) -> "Delegations":
        """Read top-level targets, signed or still to be signed.

        Raises:
            ChannelError: they break a rule.
        """
        signed = read_signed(Fields(document, "targets", ChannelError), "targets", "delegations")
        delegations = signed.object("delegations")
        keys = read_keys(delegations, "delegations")
        entries = list(delegations.objects("roles", most=2))
        if [entry.document.get("name") for entry in entries] != list(PATHS):
            delegations.fail("delegations", f".roles are not {' and '.join(PATHS)}")
        roles = {
            name: read_role(entry, keys, "delegations", "delegations")
            for name, entry in zip(PATHS, entries, strict=True)
        }
        version = signed.integer("version", 1, 1 << 50)
        expires = _metadata(document).signed.expires.replace(tzinfo=UTC)
        if signed.document != signed_part(roles, version, signed.text("expires")):
            signed.fail("delegations", " holds more than the two delegations, or other names in them")
        return cls(copy.deepcopy(document), version, expires, MappingProxyType(roles))

    def signers(self, root: Root) -> frozenset[str]:
        """Return the ids of the root's targets keys that signed."""
        metadata = _metadata(self.document)
        result = _root_part(root).get_verification_result("targets", metadata.signed_bytes, metadata.signatures)
        return frozenset(result.signed)

    def check_signed(self, root: Root) -> None:
        """Raise ChannelError unless a threshold of the root's targets keys signed."""
        there, needed = len(self.signers(root)), root.targets.threshold
        if there < needed:
            raise ChannelError(
                "signatures", f"targets {self.version} were signed by {there} of {needed} targets keys of the root"
            )
        self.check_keys(root)

    def check_keys(self, root: Root) -> None:
        """Raise ChannelError when a key is to lie offline and online at once."""
        offline = root.roles["root"].keys.keys() | root.targets.keys.keys()
        if shared := sorted(offline & (self.hotfixes.keys.keys() | self.status.keys.keys())):
            raise ChannelError("delegations", f"key {shared[0][:16]} stands both for the root and for the channel")

    def check_successor(self, newer: "Delegations") -> None:
        """Raise ChannelError unless `newer` may replace these."""
        if newer.version < self.version:
            raise ChannelError("older", f"targets {newer.version} are older than targets {self.version}, already known")
        if newer.version == self.version and newer.document["signed"] != self.document["signed"]:
            raise ChannelError("fork", f"there are two different targets {newer.version}")


def signed_part(roles: Mapping[str, Role], version: int, expires: str) -> dict[str, Any]:
    """Return the one form that top-level targets have."""
    keys: dict[str, PublicKey] = {keyid: key for role in roles.values() for keyid, key in role.keys.items()}
    return {
        "_type": "targets",
        "spec_version": SPEC_VERSION,
        "version": version,
        "expires": expires,
        "targets": {},
        "delegations": {
            "keys": {keyid: TufKey(key).to_dict() for keyid, key in keys.items()},
            "roles": [
                {"name": name, **roles[name].as_document(), "paths": list(paths), "terminating": True}
                for name, paths in PATHS.items()
            ],
        },
    }


def _metadata(document: Any) -> Metadata[TufTargets]:
    try:
        metadata: Metadata[TufTargets] = Metadata.from_dict(copy.deepcopy(document))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ChannelError("delegations", f"the targets are no TUF metadata: {error}") from None
    return metadata


def _root_part(root: Root) -> Any:
    """Return the root as python-tuf's object, which checks signatures of the roles it names."""
    return Metadata.from_dict(copy.deepcopy(root.document)).signed
