"""Pairs of facets that customers run together: which of them some test had together too."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from patchline.releaser.compatibility.makeup import Key, Makeup, key_of
from patchline.releaser.setups.keeping import Facet


@dataclass(frozen=True)
class Pair:
    """Two facets that sites of customers have together.

    Attributes:
        sites: how many have them.
    """

    first: Facet
    second: Facet
    sites: int


@dataclass(frozen=True)
class Pairs:
    """Coverage of pairs.

    Attributes:
        covered: of all pairs, how many were tested together.
        missing: the others, those of most sites first.
    """

    covered: int
    missing: tuple[Pair, ...]

    @property
    def all(self) -> int:
        """How many there are."""
        return self.covered + len(self.missing)


def coverage(wanted: Iterable[tuple[Makeup, int]], tested: Iterable[Makeup]) -> Pairs:
    """Return which pairs were tested.

    Args:
        wanted: what sites are made of, and how many are made so.
        tested: what those were made of on which tests passed.
    """
    counted: Counter[tuple[Key, Key]] = Counter()
    words: dict[Key, Facet] = {}
    for makeup, sites in wanted:
        words |= {key_of(facet): facet for facet in makeup.facets}
        for pair in combinations(sorted(makeup.keys), 2):
            counted[pair] += sites
    had = {pair for makeup in tested for pair in combinations(sorted(makeup.keys), 2)}
    missing = [
        Pair(words[first], words[second], sites)
        for (first, second), sites in counted.items()
        if (first, second) not in had
    ]
    missing.sort(key=lambda one: (-one.sites, one.first, one.second))
    return Pairs(len(counted) - len(missing), tuple(missing))
