"""What the rules of `relations` know of a site, what people chose there, and what is decided: frozen values, no disk.

- A **hold** is one layer over a place: the state it found and the one it left. A place has a stack of holds.
- What the **vendor** has at a place is the topmost hotfix's `post` there; what stands there may be the customer's.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from patchline.patches.errors import PatchlineError
from patchline.patches.manifest import FileEntry, Manifest, State

Place = tuple[str, str]
"""Name of a root, path below it."""
Key = tuple[str, int]
"""Which layer: its transaction and its number there; `("", n)` for the n-th of the set that is being decided."""


def place_name(place: Place) -> str:
    """Return `root/path`, as people and level digests read it."""
    return f"{place[0]}/{place[1]}"


@dataclass(frozen=True)
class Installed:
    """A hotfix that was applied and not rolled back.

    Attributes:
        replaced_by: the layer that took its place; None for one in force.
        preserved: places where the customer's file stayed by `--preserve`.
    """

    key: Key
    manifest: Manifest
    replaced_by: Key | None = None
    preserved: frozenset[Place] = frozenset()

    @property
    def active(self) -> bool:
        """Tell whether it is in force."""
        return self.replaced_by is None

    @property
    def fixes(self) -> frozenset[str]:
        """The fixes it brings in full: those of a preserved place count as partial."""
        partial = {fix for place in self.preserved & self.manifest.entries.keys() for fix in self._fixes_of(place)}
        return counted_fixes(self.manifest) - partial

    def _fixes_of(self, place: Place) -> tuple[str, ...]:
        return self.manifest.entries[place].fixes


def counted_fixes(manifest: Manifest) -> frozenset[str]:
    """Return the fixes that count in relations; a diagnostic changes no level, so none of its do."""
    return frozenset() if manifest.kind == "diagnostic" else manifest.full_fixes


@dataclass(frozen=True)
class Hold:
    """One layer over a place: the state it found there and the one it left."""

    key: Key
    found: State
    after: State


@dataclass(frozen=True)
class Situation:
    """What the rules may know of a site.

    Attributes:
        installed: every hotfix not rolled back, oldest first.
        stack: the layers over a place, lowest first.
        places: the places a layer covers.
        actual: what stands at a place now; None for what a manifest cannot describe.
        problem: why it cannot be described.
        baseline_state: what the baseline has there, None where that is not known.
        own_folder: whether hotfixes made the folder, or took it away when it was empty.
        recalled: digests of recalled manifests.
    """

    product: str
    baseline: str
    platforms: frozenset[str]
    now: datetime
    installed: tuple[Installed, ...]
    stack: Callable[[Place], list[Hold]]
    places: Callable[[Key], Iterable[Place]]
    actual: Callable[[Place], State | None]
    problem: Callable[[Place], str | None]
    baseline_state: Callable[[Place], State | None]
    own_folder: Callable[[Place], bool]
    recalled: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Choices:
    """What the person at the site accepted: places by `root/path`, fixes by id."""

    override: frozenset[str] = frozenset()
    preserve: frozenset[str] = frozenset()
    accept_loss: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Outcome:
    """What becomes of one place: its state before and after, and why (`ledger.Change.note`).

    `entry` is None for a place that only a replaced hotfix covers; `edited` says that what was found is a customer's.
    """

    place: Place
    found: State
    after: State
    note: str
    entry: FileEntry | None = None
    edited: bool = False


@dataclass
class NewLayer:
    """One hotfix as it would be applied."""

    manifest: Manifest
    replaces: list[Installed]
    lost: list[str]
    outcomes: list[Outcome]


@dataclass
class Decision:
    """What would happen: refusals, hotfixes with nothing to do, and the layers to apply in order."""

    problems: list[PatchlineError] = field(default_factory=list)
    contained: list[tuple[Manifest, str]] = field(default_factory=list)
    layers: list[NewLayer] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class Prospect:
    """The site with the layers decided so far on top."""

    def __init__(self, situation: Situation) -> None:
        self.situation = situation
        self._by_key = {item.key: item for item in situation.installed}
        self._new: dict[Key, NewLayer] = {}
        self._holds: dict[Place, list[Hold]] = {}

    @property
    def installed(self) -> list[Installed]:
        """The hotfixes not rolled back, oldest first."""
        return list(self._by_key.values())

    @property
    def active(self) -> list[Installed]:
        """Those in force."""
        return [item for item in self.installed if item.active]

    def stack(self, place: Place) -> list[Hold]:
        """Return the layers over a place, lowest first."""
        return self.situation.stack(place) + self._holds.get(place, [])

    def places(self, key: Key) -> Iterable[Place]:
        """Return the places a layer covers."""
        if key in self._new:
            return [outcome.place for outcome in self._new[key].outcomes]
        return self.situation.places(key)

    def actual(self, place: Place) -> State | None:
        """Return what stands at a place, or will."""
        decided = self._holds.get(place)
        return decided[-1].after if decided else self.situation.actual(place)

    def by_key(self, key: Key) -> Installed:
        """Return a hotfix by its layer."""
        return self._by_key[key]

    def entry(self, place: Place, hold: Hold) -> FileEntry | None:
        """Return what the hotfix of a layer says of a place; None where it only gave the place back."""
        return self.by_key(hold.key).manifest.entries.get(place)

    def apply(self, layer: NewLayer) -> None:
        """Put a decided layer on top."""
        key = ("", len(self._new))
        for item in layer.replaces:
            self._by_key[item.key] = replace(self._by_key[item.key], replaced_by=key)
        preserved = frozenset(outcome.place for outcome in layer.outcomes if outcome.note == "preserved")
        self._by_key[key] = Installed(key, layer.manifest, preserved=preserved)
        self._new[key] = layer
        for outcome in layer.outcomes:
            self._holds.setdefault(outcome.place, []).append(Hold(key, outcome.found, outcome.after))
