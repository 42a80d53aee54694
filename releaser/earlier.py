"""Earlier hotfixes that a new one may meet at a site (`--onto`): what they left there is accepted as a state before."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from patchline.patches.bundle import NullStore, inspect, open_container
from patchline.patches.errors import BuildError
from patchline.patches.manifest import FileEntry, Manifest, Member, State
from patchline.releaser.spool import Spool

Place = tuple[str, str]


@dataclass(frozen=True)
class Earlier:
    """A bundle that was built before."""

    path: Path
    manifest: Manifest


def read_earlier(paths: Iterable[Path], product: str, baseline: str) -> list[Earlier]:
    """Check some bundles and return them sorted by id and revision.

    Raises:
        BuildError: one is for another product or baseline, or given twice.
        MalformedError: one is damaged.
    """
    found: dict[tuple[str, int], Earlier] = {}
    for path in paths:
        with open_container(path) as container:
            manifest = inspect(container, NullStore()).manifest
        if manifest.target.product != product:
            raise BuildError("onto-product", f"{path} is for product {manifest.target.product!r}, not {product!r}")
        if baseline not in manifest.target.baselines:
            raise BuildError("onto-baseline", f"{path} is not for baseline {baseline!r}")
        if (manifest.hotfix, manifest.revision) in found:
            raise BuildError("onto-twice", f"{manifest.label} is given twice")
        found[manifest.hotfix, manifest.revision] = Earlier(path, manifest)
    return [found[key] for key in sorted(found)]


def check_base(earlier: Sequence[Earlier], tag: str | None, commit: str) -> None:
    """Refuse a base tag that an earlier hotfix saw elsewhere.

    Raises:
        BuildError: the tag moved in between.
    """
    for item in earlier:
        provenance = item.manifest.provenance
        if tag is not None and provenance.get("base_tag") == tag and provenance["base_commit"] != commit:
            was = provenance["base_commit"]
            raise BuildError("base-moved", f"{tag} is {commit}, and was {was} when {item.manifest.label} was built")


def states_left(earlier: Sequence[Earlier], place: Place) -> list[State]:
    """Return the states in which earlier hotfixes leave a place, each once."""
    posts = (item.manifest.entries[place].post for item in earlier if place in item.manifest.entries)
    return list(dict.fromkeys(posts))


def entries_of(earlier: Sequence[Earlier], place: Place) -> list[FileEntry]:
    """Return what earlier hotfixes say about a place."""
    return [item.manifest.entries[place] for item in earlier if place in item.manifest.entries]


def check_contained(earlier: Sequence[Earlier], changed: Iterable[Place], fixes: frozenset[str]) -> None:
    """Refuse a cumulative hotfix that would lose what an earlier one mended.

    Raises:
        BuildError: a fix is not listed, or a path of it is as in the baseline.
    """
    places = frozenset(changed)
    for item in earlier:
        if missing := item.manifest.full_fixes - fixes:
            raise BuildError("fix-not-contained", f"{item.manifest.label} mends {', '.join(sorted(missing))}")
        for entry in item.manifest.files:
            if entry.place not in places:
                where = f"{entry.root}/{entry.path}"
                raise BuildError("fix-not-contained", f"{where}, which {item.manifest.label} changed, is as before")


def check_order(earlier: Sequence[Earlier], manifest: Manifest) -> None:
    """Refuse a one-off that an earlier hotfix could cover as well, unless the relations tell which of them comes first.

    Raises:
        BuildError: with the same hotfixes applied in another order a site would have other files.
    """
    relations = manifest.relations
    named = (*relations.requires, *relations.supersedes, *relations.includes, *relations.merges)
    settled = {reference.hotfix for reference in named} | {manifest.hotfix}
    for item in earlier:
        for entry in manifest.files:
            theirs = item.manifest.entries.get(entry.place)
            if theirs is not None and theirs.could_cover(entry) and item.manifest.hotfix not in settled:
                raise BuildError(
                    "no-order",
                    f"{entry.root}/{entry.path} becomes what {item.manifest.label} was made for: either fits on the other",
                    hint=f"Name {item.manifest.hotfix} in the recipe under requires or supersedes.",
                )


class _Keeper:
    """Keeps the members asked for in a spool."""

    def __init__(self, wanted: Callable[[str], bool], spool: Spool) -> None:
        self._wanted, self._spool = wanted, spool

    def write(self, member: Member, chunks: Iterable[bytes]) -> None:
        """Keep a member, or read it to its end."""
        if self._wanted(member.sha256):
            self._spool.add(chunks)
        else:
            NullStore().write(member, chunks)


def keep_contents(earlier: Sequence[Earlier], wanted: frozenset[str], spool: Spool) -> None:
    """Put contents that only earlier bundles hold into a spool."""
    for item in earlier:
        missing = frozenset(digest for digest in wanted if digest not in spool)
        if missing.isdisjoint(member.sha256 for member in item.manifest.payload):
            continue
        with open_container(item.path) as container:
            inspect(container, _Keeper(missing.__contains__, spool))
