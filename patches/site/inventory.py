"""What a site says it has: its level, and what on disk is not as the ledger expects.

The ledger is the truth; the files cross-check it. A diagnostic hotfix changes no level.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from patchline.patches import documents, identifiers
from patchline.patches.manifest import ABSENT, State
from patchline.patches.paths import OWN_FOLDER
from patchline.patches.progress import progress
from patchline.patches.site.ledger import Change, Layer, Ledger, shown
from patchline.patches.site.state import Site
from patchline.patches.situation import Place, place_name


@dataclass(frozen=True)
class Level:
    """A patch level.

    Attributes:
        label: `4.1.2+HF-2026-0012-r2*`; the star says that files were preserved.
        digest: SHA-256 over product, baseline and hotfixes: equal levels have equal digests.
        code: the short form told by phone.
    """

    label: str
    digest: str

    @property
    def code(self) -> str:
        """The short form told by phone, `XXXX-XXXX-XXXX`."""
        return identifiers.level_code(self.digest)

    def as_document(self) -> dict[str, str]:
        """Return the level as it stands in reports."""
        return {"label": self.label, "digest": self.digest, "code": self.code}


def level_of(product: str, baseline: str, layers: list[Layer]) -> Level:
    """Return the level that a baseline and its active layers make, in whatever order they were applied."""
    counted = sorted((layer for layer in layers if layer.kind != "diagnostic"), key=lambda layer: layer.label)
    document = {
        "format": 1,
        "product": product,
        "baseline": baseline,
        "hotfixes": sorted(
            [layer.manifest, documents.digest(documents.encode(sorted(layer.preserved))) if layer.preserved else None]
            for layer in counted
        ),
    }
    label = "+".join([baseline, *(layer.label for layer in counted)])
    return Level(label, documents.digest(documents.encode(document)))


def site_level(site: Site, ledger: Ledger) -> Level:
    """Return the level a site has now."""
    return level_of(site.product, site.baseline, ledger.active)


_BASELINE = "the baseline"
PATCH_LEVEL = "PATCHLEVEL"
"""Name of the file in a root's own folder that says its level."""


def write_patch_level(site: Site, ledger: Ledger, now: datetime) -> None:
    """Rewrite `.patchline/PATCHLEVEL` of every root: level, code and time, for about pages and log bundles."""
    level = site_level(site, ledger)
    text = f"{level.label}\n{level.code}\n{now.isoformat(timespec='seconds')}\n"
    for area in site.roots.values():
        site.disk.replace(area, f"{OWN_FOLDER}/{PATCH_LEVEL}", text.encode(), mode=0o644)


@dataclass(frozen=True)
class Drift:
    """A path that is not as expected.

    Attributes:
        owner: who set what was expected there: a hotfix or the baseline.
        looks_like: whose content stands there instead, where anybody here knows it.
    """

    name: str
    expected: State
    actual: State | None
    owner: str
    looks_like: str | None = None

    def as_document(self) -> dict[str, Any]:
        """Return the drift for scripts."""
        return {
            "path": self.name,
            "expected": self.expected.as_document(),
            "actual": self.actual and self.actual.as_document(),
            "owner": self.owner,
            "looks_like": self.looks_like,
        }

    def __str__(self) -> str:
        actual = "cannot be read" if self.actual is None else "missing" if self.actual == ABSENT else shown(self.actual)
        like = f" of {self.looks_like}" if self.looks_like else ""
        return f"{self.name}: {actual}{like}, expected {shown(self.expected)} of {self.owner}"


@dataclass(frozen=True)
class Withdrawn:
    """A hotfix in force that the vendor holds back or recalled.

    Attributes:
        replacement: label of what takes its place, where there is something.
    """

    recalled: bool
    reason: str
    replacement: str | None = None

    def as_document(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {"recalled": self.recalled, "reason": self.reason, "replacement": self.replacement}

    def __str__(self) -> str:
        instead = f"; {self.replacement} replaces it" if self.replacement else ""
        return f"{'RECALLED' if self.recalled else 'held back'}: {self.reason}{instead}"


@dataclass
class Inventory:
    """What a site has.

    Attributes:
        unratified: manifests that were approved as an emergency only.
        pending: manifests that the running processes do not use yet, as far as the site knows.
        withdrawn: by manifest, what the vendor says against a hotfix that is in force here.
    """

    site: Site
    level: Level
    layers: list[Layer]
    unfinished: bool
    unratified: frozenset[str] = frozenset()
    pending: frozenset[str] = frozenset()
    checked: int | None = None
    drift: list[Drift] = field(default_factory=list)
    withdrawn: Mapping[str, Withdrawn] = field(default_factory=dict)

    def as_document(self) -> dict[str, Any]:
        """Return the inventory for scripts."""
        return {
            "site": self.site.id,
            "product": self.site.product,
            "baseline": self.site.baseline,
            "level": self.level.as_document(),
            "unfinished": self.unfinished,
            "hotfixes": [self._layer_document(layer) for layer in self.layers],
            "checked": self.checked,
            "drift": [item.as_document() for item in self.drift],
        }

    def _layer_document(self, layer: Layer) -> dict[str, Any]:
        withdrawn = self.withdrawn.get(layer.manifest)
        return {
            **layer.as_document(),
            "label": layer.label,
            "applied": layer.time,
            "unratified": layer.manifest in self.unratified,
            "pending": layer.manifest in self.pending,
            "withdrawn": withdrawn and withdrawn.as_document(),
        }


def take(site: Site, ledger: Ledger, *, unfinished: bool, check: bool) -> Inventory:
    """Take the inventory; with `check` every managed path is compared, and every path of the baseline's list."""
    unratified = frozenset(layer.manifest for layer in ledger.unratified)
    inventory = Inventory(site, site_level(site, ledger), ledger.active, unfinished, unratified)
    if check:
        _check(inventory, ledger)
    return inventory


Stack = list[tuple[Layer, Change]]


def _check(inventory: Inventory, ledger: Ledger) -> None:
    site, stacks = inventory.site, ledger.stacks()
    listed = site.baseline_states() or {}
    places = sorted(listed.keys() | stacks.keys())
    with progress("checking", len(places), unit="items") as advance:
        for place in places:
            stack, baseline = stacks.get(place, []), listed.get(place)
            expected = stack[-1][1].after if stack else listed[place]
            actual = _actual(site, place, stacks) if place[0] in site.roots else None
            if actual != expected:
                owner, like = _owner(stack, expected), _known(stack, baseline, actual)
                inventory.drift.append(Drift(place_name(place), expected, actual, owner, like))
            advance(1)
    inventory.checked = len(places)


def _actual(site: Site, place: Place, stacks: Container[Place]) -> State | None:
    root, path = place
    return site.roots[root].look(path, managed=lambda above: (root, above) in stacks).state


def _owner(stack: Stack, state: State) -> str:
    """Return who set a state: not the hotfix that only gave the place back."""
    for layer, change in reversed(stack):
        if change.after == state and change.note != "reverted":
            return layer.label
    return _BASELINE


def _known(stack: Stack, baseline: State | None, actual: State | None) -> str | None:
    if actual in (None, ABSENT):
        return None
    for layer, change in reversed(stack):
        if change.after == actual and change.note != "reverted":
            return layer.label
    bottom = stack[0][1].found if stack else None
    return _BASELINE if actual in (baseline, bottom) else None
