"""A site as it stands, for the rules: what is applied, and what lies at a place, each looked at once. Nothing writes."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import cache

from patchline.patches.site.area import Area, Found
from patchline.patches.site.ledger import Layer, Ledger
from patchline.patches.site.state import Site
from patchline.patches.situation import Hold, Installed, Key, Place, Situation

PLATFORMS = frozenset({"linux", "unix"})
_LARGE = 512 << 10
"""From so many bytes on, hashing in a second thread gains more than it costs."""


class Survey:
    """The site as it stands.

    Attributes:
        found: what stands at a place.
        situation: the same for the rules of `relations`.
    """

    def __init__(self, site: Site, ledger: Ledger, now: datetime, recalled: frozenset[str] = frozenset()) -> None:
        self.site, self.ledger = site, ledger
        self._to_cover: set[Place] = set()
        self._stacks = {
            place: [Hold(layer.key, change.found, change.after) for layer, change in stack]
            for place, stack in ledger.stacks().items()
        }
        self._baseline = site.baseline_states() or {}
        self.found: Callable[[Place], Found] = cache(self._look)
        self.situation = Situation(
            product=site.product,
            baseline=site.baseline,
            platforms=PLATFORMS,
            now=now,
            installed=tuple(self._installed(layer) for layer in ledger.layers if not layer.gone),
            stack=lambda place: self._stacks.get(place, []),
            places=self._places,
            actual=lambda place: self.found(place).state,
            problem=lambda place: self.found(place).problem,
            baseline_state=self._baseline.get,
            own_folder=(ledger.folders_made(ledger.present) | ledger.folders_taken().keys()).__contains__,
            recalled=recalled,
        )

    def area(self, place: Place) -> Area:
        """Return the root in which a place lies."""
        return self.site.roots[place[0]]

    def _installed(self, layer: Layer) -> Installed:
        preserved = frozenset(name.partition("/")[::2] for name in layer.preserved)
        return Installed(layer.key, self.site.manifest(layer.manifest), layer.replaced_by, preserved)

    def _places(self, key: Key) -> list[Place]:
        # Folders and files laid aside are ours to tidy; no hotfix rests on them.
        changes = self.ledger.changes(self.ledger.find(*key))
        return [place for place, change in changes.items() if change.note not in ("folder", "aside")]

    def will_cover(self, places: Iterable[Place]) -> None:
        """Take in the places that are about to be changed, before any is looked at."""
        self._to_cover.update(places)

    @contextmanager
    def reading_ahead(self, places: Iterable[Place]) -> Iterator[None]:
        """Read what is large of these places in a thread of its own while the block does other work."""
        places = list(dict.fromkeys(places))
        self.will_cover(places)
        with ThreadPoolExecutor(1) as reader:
            try:
                for place in filter(self._is_large, places):
                    reader.submit(self.found, place)  # Where it fails, it fails again when it is asked for.
                yield
            except BaseException:
                reader.shutdown(cancel_futures=True)
                raise

    def _is_large(self, place: Place) -> bool:
        area = self.site.roots.get(place[0])
        status = area.status(place[1]) if area is not None else None
        return status is not None and status.st_size >= _LARGE

    def _look(self, place: Place) -> Found:
        area = self.site.roots.get(place[0])
        if area is None:
            return Found(None, problem="this site has no such root")
        return area.look(place[1], managed=lambda path: self._covers((place[0], path)))

    def _covers(self, place: Place) -> bool:
        return place in self._to_cover or place in self._stacks
