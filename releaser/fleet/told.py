"""What people told of a site's level, as it is kept: canonical JSON, a fact like a report."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from patchline.patches.documents import decode, encode
from patchline.patches.statements import time_text
from patchline.releaser.fleet.reading import InForce

TOLD = "told"


@dataclass(frozen=True)
class Told:
    """A level that somebody told.

    Attributes:
        digest: of the level; None where it holds a hotfix of which the register has no manifest.
        code: that was told with it and fits.
        by: who told it.
        at: when it was so.
    """

    site: str
    baseline: str
    label: str
    digest: str | None
    hotfixes: tuple[InForce, ...]
    code: str | None
    by: str
    at: datetime

    def encode(self) -> bytes:
        """Return what is kept."""
        document: dict[str, Any] = {
            "format": 1,
            "site": self.site,
            "baseline": self.baseline,
            "level": {"label": self.label, "digest": self.digest, "code": self.code},
            "hotfixes": [[one.hotfix, one.revision, one.manifest] for one in self.hotfixes],
            "told_by": self.by,
            "time": time_text(self.at),
        }
        return encode(document)


def read_told(data: bytes) -> Told:
    """Read what `Told.encode` wrote."""
    document = decode(data, what="what was told")
    level = document["level"]
    return Told(
        site=document["site"],
        baseline=document["baseline"],
        label=level["label"],
        digest=level["digest"],
        hotfixes=tuple(
            InForce(hotfix, revision, manifest, None) for hotfix, revision, manifest in document["hotfixes"]
        ),
        code=level["code"],
        by=document["told_by"],
        at=datetime.fromisoformat(document["time"]).astimezone(UTC),
    )
