"""What was approved as an emergency only: applied with consent, within its hours, and ratified when approved after all.

The hours count from when this site first saw the manifest, by its own records and clock. After them nothing new is
applied; what is applied stays, and counts as unratified until ordinary approvals of the same manifest are shown here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from patchline.patches.errors import ExpiredError, PatchlineError, RefusedError
from patchline.patches.manifest import Manifest
from patchline.patches.site.ledger import Ledger
from patchline.patches.statements import time_text
from patchline.patches.verify import VerifiedManifest
from patchline.patches.wording import counted

FACT = "emergencies"
"""In a row of the ledger: by manifest, the hours it was approved for."""


@dataclass(frozen=True)
class Emergencies:
    """What is known of the emergencies among the hotfixes to be applied.

    Attributes:
        accepted: somebody at the site agreed to apply them.
        first_seen: by manifest, when this site first saw it; one that is missing is seen now.
    """

    accepted: bool = False
    first_seen: Mapping[str, str] = field(default_factory=dict)

    def overdue(self, hours: Mapping[str, int], manifests: Iterable[Manifest], now: datetime) -> list[PatchlineError]:
        """Return a refusal for each of the manifests whose hours are over.

        Args:
            hours: of the emergencies, by manifest.
            manifests: those that are to be applied.
            now: the site's time.
        """
        return [
            ExpiredError(
                "emergency",
                f"{manifest.label} was approved as an emergency for {counted(hours[manifest.digest], 'hour')}, "
                f"until {time_text(end)}; this machine's clock says {time_text(now)}",
            )
            for manifest in manifests
            if manifest.digest in hours and now >= (end := self._end(manifest, hours[manifest.digest], now))
        ]

    def _end(self, manifest: Manifest, hours: int, now: datetime) -> datetime:
        told = self.first_seen.get(manifest.digest)
        seen = now if told is None else datetime.fromisoformat(told).astimezone(UTC)
        return seen + timedelta(hours=hours)

    def require(self, hours: Mapping[str, int], manifests: Iterable[Manifest]) -> None:
        """Raise RefusedError unless somebody agreed to every emergency among the manifests."""
        urgent = [manifest.label for manifest in manifests if manifest.digest in hours]
        if urgent and not self.accepted:
            raise RefusedError("emergency", f"approved as an emergency only: {', '.join(urgent)}")


def hours_of(offered: Iterable[VerifiedManifest]) -> dict[str, int]:
    """Return the hours of those that were approved as an emergency only, by manifest."""
    return {one.manifest.digest: one.emergency for one in offered if one.emergency is not None}


def ratify(ledger: Ledger, verified: Iterable[VerifiedManifest], now: datetime) -> list[str]:
    """Note in the ledger which applied emergencies are approved by the ordinary rules now.

    Args:
        ledger: of the site, whose lock is held.
        verified: what was verified now, of whatever source.
        now: the site's time.

    Returns:
        Their labels.
    """
    found = {one.manifest.digest: one for one in verified if one.emergency is None}
    layers = {layer.manifest: layer for layer in ledger.unratified if layer.manifest in found}
    if layers:
        approved = {digest: [place.person for place in found[digest].approvals] for digest in layers}
        row: dict[str, Any] = {"row": "ratified", "time": now.isoformat(timespec="seconds"), "manifests": approved}
        ledger.append(row)
    return [layer.label for layer in layers.values()]
