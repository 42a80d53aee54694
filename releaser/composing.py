"""From material and what people wrote to a manifest. The same input gives the same bytes, anywhere and on any day.

Nothing of this machine enters: no time, no path, no name of a user, no order of a folder.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from patchline.patches.errors import BuildError, ManifestError
from patchline.patches.manifest import FORMAT, File, FileEntry, Link, Manifest, State
from patchline.patches.paths import check_link
from patchline.releaser.attribution import Patterns, attribute
from patchline.releaser.earlier import Earlier, check_contained, entries_of, states_left
from patchline.releaser.globs import any_matches
from patchline.releaser.recipe import Authored
from patchline.releaser.sources import Change, Material

MIN_CLIENT = "1.0"
Place = tuple[str, str]


@dataclass(frozen=True)
class Order:
    """What is asked for: names and numbers that only people can give.

    Attributes:
        repository: name of the source, never its path; the product by default.
        fix_titles: titles by id, from options.
        fix_paths: patterns by fix, from options.
        stated: the manifest's `entries` of a bundle that is rebuilt; classes and fixes of its places are taken from it.
    """

    hotfix: str
    product: str
    baselines: tuple[str, ...]
    revision: int = 1
    kind: str | None = None
    severity: str | None = None
    title: str | None = None
    repository: str | None = None
    fix_titles: Mapping[str, str] = field(default_factory=dict)
    fix_paths: Patterns = field(default_factory=dict)
    stated: Mapping[Place, FileEntry] = field(default_factory=dict)


def compose(
    order: Order,
    authored: Authored,
    material: Material,
    contributors: Sequence[str],
    earlier: Sequence[Earlier] = (),
) -> Manifest:
    """Make the manifest.

    Args:
        order: what is asked for.
        authored: what people wrote.
        material: what the trees say.
        contributors: sorted person ids.
        earlier: hotfixes given with `--onto`.

    Raises:
        BuildError: something is missing, unexplained, or breaks a rule of the manifest.
    """
    kind = order.kind or authored.kind or "one-off"
    fixes = _fixes(order, authored, earlier if kind == "cumulative" else ())
    if not (material.changes or authored.steps or authored.guidance):
        raise BuildError("empty", _nothing(material))
    _check_links(material.changes)
    files = _files(order, authored, material, fixes, earlier)
    if kind == "cumulative":
        _check_cumulative(earlier, material, fixes)
    document = {
        "format": FORMAT,
        "hotfix": order.hotfix,
        "revision": order.revision,
        "kind": kind,
        "severity": order.severity or authored.severity or "moderate",
        "title": order.title or authored.title or _first_title(fixes),
        "min_client": MIN_CLIENT,
        "critical": [],
        "target": {
            "product": order.product,
            "baselines": sorted(set(order.baselines)),
            "platforms": list(authored.platforms),
            "requires_products": [dict(item) for item in authored.requires_products],
        },
        "fixes": fixes,
        "relations": _relations(order, authored, kind, earlier),
        "provenance": _provenance(order, authored, material),
        "contributors": list(contributors),
        "files": files,
        "scripts": [{"sha256": digest, "size": len(authored.scripts[digest])} for digest in sorted(authored.scripts)],
        "steps": [dict(step) for step in authored.steps],
        "checks": [step["id"] for step in authored.steps if step["phase"] in ("health", "symptom")],
        "guidance": list(authored.guidance) or ["none"],
        "database": [],
        **({"expires": authored.expires} if authored.expires else {}),
        **({"notes": authored.notes} if authored.notes else {}),
    }
    return _checked(document)


def _checked(document: dict[str, Any]) -> Manifest:
    try:
        return Manifest.from_document(document)
    except ManifestError as error:
        raise BuildError("manifest", f"{error.message} ({error.code})") from None


def _nothing(material: Material) -> str:
    if material.outside:
        return f"nothing differs in the roots; {len(material.outside)} changed paths lie outside of them"
    if material.repacked:
        return f"nothing differs but how {len(material.repacked)} archives were packed"
    return "nothing differs, and there are neither steps nor guidance"


def _check_links(changes: Iterable[Change]) -> None:
    for change in changes:
        if isinstance(change.post, Link):
            try:
                check_link(change.path, change.post.target)
            except ManifestError as error:
                raise BuildError("link", f"{error.message} ({error.code})") from None


# Fixes


def _fixes(order: Order, authored: Authored, contained: Sequence[Earlier]) -> list[dict[str, Any]]:
    """Return the fixes of options, recipe and, for a cumulative, of what it contains, sorted by id."""
    found: dict[str, dict[str, Any]] = {}
    for item in contained:
        for fix in item.manifest.fixes:
            found[fix.id] = {key: value for key, value in vars(fix).items() if value is not None}
            found[fix.id]["cve"] = list(fix.cve)
    found.update({str(fix["id"]): dict(fix) for fix in authored.fixes})
    for identifier, title in order.fix_titles.items():
        found[identifier] = {"coverage": "full", "cve": [], **found.get(identifier, {"id": identifier}), "title": title}
    return [found[identifier] for identifier in sorted(found)]


def _first_title(fixes: Sequence[dict[str, Any]]) -> str:
    if not fixes:
        raise BuildError("title", "the hotfix has no fix to take its title from")
    return str(fixes[0]["title"])


# Files


def _files(
    order: Order,
    authored: Authored,
    material: Material,
    fixes: Sequence[dict[str, Any]],
    earlier: Sequence[Earlier],
) -> list[dict[str, Any]]:
    places = [change.place for change in material.changes]
    stated = {place: frozenset(entry.fixes) for place, entry in order.stated.items()}
    contained = {
        place: frozenset(fix for entry in entries_of(earlier, place) for fix in entry.fixes) for place in places
    }
    explained = attribute(
        places,
        [str(fix["id"]) for fix in fixes],
        [order.fix_paths, authored.fix_paths],
        [stated, contained, material.trailers],
    )
    return [_file(order, authored, change, explained[change.place], earlier) for change in material.changes]


def _file(
    order: Order, authored: Authored, change: Change, fixes: Sequence[str], earlier: Sequence[Earlier]
) -> dict[str, Any]:
    stated = order.stated.get(change.place)
    return {
        "root": change.root,
        "path": change.path,
        "pre": [state.as_document() for state in accepted_states(change, earlier)],
        "post": change.post.as_document(),
        "class": class_of(order, authored, change.root, change.path, earlier),
        "optional": stated.optional if stated else any_matches(authored.optional, change.root, change.path),
        "fixes": list(fixes),
    }


def accepted_states(change: Change, earlier: Sequence[Earlier]) -> list[State]:
    """Return the states a place may be found in: the baseline's, and what earlier hotfixes left there."""
    states = [change.pre, *states_left(earlier, change.place)]
    return [state for state in dict.fromkeys(states) if state != change.post]


def class_of(order: Order, authored: Authored, root: str, path: str, earlier: Sequence[Earlier]) -> str:
    """Return the class of a path: stated by a rebuild, matched by the recipe, inherited, or code."""
    stated = order.stated.get((root, path))
    if stated:
        return stated.file_class
    for name in ("config", "asset", "code"):
        if any_matches(authored.classes.get(name, ()), root, path):
            return name
    before = entries_of(earlier, (root, path))
    return before[-1].file_class if before else "code"


def contents_before(manifest: Manifest) -> frozenset[str]:
    """Return the digests of all contents that a place may have before."""
    return frozenset(state.sha256 for entry in manifest.files for state in entry.pre if isinstance(state, File))


# Relations and provenance


def _check_cumulative(earlier: Sequence[Earlier], material: Material, fixes: Sequence[dict[str, Any]]) -> None:
    full = frozenset(str(fix["id"]) for fix in fixes if fix["coverage"] == "full")
    check_contained(earlier, (change.place for change in material.changes), full)


def _relations(
    order: Order, authored: Authored, kind: str, earlier: Sequence[Earlier]
) -> dict[str, list[dict[str, Any]]]:
    """Return all relations; a cumulative includes what it was built onto, the highest revision of each."""
    names = ("requires", "conflicts", "supersedes", "includes", "merges")
    found = {key: {str(item["hotfix"]): item for item in authored.relations.get(key, [])} for key in names}
    if kind == "cumulative":
        for item in earlier:
            if item.manifest.hotfix != order.hotfix:
                found["includes"][item.manifest.hotfix] = {
                    "hotfix": item.manifest.hotfix,
                    "revision": item.manifest.revision,
                    "manifest": item.manifest.digest,
                }
    return {key: [items[name] for name in sorted(items)] for key, items in found.items()}


def _provenance(order: Order, authored: Authored, material: Material) -> dict[str, Any]:
    roots = {} if authored.roots == {"app": ""} else {"roots": dict(authored.roots)}
    named = {"repository": order.repository or order.product} if material.provenance["kind"] == "git" else {}
    return {**material.provenance, **named, **roots}
