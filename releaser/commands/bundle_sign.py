"""`patchline bundle sign|approve|release`: what people put their keys to. The only commands here that open a key."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from patchline.patches.errors import BuildError, UsageError
from patchline.patches.identifiers import fingerprint
from patchline.patches.passphrases import passphrase_option
from patchline.patches.release_zip import RELEASE_LINE
from patchline.patches.rules import MOST_HOURS
from patchline.patches.signers import Signer
from patchline.patches.terminal import confirm, example, json_option, note, report, yes_option
from patchline.patches.trust import Trust
from patchline.patches.wording import counted
from patchline.releaser import client_release, signing
from patchline.releaser.bundle_files import BundleFile, read_bundle
from patchline.releaser.own_signatures import open_own
from patchline.releaser.people import People, read_people
from patchline.releaser.rebuilding import Reproduction, Scripts, rebuild
from patchline.releaser.summary import summary_text
from patchline.releaser.trust_files import read_trust

FILE = click.Path(path_type=Path)


FILES = click.argument("files", type=FILE, nargs=-1, required=True, metavar="FILE...")


@click.command(epilog=example("patchline bundle sign HF-2026-0001-r1.hotfix --key bob"))
@FILES
@click.option("--key", "name", required=True, metavar="BUILDER", help="The builder's key.")
@passphrase_option
@json_option
def sign(files: tuple[Path, ...], name: str) -> None:
    """Sign the statement of a build, after checking it against the file; of several with one unlocking of the key."""
    signer = open_own(name)
    signed = [(file, signing.sign_provenance(file, signer)) for file in files]
    documents = [{"bundle": str(file), "provenance": str(sidecar)} for file, sidecar in signed]
    _report(documents, "\n".join(f"{sidecar} signed with {name}" for _, sidecar in signed))


def _report(documents: list[dict[str, Any]], text: str) -> None:
    """Report on one file as a document, on several as a list of them."""
    report(documents[0] if len(documents) == 1 else documents, text)


@click.command(epilog=example("patchline bundle approve HF-2026-0001-r1.hotfix --key ada --trust trust.json --repo ."))
@FILES
@click.option("--key", "name", required=True, metavar="KEY", help="The approver's key.")
@click.option("--trust", "trust_file", type=FILE, required=True, help="The vendor's trust file.")
@click.option("--repo", type=FILE, help="A clone of your own: the bundle is rebuilt from it first.")
@click.option("--onto", type=FILE, multiple=True, help="An earlier bundle it was built onto; several.")
@click.option("--people", type=FILE, help="The builder's people file.")
@click.option("--scope", "scopes", multiple=True, metavar="CUSTOMER", help="Only for this customer; several.")
@click.option(
    "--emergency",
    "hours",
    type=click.IntRange(1, MOST_HOURS),
    metavar="HOURS",
    help="Only as an emergency of the customers named, for so many hours.",
)
@click.option("--out", type=FILE, help="A file of its own for the approval, to be sent.")
@passphrase_option
@yes_option
@json_option
def approve(
    files: tuple[Path, ...],
    name: str,
    trust_file: Path,
    repo: Path | None,
    onto: tuple[Path, ...],
    people: Path | None,
    scopes: tuple[str, ...],
    hours: int | None,
    out: Path | None,
) -> None:
    """Approve a bundle with your own key, after looking at it; several, one by one, with one unlocking of the key."""
    trust = read_trust(trust_file)
    if repo is None and (onto or people):
        raise UsageError("options", "--onto and --people are for a rebuild; give --repo")
    if hours is not None and not scopes:
        raise UsageError("options", "--emergency is for named customers; give --scope")
    if out is not None and len(files) > 1:
        raise UsageError("options", "--out is for the approval of one file")
    known = read_people(people) if people else None
    looked_at = [_look(file, repo, onto, known, hours) for file in files]
    signer = open_own(name)
    documents, lines = [], []
    for found in looked_at:
        sidecar = signing.approve(
            found,
            signer,
            trust,
            datetime.now(UTC),
            scope=frozenset(scopes) or None,
            reproduced=repo is not None,
            emergency=hours,
            out=out,
        )
        lines.append(f"{found.manifest.label} approved with {name}: {sidecar}")
        documents.append(
            {
                "bundle": str(found.path),
                "manifest": found.manifest.digest,
                "approval": str(sidecar),
                "reproduced": repo is not None,
                "scope": sorted(scopes) or "all",
                "emergency": hours,
            }
        )
    _report(documents, "\n".join(lines))


def _look(
    file: Path, repo: Path | None, onto: tuple[Path, ...], people: People | None, hours: int | None
) -> BundleFile:
    """Show a bundle, rebuild it if there is a clone, and ask."""
    scripts = Scripts()
    found = read_bundle(file, scripts)
    note(summary_text(found, scripts.contents))
    if repo is not None:
        _require(rebuild(file, repo=repo, onto=onto, people=people), found)
        note("rebuilt from your clone: the manifest is the same")
    limited = f" as an emergency, for {counted(hours, 'hour')}" if hours is not None else ""
    if not confirm(f"Approve {found.manifest.label}{limited}, fingerprint {fingerprint(found.manifest.digest)}?"):
        raise UsageError("declined", "nothing was signed")
    return found


def _require(reproduction: Reproduction, shown: BundleFile) -> None:
    if reproduction.bundle.manifest.digest != shown.manifest.digest:
        raise BuildError("source-changed", f"{shown.path} was exchanged while it was rebuilt")
    if not reproduction.reproduced:
        reasons = "; ".join([*reproduction.differences, *reproduction.unsettled])
        raise BuildError("not-reproduced", f"the rebuild gives another manifest: {reasons}")


@click.command(epilog=example("patchline bundle release HF-2026-0001-r1.hotfix --key release --trust trust.json"))
@FILES
@click.option("--key", "name", required=True, metavar="RELEASE", help="The release key (P-256).")
@click.option("--trust", "trust_file", type=FILE, required=True, help="The vendor's trust file.")
@passphrase_option
@json_option
def release(files: tuple[Path, ...], name: str, trust_file: Path) -> None:
    """Count the approvals as a site would, then sign the file's digest for openssl; several with one unlocking.

    The client, patchline-site.pyz, has no approvals; it is only signed.
    """
    trust, signer = read_trust(trust_file), open_own(name)
    released = [_release(file, signer, trust) for file in files]
    _report([document for document, _ in released], "\n".join(text for _, text in released))


def _release(file: Path, signer: Signer, trust: Trust) -> tuple[dict[str, Any], str]:
    if client_release.is_client(file):
        digest = client_release.sign_client(file, signer, trust.policy)
        beside = f"{file}{RELEASE_LINE}"
        return {"client": str(file), "sha256": digest, "release": beside}, f"{file} released: {beside}"
    found = read_bundle(file)
    verified = signing.release(found, signer, trust, datetime.now(UTC))
    line = found.beside(RELEASE_LINE)
    persons = sorted(approval.person for approval in verified.approvals)
    document = {
        "bundle": str(file),
        "manifest": found.manifest.digest,
        "release": str(line),
        "approved_by": persons,
        "emergency": verified.emergency,
    }
    text = f"{found.manifest.label} released: {line}\napproved by {', '.join(persons)}"
    return document, "\n".join([text, *(f"warning: {warning}" for warning in verified.warnings)])
