"""A bundle in words, for whoever must decide about it. Shows everything that would happen at a site."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from patchline.patches.identifiers import fingerprint
from patchline.patches.manifest import ABSENT, File, FileEntry, Folder, Link, Manifest, Reference, State
from patchline.patches.wording import counted, readable_size
from patchline.releaser.bundle_files import BundleFile


def summary_document(bundle: BundleFile) -> dict[str, Any]:
    """Return the facts for `--json`."""
    manifest = bundle.manifest
    return {
        "bundle": str(bundle.path),
        "hotfix": manifest.hotfix,
        "revision": manifest.revision,
        "kind": manifest.kind,
        "severity": manifest.severity,
        "title": manifest.title,
        "manifest": manifest.digest,
        "fingerprint": fingerprint(manifest.digest),
        "container": bundle.container,
        "product": manifest.target.product,
        "baselines": list(manifest.target.baselines),
        "platforms": list(manifest.target.platforms),
        "fixes": [fix.id for fix in manifest.fixes],
        "provenance": {key: value for key, value in manifest.provenance.items() if key != "commits"},
        "commits": len(manifest.provenance.get("commits", ())),
        "contributors": list(manifest.contributors),
        "files": [_file_document(entry) for entry in manifest.files],
        "steps": [step.id for step in manifest.steps],
        "guidance": list(manifest.guidance),
        "payload_bytes": sum(member.size for member in manifest.payload),
    }


def _file_document(entry: FileEntry) -> dict[str, Any]:
    return {
        "root": entry.root,
        "path": entry.path,
        "change": change_word(entry),
        "class": entry.file_class,
        "optional": entry.optional,
        "fixes": list(entry.fixes),
    }


def change_word(entry: FileEntry) -> str:
    """Say in one word what happens to a path."""
    if entry.post == ABSENT:
        return "remove"
    return "add" if all(state == ABSENT for state in entry.pre) else "change"


def summary_text(bundle: BundleFile, scripts: Mapping[str, bytes]) -> str:
    """Return the text for people.

    Args:
        bundle: what is shown.
        scripts: content of its scripts by SHA-256; they are shown in full.
    """
    return "\n".join(_lines(bundle, scripts))


def _lines(bundle: BundleFile, scripts: Mapping[str, bytes]) -> Iterator[str]:
    manifest = bundle.manifest
    yield f"{manifest.label}  {manifest.title}"
    yield f"  manifest     {manifest.digest}"
    yield f"  fingerprint  {fingerprint(manifest.digest)}"
    yield f"  file         sha256 {bundle.container}"
    yield f"  kind         {manifest.kind}, {manifest.severity}{_expiry(manifest)}"
    yield f"  for          {manifest.target.product} {', '.join(manifest.target.baselines)}"
    yield f"  platforms    {', '.join(manifest.target.platforms)}"
    for product, versions in manifest.target.requires_products:
        yield f"  beside       {product} {' or '.join(versions)}"
    yield from _provenance(manifest)
    yield f"  contributors {', '.join(manifest.contributors)}"
    yield from _fixes(manifest)
    yield from _relations(manifest)
    yield from _files(manifest.files)
    yield from _steps(manifest, scripts)
    yield "guidance"
    yield from (f"  {text}" for text in manifest.guidance)
    if manifest.notes:
        yield "notes"
        yield from (f"  {line}" for line in manifest.notes.splitlines())


def _expiry(manifest: Manifest) -> str:
    return f", expires {manifest.expires}" if manifest.expires else ""


def _provenance(manifest: Manifest) -> Iterator[str]:
    source = manifest.provenance
    if source["kind"] == "folders":
        yield f"  from         folders, stated source: {source['source']}"
        yield f"  base files   sha256 {source['base_files']}"
        yield f"  head files   sha256 {source['head_files']}"
        return
    tag = f" ({source['base_tag']})" if source.get("base_tag") else ""
    yield f"  from         {source['repository']}"
    yield f"  base         {source['base_commit']}{tag}"
    yield f"  head         {source['head_commit']}, {counted(len(source['commits']), 'commit')}"


def _fixes(manifest: Manifest) -> Iterator[str]:
    yield "fixes" if manifest.fixes else "fixes: none"
    for fix in manifest.fixes:
        coverage = "" if fix.coverage == "full" else f" [{fix.coverage}]"
        cves = f" ({', '.join(fix.cve)})" if fix.cve else ""
        yield f"  {fix.id}  {fix.title}{cves}{coverage}"
        for name in ("symptom", "cause", "resolution", "kb", "component"):
            if text := getattr(fix, name):
                yield f"    {name}: {text}"


def _relations(manifest: Manifest) -> Iterator[str]:
    for name in ("requires", "conflicts", "supersedes", "includes", "merges"):
        references: Sequence[Reference] = getattr(manifest.relations, name)
        if references:
            shown = (item.hotfix + (f"-r{item.revision}" if item.revision else "") for item in references)
            yield f"{name} {', '.join(shown)}"


_SIGNS = {"add": "+", "remove": "-", "change": "~"}


def _files(entries: Iterable[FileEntry]) -> Iterator[str]:
    entries = list(entries)
    yield counted(len(entries), "path")
    for entry in entries:
        marks = [entry.file_class] if entry.file_class != "code" else []
        marks += ["optional"] if entry.optional else []
        marks += [f"{len(entry.pre)} accepted states before"] if len(entry.pre) > 1 else []
        marks += [", ".join(entry.fixes)] if entry.fixes else []
        yield f"  {_SIGNS[change_word(entry)]} {entry.root}/{entry.path}  {_state(entry.post)}  [{'; '.join(marks)}]"


def _state(state: State) -> str:
    if isinstance(state, File):
        return readable_size(state.size) + (" executable" if state.executable else "")
    if isinstance(state, Link):
        return f"link to {state.target}"
    return "folder" if isinstance(state, Folder) else ""


def _steps(manifest: Manifest, scripts: Mapping[str, bytes]) -> Iterator[str]:
    for step in manifest.steps:
        flags = [name for name in ("root", "idempotent", "irreversible") if getattr(step, name)]
        yield f"step {step.id}: {step.phase}, on {step.on}, {step.interpreter} {' '.join(step.args)} {' '.join(flags)}"
        text = scripts.get(step.script, b"").decode("utf-8", "backslashreplace")
        yield from (f"  | {line}" for line in text.splitlines())
