"""What a vector is, and where the vectors register."""

from collections.abc import Callable
from dataclasses import dataclass

NOW = "2026-06-01T12:00:00Z"


@dataclass(frozen=True)
class Delivery:
    """What lies on the table when a customer verifies: a bundle, its two sidecars, and a trust file."""

    bundle: bytes
    provenance: bytes
    approvals: bytes
    trust: bytes
    now: str = NOW


@dataclass(frozen=True)
class Case:
    """One vector.

    Attributes:
        name: unique, and the name of its folder.
        entries: numbers of the entries of the corpus that it covers; see docs/bundle-format.md, "Vectors".
        code: the error code it must be refused with; None when it must be verified.
        make: gives its bytes.
        large: whether it is made when it is needed and never committed.
        emergency: the hours that a release may be applied for, when it is verified as an emergency only.
        exact: whether its bytes are the same wherever it is made; those that zlib compressed may not be.
    """

    name: str
    entries: tuple[int, ...]
    code: str | None
    make: Callable[[], Delivery]
    large: bool = False
    exact: bool = True
    emergency: int | None = None


CASES: dict[str, Case] = {}


def register(
    name: str,
    code: str | None,
    make: Callable[[], Delivery],
    *,
    entries: tuple[int, ...] = (),
    large: bool = False,
    exact: bool = True,
    emergency: int | None = None,
) -> None:
    if name in CASES:
        raise ValueError(f"two vectors are called {name}")
    CASES[name] = Case(name, entries, code, make, large, exact, emergency)


def committed() -> list[Case]:
    """Return the cases that lie in the repository: the good ones, the first of each code, and the bombs."""
    chosen: dict[str, Case] = {}
    for case in CASES.values():
        if not case.large:
            chosen.setdefault(case.code if case.code and case.exact else case.name, case)
    return list(chosen.values())
