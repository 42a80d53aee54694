"""Which fixes a changed path belongs to: nothing ships that nobody explained.

With one fix every path belongs to it. With several, the first of these that says something about a path decides:
`--fix-paths`, the recipe, the earlier hotfixes that a cumulative contains, the `Fixes:` trailers of the commits that
touched it. A path that none explains stops the build, and so does a fix that explains none.
"""

from collections.abc import Iterable, Mapping, Sequence

from patchline.patches.errors import BuildError
from patchline.releaser.globs import matches

Place = tuple[str, str]
Patterns = Mapping[str, Sequence[str]]
"""Patterns for each fix."""

_SHOWN = 20


def attribute(
    places: Sequence[Place],
    fixes: Iterable[str],
    patterns: Sequence[Patterns],
    known: Sequence[Mapping[Place, frozenset[str]]],
) -> dict[Place, tuple[str, ...]]:
    """Return the sorted fixes of each place.

    Args:
        places: root and path of everything that changed.
        fixes: ids of all fixes of the hotfix.
        patterns: what people said, the most binding first.
        known: fixes by place, asked in this order where people said nothing; ids of other fixes are ignored.

    Raises:
        BuildError: a path is unexplained, a fix or a pattern touches nothing, or a pattern is for an unknown fix.
    """
    wanted = frozenset(fixes)
    for given in patterns:
        _check_patterns(given, wanted, places)
    if len(wanted) <= 1:
        return dict.fromkeys(places, tuple(wanted))
    found = {place: tuple(sorted(_fixes_of(place, wanted, patterns, known))) for place in places}
    if unexplained := [place for place, ids in found.items() if not ids]:
        raise BuildError("unexplained", f"no fix explains {_listed(unexplained)}")
    idle = wanted.difference(*found.values()) if places else frozenset[str]()
    if idle:
        raise BuildError("fix-without-path", f"nothing that changed belongs to {', '.join(sorted(idle))}")
    return found


def _fixes_of(
    place: Place,
    wanted: frozenset[str],
    patterns: Sequence[Patterns],
    known: Sequence[Mapping[Place, frozenset[str]]],
) -> frozenset[str]:
    for given in patterns:
        said = frozenset(fix for fix, globs in given.items() if any(matches(glob, *place) for glob in globs))
        if said:
            return said
    for table in known:
        said = table.get(place, frozenset()) & wanted
        if said:
            return said
    return frozenset()


def _check_patterns(given: Patterns, wanted: frozenset[str], places: Sequence[Place]) -> None:
    for fix, globs in given.items():
        if fix not in wanted:
            raise BuildError("fix-unknown", f"paths are given for {fix}, which is no fix of this hotfix")
        for glob in globs:
            if not any(matches(glob, *place) for place in places):
                raise BuildError("pattern-unmatched", f"nothing that changed matches {glob!r}, given for {fix}")


def _listed(places: Sequence[Place]) -> str:
    shown = ", ".join(f"{root}/{path}" for root, path in places[:_SHOWN])
    return shown if len(places) <= _SHOWN else f"{shown} and {len(places) - _SHOWN} more"
