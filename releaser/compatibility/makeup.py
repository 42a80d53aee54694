"""What an installation is made of, for comparing: a setup, a customer's site, or where tests ran."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from patchline.releaser.setups.keeping import Facet

Key = tuple[str, str]


def key_of(facet: Facet) -> Key:
    """Return what counts when facets are compared: neither case nor spacing does."""
    return facet.kind.casefold(), " ".join(facet.value.casefold().split())


@dataclass(frozen=True)
class Makeup:
    """Facets of one installation; several of a kind stand beside each other.

    Attributes:
        facets: as somebody wrote them, in order.
    """

    facets: tuple[Facet, ...]

    @classmethod
    def of(cls, facets: Iterable[tuple[str, str]]) -> "Makeup":
        """Return facets in order, each once."""
        found = {key_of(facet): facet for facet in (Facet(kind, value) for kind, value in facets)}
        return cls(tuple(found[key] for key in sorted(found)))

    @classmethod
    def of_evidence(cls, document: dict[str, Any]) -> "Makeup":
        """Read what stands in the facts of test results: a value, or several, by their kind."""
        pairs = ((kind, [said] if isinstance(said, str) else said) for kind, said in document.items())
        return cls.of((kind, value) for kind, values in pairs for value in values)

    @property
    def keys(self) -> frozenset[Key]:
        """What counts when it is compared."""
        return frozenset(map(key_of, self.facets))

    def without(self, other: "Makeup | None") -> tuple[Facet, ...]:
        """Return the facets that another has not: the delta."""
        there = other.keys if other is not None else frozenset()
        return tuple(facet for facet in self.facets if key_of(facet) not in there)

    def __str__(self) -> str:
        """Return it for people."""
        return facet_words(self.facets) or "nothing in particular"


def facet_words(facets: Iterable[Facet]) -> str:
    """Return facets for people: `database PostgreSQL 15, ldap OpenLDAP`."""
    return ", ".join(f"{facet.kind} {facet.value}" for facet in facets)
