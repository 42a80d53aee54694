"""What a site believes of its vendor: whom it trusts, what was recalled, and what it has seen of the channel.

It only ever becomes newer. Each part is kept in a file of its own, written durably one after the other; whatever a
crash leaves of that, the next look at the channel finishes.
"""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from patchline.patches.errors import StateError
from patchline.patches.manifest import Manifest
from patchline.patches.recall_list import Held
from patchline.patches.recall_statements import Revision
from patchline.patches.recalls import KnownRecalls, Recalled
from patchline.patches.site import known
from patchline.patches.site.known import Known
from patchline.patches.site.ledger import Ledger
from patchline.patches.site.state import Site
from patchline.patches.statements import time_text
from patchline.patches.trust import Trust

FOLDER = "channel"
RECALLS = f"{FOLDER}/recalls.json"
TRUST = "trust.json"
_CLOCKS = timedelta(minutes=5)
"""How far a clock may have been set back without anybody's harm."""


@dataclass(frozen=True)
class View:
    """What a site believes.

    Attributes:
        recalls: None before the first channel or kit was taken; from then on the age of the list counts.
    """

    trust: Trust
    recalls: KnownRecalls | None
    known: Known

    @classmethod
    def of(cls, site: Site) -> "View":
        """Read what a site believes."""
        recalls, seen = site.read_document(RECALLS), site.read_document(known.NAME)
        return cls(
            trust=site_trust(site),
            recalls=None if recalls is None else KnownRecalls.parse(recalls),
            known=Known() if seen is None else Known.parse(seen),
        )

    @property
    def mentioned(self) -> frozenset[str]:
        """Digests of the manifests of which anything is said; only for these `state` can return something."""
        found = set(self.trust.policy.recalls)
        if self.recalls is not None:
            newest = self.recalls.newest
            found |= {one.revision.manifest for one in newest.held}
            found |= {entry.revision.manifest for entry in newest.recalled}
        return frozenset(found)

    def state(self, manifest: Manifest) -> Held | Recalled | None:
        """Return what stands against applying a manifest, None when nothing does."""
        policy = self.trust.policy
        if self.recalls is not None:
            return self.recalls.state(manifest, policy)
        if manifest.digest in policy.recalls:
            return Recalled(Revision.of(manifest), f"by policy {policy.version}")
        return None

    def check_age(self, now: datetime, stale_until: datetime | None) -> tuple[str, ...]:
        """Return a warning when a person accepts a recall list that is too old; nothing before there is one.

        Raises:
            ExpiredError: it is too old, and nobody accepts it.
        """
        return () if self.recalls is None else self.recalls.check_fresh(self.trust.policy, now, stale_until)

    def advanced(self, data: bytes) -> "View":
        """Return what is believed after a newer root, policy or trust file was taken.

        Raises:
            VerificationError: it is older, does not follow, or does not count.
        """
        trust = self.trust.advanced(data)
        if trust.policy.digest == self.trust.policy.digest:
            return replace(self, trust=trust)
        recalls = self.recalls and self.recalls.under(trust.policy)
        return View(trust, recalls, self.known.judged_anew())

    def seen(self, manifests: Iterable[str], now: datetime) -> "View":
        """Return what is believed after manifests were seen."""
        return replace(self, known=self.known.with_manifests(manifests, now))

    def keep(self, site: Site, before: "View") -> "View":
        """Make it what the site believes, durably, and return it. The lock must be held.

        Args:
            site: whose view it is.
            before: what it was made from.

        Raises:
            StateError: the site has taken in something newer since.
        """
        current = View.of(site)
        if not before.says_as_much_as(current):
            raise StateError("edited", "the site has taken in something newer from its vendor meanwhile")
        view = replace(self, known=self.known.with_seen(current.known.first_seen))
        view._write(site, current)
        return view

    def says_as_much_as(self, other: "View") -> bool:
        """Tell whether both are the same, apart from when a manifest was first seen."""
        same_known = replace(self.known, first_seen={}) == replace(other.known, first_seen={})
        return same_known and self.recalls == other.recalls and self.trust.data == other.trust.data

    def _write(self, site: Site, before: "View") -> None:
        if (self.recalls, self.known) != (before.recalls, before.known):
            make_folder(site, FOLDER)
        if self.recalls is not None and self.recalls != before.recalls:
            site.disk.replace(site.state, RECALLS, self.recalls.as_payload())
        if self.trust.data != before.trust.data:
            site.disk.replace(site.state, TRUST, self.trust.data)
        if self.known != before.known:
            site.disk.replace(site.state, known.NAME, self.known.as_payload())


def site_trust(site: Site) -> Trust:
    """Return whom a site trusts, without the rest."""
    return Trust.parse(site.state.read(TRUST, 1 << 30))


def make_folder(site: Site, path: str) -> None:
    """Make a folder of the state folder, durably, where it is missing."""
    with contextlib.suppress(FileExistsError):
        site.disk.mkdir(site.state, path)
        site.disk.sync()


def trust_row(before: Trust, after: Trust, now: datetime, facts: dict[str, Any]) -> dict[str, Any] | None:
    """Return the row by which the ledger tells of newer trust or of something accepted; None when there is nothing."""
    if after.data == before.data and not facts:
        return None
    row = {"row": "trust", "time": now.isoformat(timespec="seconds"), "policy": after.policy.version}
    return {**row, **facts}


def check_clock(ledger: Ledger, now: datetime) -> None:
    """Refuse a clock that is behind the newest row of the ledger: by it nothing would ever expire.

    Raises:
        StateError: it is.
    """
    if not ledger.chain.rows:
        return
    newest = datetime.fromisoformat(str(ledger.chain.rows[-1]["time"]))
    if now < newest - _CLOCKS:
        raise StateError(
            "clock",
            f"this machine's clock says {time_text(now)}, but the ledger has a row of {time_text(newest)}",
        )
