"""Rebuilding: does a bundle really come from the commits it names?

What people wrote (fixes, attribution, classes, relations, steps, scripts, guidance, notes) is taken from the bundle.
Everything else is derived anew from the rebuilder's own source and the given earlier bundles, and compared. Equal
manifests mean equal payloads, because a manifest states the digest of every member.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from patchline.patches import documents
from patchline.patches.bundle import NullStore
from patchline.patches.errors import BuildError, GitError, UsageError
from patchline.patches.manifest import Manifest, Member, Reference
from patchline.releaser.building import FolderOrigin, GitOrigin, Wanted, derived
from patchline.releaser.bundle_files import BundleFile, read_bundle
from patchline.releaser.composing import Order
from patchline.releaser.git_store import GitStore
from patchline.releaser.people import People
from patchline.releaser.recipe import Authored

_SCRIPTS = "scripts/"
_SHOWN = 50


@dataclass(frozen=True)
class Reproduction:
    """How a rebuild ended.

    Attributes:
        differences: what is not the same, in words; empty when the manifest is the same.
        unsettled: what could not be derived here and what would be needed.
    """

    bundle: BundleFile
    differences: tuple[str, ...]
    unsettled: tuple[str, ...]

    @property
    def reproduced(self) -> bool:
        """Whether the rebuild gave the very same manifest."""
        return not self.differences and not self.unsettled

    def as_document(self) -> dict[str, Any]:
        """Return it for `--json`."""
        manifest = self.bundle.manifest
        return {
            "hotfix": manifest.hotfix,
            "revision": manifest.revision,
            "manifest": manifest.digest,
            "reproduced": self.reproduced,
            "differences": list(self.differences),
            "not_derived": list(self.unsettled),
        }


class Scripts:
    """Keeps the scripts of a bundle, which people wrote; they are small by the manifest's rules."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}

    def write(self, member: Member, chunks: Iterable[bytes]) -> None:
        """Keep a script; read anything else to its end."""
        if member.name.startswith(_SCRIPTS):
            self.contents[member.sha256] = b"".join(chunks)
        else:
            NullStore().write(member, chunks)


def rebuild(
    path: Path,
    *,
    repo: Path | None = None,
    folders: tuple[Path, Path] | None = None,
    onto: Sequence[Path] = (),
    people: People | None = None,
) -> Reproduction:
    """Rebuild a bundle and compare.

    Args:
        path: the bundle.
        repo: a clone of the rebuilder's own, for a bundle from git.
        folders: base and head folder of the rebuilder's own, for a bundle from folders.
        onto: the earlier bundles it was built onto.
        people: the same people file as the builder's.

    Raises:
        GitError: the source does not hold the commits.
        UsageError: the bundle came from the other kind of source.
    """
    scripts = Scripts()
    bundle = read_bundle(path, scripts)
    manifest = bundle.manifest
    unsettled: list[str] = []
    wanted = Wanted(
        order=_order(manifest),
        authored=authored_of(manifest, scripts.contents),
        origin=_origin(manifest, repo, folders, unsettled),
        people=people,
        onto=tuple(onto),
    )
    try:
        with derived(wanted) as made:
            differences = tuple(compare_manifests(manifest, made.manifest))
    except GitError:
        raise
    except BuildError as error:
        differences = (f"it cannot be built from this source: {error.message}",)
    if not onto and any(len(entry.pre) > 1 for entry in manifest.files):
        unsettled.append("accepted states before: the earlier bundles it was built onto are needed (--onto)")
    if people is None and not all(name.startswith("unknown:") for name in manifest.contributors) and repo is not None:
        unsettled.append("contributors: the builder's people file is needed (--people)")
    return Reproduction(bundle, differences, tuple(unsettled))


def _order(manifest: Manifest) -> Order:
    return Order(
        hotfix=manifest.hotfix,
        product=manifest.target.product,
        baselines=manifest.target.baselines,
        revision=manifest.revision,
        kind=manifest.kind,
        severity=manifest.severity,
        title=manifest.title,
        repository=manifest.provenance.get("repository"),
        stated=manifest.entries,
    )


def authored_of(manifest: Manifest, scripts: dict[str, bytes]) -> Authored:
    """Return what people wrote, as the bundle has it; a cumulative's includes follow from the earlier bundles."""
    relations = {
        key: [_reference(item) for item in getattr(manifest.relations, key)]
        for key in ("requires", "conflicts", "supersedes", "includes", "merges")
        if key != "includes" or manifest.kind != "cumulative"
    }
    return Authored(
        expires=manifest.expires,
        notes=manifest.notes,
        platforms=manifest.target.platforms,
        guidance=manifest.guidance,
        requires_products=tuple(
            {"product": product, "versions": list(versions)} for product, versions in manifest.target.requires_products
        ),
        roots=dict(manifest.provenance.get("roots") or {"app": ""}),
        fixes=tuple(
            {key: list(value) if key == "cve" else value for key, value in asdict(fix).items() if value is not None}
            for fix in manifest.fixes
        ),
        relations=relations,
        steps=tuple({**asdict(step), "args": list(step.args)} for step in manifest.steps),
        scripts=scripts,
    )


def _reference(item: Reference) -> dict[str, Any]:
    return {key: value for key, value in asdict(item).items() if value is not None}


def _origin(
    manifest: Manifest, repo: Path | None, folders: tuple[Path, Path] | None, unsettled: list[str]
) -> GitOrigin | FolderOrigin:
    provenance = manifest.provenance
    if provenance["kind"] == "git":
        if repo is None:
            raise UsageError("options", "the bundle was built from git; give --repo")
        base = _base_ref(repo, provenance, unsettled)
        return GitOrigin(repo, base, provenance["head_commit"])
    if folders is None:
        raise UsageError("options", "the bundle was built from folders; give --base-dir and --head-dir")
    return FolderOrigin(*folders, provenance["source"], manifest.contributors)


def _base_ref(repo: Path, provenance: dict[str, Any], unsettled: list[str]) -> str:
    """Return the base as the clone knows it: by its tag, if the bundle names one and the clone has it."""
    tag = provenance.get("base_tag")
    if tag is None:
        return str(provenance["base_commit"])
    with GitStore(repo) as store:
        if store.has(f"refs/tags/{tag}"):
            return f"refs/tags/{tag}"
    unsettled.append(f"base_tag: this clone has no tag {tag!r}")
    return str(provenance["base_commit"])


# Comparing


def compare_manifests(one: Manifest, other: Manifest) -> Iterator[str]:
    """Yield in words where two manifests differ; nothing exactly when their bytes are the same."""
    if one.data == other.data:
        return
    left, right = (documents.decode(item.data, what="manifest") for item in (one, other))
    shown = 0
    for line in _differences(left, right):
        yield line
        shown += 1
        if shown == _SHOWN:
            yield "and more"
            return
    if not shown:
        yield "the encoding differs"


def _differences(left: dict[str, Any], right: dict[str, Any]) -> Iterator[str]:
    for key in sorted(left.keys() | right.keys()):
        before, after = left.get(key), right.get(key)
        if before == after:
            continue
        if key == "files":
            yield from _files(before or [], after or [])
        elif isinstance(before, dict) and isinstance(after, dict):
            yield from (f"{key}.{line}" for line in _differences(before, after))
        else:
            yield f"{key}: {_short(before)} → {_short(after)}"


def _files(left: list[dict[str, Any]], right: list[dict[str, Any]]) -> Iterator[str]:
    before, after = ({(item["root"], item["path"]): item for item in items} for items in (left, right))
    for place in sorted(before.keys() | after.keys()):
        name = f"files {place[0]}/{place[1]}"
        if place not in after:
            yield f"{name}: only in the first"
        elif place not in before:
            yield f"{name}: only in the second"
        elif before[place] != after[place]:
            keys = [key for key in before[place] if before[place][key] != after[place].get(key)]
            yield f"{name}: {', '.join(keys)} differ"


def _short(value: Any) -> str:
    text = documents.encode(value).decode() if value is not None else "nothing"
    return text if len(text) <= 120 else f"{text[:117]}…"
