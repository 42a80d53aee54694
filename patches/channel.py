"""The form of a channel: a TUF repository of static files, on a web server, in a folder, or on a stick.

    metadata/N.root.json N.targets.json N.hotfixes.json N.status.json N.snapshot.json timestamp.json
    targets/FOLDERS/SHA256.NAME

- `root` and the top-level `targets` are signed offline; targets hands two kinds of names on: `hotfixes` to the
  publisher's key, `status` to the online key. Nothing else is handed on (`delegations`).
- A kit has the same targets, hotfixes and status; its snapshot and timestamp are signed by the kit key, which a root
  of its own names: `N.kit-root.json`, marked by `TREE_MARK` (`root`).
- What is signed for longer than its role's life is refused: it would stay believed after its key was taken away.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from patchline.patches import identifiers
from patchline.patches.errors import ChannelError
from patchline.patches.statements import time_text

ROOT, TARGETS, SNAPSHOT, TIMESTAMP = "root", "targets", "snapshot", "timestamp"
HOTFIXES, STATUS = "hotfixes", "status"

LIVES: Mapping[str, timedelta] = MappingProxyType(
    {
        ROOT: timedelta(days=730),
        TARGETS: timedelta(days=365),
        HOTFIXES: timedelta(days=365),
        STATUS: timedelta(days=365),
        SNAPSHOT: timedelta(days=30),
        TIMESTAMP: timedelta(days=7),
    }
)
"""How long each role's metadata is signed for, at most. What a kit carries has half of it left when it is made, which
is longer than a kit lives; online, timestamp and snapshot say how old it is."""
KIT_LIFE = timedelta(days=180)
"""The same for snapshot and timestamp of a kit."""
CLOCKS = timedelta(days=1)
"""How far a site's clock may be behind before what was just signed seems to be signed for too long."""

MOST_BYTES: Mapping[str, int] = MappingProxyType(
    {
        ROOT: 512_000,
        TARGETS: 5_000_000,
        HOTFIXES: 5_000_000,
        STATUS: 5_000_000,
        SNAPSHOT: 2_000_000,
        TIMESTAMP: 16_384,
    }
)
"""What a client reads of each role's metadata, at most."""

HOTFIX_PATHS = ("hotfixes/*/*/*",)
STATUS_PATHS = ("status/*", "status/*/*")
CHECKPOINT = "status/checkpoint.json"
CLIENT = "status/client/patchline-site.pyz"
CLIENT_ENDINGS = ("", ".sha256", ".sha256.sig")
"""The client, and what the release key says about it."""

_REVISION = re.compile(r"r([1-9][0-9]{0,5})\.zip")
_TARGET = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,127}/){1,3}[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class HotfixName:
    """Which published revision a target is, as its name says; the manifest must say the same."""

    product: str
    hotfix: str
    revision: int

    @property
    def target(self) -> str:
        """The name of the target."""
        return f"hotfixes/{self.product}/{self.hotfix}/r{self.revision}.zip"

    @classmethod
    def read(cls, target: str) -> "HotfixName":
        """Read a target's name.

        Raises:
            ChannelError: it is not the name of a published revision.
        """
        parts = target.split("/")
        if len(parts) == 4 and parts[0] == HOTFIXES:
            revision = _REVISION.fullmatch(parts[3])
            if revision and identifiers.PRODUCT.fullmatch(parts[1]) and identifiers.HOTFIX.fullmatch(parts[2]):
                return cls(parts[1], parts[2], int(revision[1]))
        raise ChannelError("target-name", f"the channel lists {target[:200]!r}, which is no published hotfix")


def policy_target(product: str) -> str:
    """Return the name of the target that is a product's newest policy."""
    return f"status/policies/{product}.json"


def recalls_target(product: str) -> str:
    """Return the name of the target that is a product's list of what was held and recalled."""
    return f"status/recalls/{product}.json"


def check_target_name(target: str) -> None:
    """Raise ChannelError unless a target's name is plain: one to three folders and a name, of letters, digits, `._-`."""
    if not _TARGET.fullmatch(target):
        raise ChannelError("target-name", f"{target[:200]!r} cannot be a target of the channel")


def target_file(target: str, sha256: str) -> str:
    """Return where a target lies below the channel's folder."""
    folder, _, name = target.rpartition("/")
    return f"targets/{folder}/{sha256}.{name}"


def metadata_file(role: str, version: int) -> str:
    """Return where a role's metadata of a version lies below the channel's folder."""
    return "metadata/timestamp.json" if role == TIMESTAMP else f"metadata/{version}.{role}.json"


def kit_root_file(version: int) -> str:
    """Return where the root of kits lies below the folder of a channel or kit."""
    return f"metadata/{version}.kit-root.json"


def life(role: str, *, kit: bool = False) -> timedelta:
    """Return how long a role's metadata may be signed for."""
    return KIT_LIFE if kit and role in (SNAPSHOT, TIMESTAMP) else LIVES[role]


def check_life(role: str, expires: datetime, now: datetime, *, kit: bool = False) -> None:
    """Raise ChannelError when metadata expires later than any that is signed now may."""
    if expires > now + life(role, kit=kit) + CLOCKS:
        raise ChannelError(
            "life",
            f"{role} is signed until {time_text(expires)}, longer than the {life(role, kit=kit).days} days it may be; "
            f"this machine's clock says {time_text(now)}",
        )
