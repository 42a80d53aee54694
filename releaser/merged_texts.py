"""What people wrote about two hotfixes, put together for the one that takes their place.

Nothing is guessed: what both say differently is refused, and a recipe can then say it for the merged one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from patchline.patches.errors import BuildError
from patchline.patches.manifest import COVERAGES, SEVERITIES, FileEntry, Manifest
from patchline.releaser.merging_sides import Side
from patchline.releaser.rebuilding import authored_of
from patchline.releaser.recipe import Authored

Place = tuple[str, str]


def check_pair(one: Manifest, other: Manifest) -> None:
    """Refuse hotfixes that no merge can replace.

    Raises:
        BuildError: they are of different products, baselines or kinds of sources, or no one-offs.
    """
    if one.hotfix == other.hotfix:
        raise BuildError("merge-pair", f"{one.label} and {other.label} are one hotfix")
    for what, left, right in (
        ("products", one.target.product, other.target.product),
        ("baselines", one.target.baselines, other.target.baselines),
        ("platforms", one.target.platforms, other.target.platforms),
        ("roots", one.provenance.get("roots"), other.provenance.get("roots")),
        ("kinds of sources", one.provenance["kind"], other.provenance["kind"]),
        ("base commits", one.provenance.get("base_commit"), other.provenance.get("base_commit")),
        ("base folders", one.provenance.get("base_files"), other.provenance.get("base_files")),
    ):
        if left != right:
            raise BuildError("merge-pair", f"{one.label} and {other.label} have different {what}")
    for manifest in (one, other):
        if manifest.kind != "one-off":
            raise BuildError("merge-pair", f"{manifest.label} is of kind {manifest.kind}")


def severity_of(one: Manifest, other: Manifest) -> str:
    """Return the graver of both severities."""
    return max(one.severity, other.severity, key=SEVERITIES.index)


def authored_together(one: Side, other: Side) -> Authored:
    """Return what people wrote about both.

    Raises:
        BuildError: they say different things of one step or product.
    """
    left, right = (authored_of(side.manifest, _scripts(side)) for side in (one, other))
    expiries = [date for date in (left.expires, right.expires) if date]
    return replace(
        left,
        expires=min(expiries) if expiries else None,
        notes="\n\n".join(text for text in (left.notes, right.notes) if text) or None,
        guidance=tuple(dict.fromkeys(word for word in (*left.guidance, *right.guidance) if word != "none")),
        requires_products=tuple(_together("requires_products", "product", left, right)),
        fixes=tuple(_fixes([*left.fixes, *right.fixes])),
        relations=_relations(one.manifest, other.manifest, left, right),
        steps=tuple(_together("steps", "id", left, right)),
        scripts={**left.scripts, **right.scripts},
    )


def _scripts(side: Side) -> dict[str, bytes]:
    return {step.script: (side.contents / step.script).read_bytes() for step in side.manifest.steps}


def _together(field: str, key: str, left: Authored, right: Authored) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for item in (*getattr(left, field), *getattr(right, field)):
        if found.setdefault(item[key], item) != item:
            raise BuildError("merge-texts", f"both have {field} {item[key]!r}, which differ")
    return list(found.values())


def _fixes(listed: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each fix once; what only one of both mends in full is mended in full by both together."""
    found: dict[str, dict[str, Any]] = {}
    for fix in listed:
        known = found.setdefault(str(fix["id"]), fix)
        found[str(fix["id"])] = {
            **fix,
            **known,
            "coverage": min(known["coverage"], fix["coverage"], key=COVERAGES.index),
            "cve": sorted({*known["cve"], *fix["cve"]}),
        }
    return [found[identifier] for identifier in sorted(found)]


def _relations(one: Manifest, other: Manifest, left: Authored, right: Authored) -> dict[str, list[dict[str, Any]]]:
    own = {one.hotfix, other.hotfix}
    found: dict[str, list[dict[str, Any]]] = {}
    for name in ("requires", "conflicts", "supersedes", "includes", "merges"):
        listed: dict[str, dict[str, Any]] = {}
        for item in (*left.relations.get(name, ()), *right.relations.get(name, ())):
            known = listed.get(item["hotfix"])
            if item["hotfix"] not in own and (known is None or _newer(item, known)):
                listed[item["hotfix"]] = item
        found[name] = list(listed.values())
    for manifest in (one, other):
        reference = {"hotfix": manifest.hotfix, "revision": manifest.revision, "manifest": manifest.digest}
        found["merges"].append(reference)
    return found


def _newer(item: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Tell whether a reference reaches further: no revision stands for all."""
    return item.get("revision") is None or (known.get("revision") or 10_001) < item["revision"]


def stated_together(one: Manifest, other: Manifest) -> dict[Place, FileEntry]:
    """Return what both say of the class and fixes of each place.

    Raises:
        BuildError: they give one place different classes.
    """
    found = dict(one.entries)
    for place, entry in other.entries.items():
        known = found.get(place)
        if known is None:
            found[place] = entry
            continue
        if known.file_class != entry.file_class:
            raise BuildError(
                "merge-texts", f"{'/'.join(place)} is {known.file_class} in one and {entry.file_class} in the other"
            )
        fixes = tuple(sorted({*known.fixes, *entry.fixes}))
        found[place] = replace(known, fixes=fixes, optional=known.optional and entry.optional)
    return found
