"""A site on paper: a baseline and hotfixes on it, judged by the very rules that a real site goes by. No disk."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from patchline.patches.manifest import ABSENT, Manifest, State
from patchline.patches.relations import decide
from patchline.patches.situation import Choices, Decision, Hold, Installed, Key, NewLayer, Place, Situation

_NO_CHOICES = Choices()


@dataclass
class VirtualSite:
    """An untouched installation of a baseline, to which hotfixes may be applied.

    Attributes:
        listed: what the baseline has, by place; what is not listed is absent.
        recalled: digests of recalled manifests.
    """

    product: str
    baseline: str
    platforms: frozenset[str]
    listed: Mapping[Place, State]
    now: datetime
    recalled: frozenset[str] = frozenset()
    _installed: list[Installed] = field(default_factory=list)
    _holds: dict[Place, list[Hold]] = field(default_factory=dict)
    _standing: dict[Key, Manifest] = field(default_factory=dict)
    _set: int = 0

    def decide(self, *offered: Manifest, choices: Choices = _NO_CHOICES) -> Decision:
        """Tell what would happen if these were applied, as one set."""
        return decide(offered, self._situation(), choices)

    def apply(self, *offered: Manifest) -> Decision:
        """Apply them, unless something stands against it; the decision tells."""
        decision = self.decide(*offered)
        if not decision.problems:
            self._set += 1
            for number, layer in enumerate(decision.layers):
                self._take(layer, (f"set {self._set}", number))
        return decision

    def stand(self, *manifests: Manifest) -> None:
        """Let these be in force on an untouched site, the last on top: they are known to be, so nothing is judged."""
        for manifest in manifests:
            self._set += 1
            key = (f"set {self._set}", 0)
            self._installed.append(Installed(key, manifest))
            self._standing[key] = manifest

    def _situation(self) -> Situation:
        return Situation(
            product=self.product,
            baseline=self.baseline,
            platforms=self.platforms,
            now=self.now,
            installed=tuple(self._installed),
            stack=self._stack,
            places=self._places,
            actual=self._actual,
            problem=lambda _: None,
            baseline_state=lambda place: self.listed.get(place, ABSENT),
            own_folder=lambda _: False,
            recalled=self.recalled,
        )

    def _places(self, key: Key) -> list[Place]:
        if key in self._standing:
            return [*self._standing[key].entries]
        return [place for place, holds in self._holds.items() if any(hold.key == key for hold in holds)]

    def _stack(self, place: Place) -> list[Hold]:
        """Return the layers over a place; those that stand are worked out only where somebody asks."""
        if place not in self._holds:
            holds: list[Hold] = []
            for key, manifest in self._standing.items():
                if entry := manifest.entries.get(place):
                    found = holds[-1].after if holds else self.listed.get(place, ABSENT)
                    holds.append(Hold(key, found, entry.post))
            self._holds[place] = holds
        return self._holds[place]

    def _actual(self, place: Place) -> State:
        holds = self._stack(place)
        return holds[-1].after if holds else self.listed.get(place, ABSENT)

    def _take(self, layer: NewLayer, key: Key) -> None:
        """Put a decided layer on top; those of its set that it replaces stand under the set's keys by now."""
        going = {item.key if item.key[0] else (key[0], item.key[1]) for item in layer.replaces}
        self._installed = [replace(item, replaced_by=key) if item.key in going else item for item in self._installed]
        self._installed.append(Installed(key, layer.manifest))
        for outcome in layer.outcomes:
            self._stack(outcome.place).append(Hold(key, outcome.found, outcome.after))
