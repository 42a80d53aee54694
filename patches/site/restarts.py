"""Which hotfixes in force the running processes do not use yet, as far as a site can know by itself.

Two things say that processes began after a hotfix was applied: the machine was booted since, or the product put a copy
of `.patchline/PATCHLEVEL` beside it as `.patchline/RUNNING` when it began. Until one of them does, it is pending.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from patchline.patches.errors import InstallationError
from patchline.patches.paths import OWN_FOLDER
from patchline.patches.site.area import Area
from patchline.patches.site.ledger import Layer
from patchline.patches.site.state import Site

RUNNING = "RUNNING"
"""Name of the copy of `PATCHLEVEL` that the product writes when it begins."""
_MOST_BYTES = 1 << 20
_BOOT = Path("/proc/stat")


def pending(site: Site, layers: Iterable[Layer], booted: datetime | None = None) -> frozenset[str]:
    """Return the manifests of the layers for which a restart is still to come.

    Args:
        site: where they are in force.
        layers: in force.
        booted: when the machine was; None where nobody knows.
    """
    stamps = [stamp for area in site.roots.values() if (stamp := _stamp(area)) is not None]
    # With several roots the oldest process counts: nobody says which root is whose.
    began = max([*([min(stamps)] if stamps else []), *([booted] if booted else [])], default=None)
    return frozenset(
        layer.manifest
        for layer in layers
        if _asks(layer) and (began is None or began < datetime.fromisoformat(layer.time))
    )


def _asks(layer: Layer) -> bool:
    return any(text in ("reload", "restart-node") or text.startswith("restart-service:") for text in layer.guidance)


def _stamp(area: Area) -> datetime | None:
    """Return the time in a root's copy; what is no copy says nothing."""
    try:
        lines = area.read(f"{OWN_FOLDER}/{RUNNING}", _MOST_BYTES).decode("utf-8", "replace").splitlines()
        moment = datetime.fromisoformat(lines[2])
    except (OSError, InstallationError, ValueError, IndexError):
        return None
    return moment if moment.tzinfo else None


def boot_time() -> datetime | None:
    """Return when this machine was booted; None where it does not say."""
    try:
        lines = _BOOT.read_text(encoding="ascii", errors="replace").splitlines()
        return datetime.fromtimestamp(int(next(line for line in lines if line.startswith("btime ")).split()[1]), UTC)
    except (OSError, StopIteration, ValueError, IndexError, OverflowError):
        return None
