"""What people read about one release: `README.txt` of its zip, and the notes beside the bundle. Never evidence.

Both follow from the manifest alone, so the same release is always told in the same words.
"""

import re
import textwrap
from collections.abc import Iterator, Sequence

from patchline.patches.manifest import Manifest, Reference
from patchline.patches.release_zip import RELEASE_LINE, RELEASE_SIGNATURE
from patchline.patches.wording import counted
from patchline.releaser.summary import change_word

_WIDTH = 78
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|~])")


def readme(manifest: Manifest, container: str) -> str:
    """Return the `README.txt` of a release zip.

    Args:
        manifest: of the release.
        container: SHA-256 of the bundle file.
    """
    name = f"{manifest.label}.hotfix"
    lines = [f"{manifest.label}: {manifest.title}", "=" * min(_WIDTH, len(manifest.label) + 2 + len(manifest.title))]
    lines += ["", *_section("WHAT IT FIXES", _fixes(manifest))]
    lines += _section("WHO NEEDS IT", _audience(manifest))
    lines += _section("STEPS", _steps(manifest))
    lines += _section("CHECK IT WITHOUT PATCHLINE", _check(name, container))
    lines += _section("TRUST", _trust())
    lines += _section("TELL US AFTERWARDS", _answer(manifest))
    return "\n".join(lines).rstrip() + "\n"


def _section(title: str, lines: Iterator[str]) -> list[str]:
    return [title, "", *(wrapped for line in lines for wrapped in _wrapped(line)), ""]


def _wrapped(line: str) -> list[str]:
    """Wrap a line of text; commands, which are indented by four, stay on one line."""
    if line.startswith("    ") or not line:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()) + (2 if line.lstrip().startswith("- ") else 0))
    return textwrap.wrap(line, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _fixes(manifest: Manifest) -> Iterator[str]:
    if not manifest.fixes:
        yield "No fault: it collects or changes what is listed in the notes."
    for fix in manifest.fixes:
        cves = f" ({', '.join(fix.cve)})" if fix.cve else ""
        part = "" if fix.coverage == "full" else f" [{fix.coverage}]"
        yield f"- {fix.id}: {fix.title}{cves}{part}"
        if fix.symptom:
            yield from (f"  {line}" for line in fix.symptom.splitlines())


def _audience(manifest: Manifest) -> Iterator[str]:
    target = manifest.target
    yield f"Installations of {target.product} {' or '.join(target.baselines)} on {' or '.join(target.platforms)}."
    for product, versions in target.requires_products:
        yield f"It needs {product} {' or '.join(versions)} beside it."
    for words, references in (
        ("It needs these applied first, or given together with it:", manifest.relations.requires),
        ("It cannot be applied together with:", manifest.relations.conflicts),
        ("It replaces:", manifest.relations.supersedes),
    ):
        if references:
            yield f"{words} {_names(references)}."
    yield f"Severity: {manifest.severity}. It changes {counted(len(manifest.files), 'path')}."
    if manifest.expires:
        yield f"It is for a time only and ends on {manifest.expires}."


def _names(references: Sequence[Reference]) -> str:
    return ", ".join(item.hotfix + (f"-r{item.revision}" if item.revision else "") for item in references)


def _steps(manifest: Manifest) -> Iterator[str]:
    yield "Give this zip as it is, or the bundle in it, to the patchline-site that is installed already:"
    yield "    patchline-site plan ZIP"
    yield "    patchline-site apply ZIP"
    yield f"    patchline-site rollback {manifest.hotfix}        takes it back, if it must be"
    yield (
        "`plan` writes nothing and tells every obstacle at once. `apply` is wholly done or wholly undone, also after a "
        "power cut: then run `patchline-site recover`."
    )
    yield "Afterwards:"
    yield from (f"- {guidance_words(text)}" for text in manifest.guidance)
    if any(step.irreversible for step in manifest.steps):
        yield "CANNOT BE UNDONE: a step of it is irreversible, and patchline-site asks before it goes on."


_GUIDANCE = {
    "none": "nothing has to be restarted",
    "reload": "reload the settings",
    "restart-node": "restart the machine",
}


def guidance_words(text: str) -> str:
    """Return one piece of a manifest's guidance in words."""
    kind, _, rest = text.partition(":")
    if kind == "restart-service":
        return f"restart the service {rest}"
    return rest if kind == "manual" else _GUIDANCE[text]


def stock_check(name: str) -> list[str]:
    """Return the commands by which anybody sees who released a bundle, with programs that every machine has."""
    line, signature = f"{name}{RELEASE_LINE}", f"{name}{RELEASE_SIGNATURE}"
    return [
        f"openssl dgst -sha256 -verify release.pem -signature {signature} {line} && sha256sum --strict -c {line}",
        f"tar -tf {name}",
        f"tar -xOf {name} manifest.json",
    ]


def _check(name: str, container: str) -> Iterator[str]:
    yield "Unpack the zip into an empty folder. With the vendor's release key, which you have from earlier as release.pem:"
    yield from (f"    {command}" for command in stock_check(name))
    yield "The SHA-256 of the bundle is"
    yield f"    {container}"
    yield (
        "This shows who released the file, and nothing more. Not checked: approvals, recall, rollback. patchline-site "
        "checks all of it by itself."
    )


def _trust() -> Iterator[str]:
    yield (
        "No trust file comes with a hotfix, and none in a mail beside it should be believed. Whoever sets up a site "
        "compares the fingerprint of its trust file with the vendor by another way: by phone, or on paper."
    )


def _answer(manifest: Manifest) -> Iterator[str]:
    yield "Please send back this sentence, with the code that `patchline-site inventory` shows:"
    yield f'    "{manifest.label} was applied on (date) at (site); the level code is (code)."'


def notes(manifest: Manifest) -> str:
    """Return the notes beside a bundle, as Markdown."""
    return "\n".join(_notes(manifest)).rstrip() + "\n"


def _notes(manifest: Manifest) -> Iterator[str]:
    target = manifest.target
    yield f"# {_plain(manifest.label)}: {_plain(manifest.title)}"
    yield ""
    audience = f"For {_plain(target.product)} {_plain(' or '.join(target.baselines))}."
    yield f"{audience} Kind: {manifest.kind}. Severity: {manifest.severity}."
    for fix in manifest.fixes:
        yield ""
        yield f"## {_plain(fix.id)}: {_plain(fix.title)}"
        yield ""
        yield from (f"- CVE: {_plain(cve)}" for cve in fix.cve)
        yield from () if fix.coverage == "full" else (f"- Coverage: {_plain(fix.coverage)}",)
        for words in ("symptom", "cause", "resolution", "component", "kb"):
            if text := getattr(fix, words):
                yield f"- {words.capitalize()}: {_plain(' '.join(text.split()))}"
    yield ""
    yield "## What changes"
    yield ""
    yield from (f"- {change_word(entry)} `{entry.root}/{entry.path}`" for entry in manifest.files)
    yield from (f"- run step {_plain(step.id)} ({step.phase})" for step in manifest.steps)
    if manifest.guidance:
        yield from ("", "## Afterwards", "", *(f"- {_plain(guidance_words(text))}" for text in manifest.guidance))
    if manifest.notes:
        yield from ("", "## Notes", "", *map(_plain, manifest.notes.splitlines()))
    yield ""
    yield "These notes follow from the manifest and prove nothing; `patchline-site verify` does."


def _plain(text: str) -> str:
    """Return text that Markdown leaves as it is."""
    return _MARKDOWN.sub(r"\\\1", text)
