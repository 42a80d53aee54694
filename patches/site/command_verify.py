"""`patchline-site verify`: what is in a bundle, release or kit, and whether it counts."""

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from patchline.patches.bundle import Container, NullStore, stage
from patchline.patches.errors import NotFoundError
from patchline.patches.files import read_file
from patchline.patches.limits import LIMITS
from patchline.patches.site.accepting import offer_documents, offer_lines
from patchline.patches.site.command_options import EXISTING, clock, site_options, stale_option, the_site
from patchline.patches.site.known import Known
from patchline.patches.site.offered import Handed, handed_over
from patchline.patches.site.offers import Circumstances
from patchline.patches.site.view import View
from patchline.patches.terminal import example, json_option, report
from patchline.patches.trust import Trust
from patchline.patches.verify import VerifiedManifest

_OTHER_TRUST = 3


@click.command(epilog=example("patchline-site verify HF-2026-0012-r1.hotfix"))
@click.argument("file", type=EXISTING)
@click.option(
    "--trust", "trust_file", type=EXISTING, help="Verify against this trust file (exit 3 when not the site's)."
)
@stale_option
@site_options
@json_option
def verify(
    root: Path | None, state_folder: Path | None, stale: datetime | None, trust_file: Path | None, file: Path
) -> None:
    """Check signatures, approvals and every digest of a bundle, release or kit; write nothing."""
    known = _known(root, state_folder, needed=trust_file is None)
    baseline, view = known or (None, None)
    if trust_file is not None:
        view = View(Trust.parse(read_file(trust_file, limit=LIMITS.trust_file)), None, Known())
    assert view is not None  # noqa: S101 - for the type checker: without --trust there is a site
    with handed_over([file], view, Circumstances(baseline, frozenset(), clock(), stale)) as handed:
        found = [_staged(verified, container) for verified, container in handed.bundles]
    _tell_verified(found, handed)
    if known is not None and known[1].trust.fingerprint != view.trust.fingerprint:
        raise click.exceptions.Exit(_OTHER_TRUST)


def _staged(verified: VerifiedManifest, container: Container) -> dict[str, Any]:
    """Read every byte of a bundle; return what there is to tell of it."""
    return {**_verified_document(verified), "container": stage(verified, container, NullStore()).container}


def _tell_verified(found: list[dict[str, Any]], handed: Handed) -> None:
    trust = handed.view.trust.fingerprint
    text = "\n".join([*map(_verified_text, found), *offer_lines(handed.offers)])
    text += f"\nverified against trust file {trust}"
    if handed.looks:
        report({"releases": found, "offers": offer_documents(handed.offers), "trust": trust}, text.lstrip())
    else:
        report({**found[0], "trust": trust}, text)


def _known(root: Path | None, state_folder: Path | None, *, needed: bool) -> tuple[str, View] | None:
    """Return the site's baseline and what it believes; None where there is no site and none is needed."""
    try:
        with the_site(root, state_folder) as site:
            return site.baseline, View.of(site)
    except NotFoundError:
        if needed or root is not None:
            raise
        return None


def _verified_document(verified: VerifiedManifest) -> dict[str, Any]:
    manifest = verified.manifest
    return {
        "hotfix": manifest.hotfix,
        "revision": manifest.revision,
        "manifest": manifest.digest,
        "title": manifest.title,
        "severity": manifest.severity,
        "fixes": [{"id": fix.id, "title": fix.title, "coverage": fix.coverage} for fix in manifest.fixes],
        "builders": sorted(verified.builders),
        "approved_by": [place.person for place in verified.approvals],
        "emergency": verified.emergency,
        "policy": verified.policy,
        "uncounted": [str(refusal) for refusal in verified.uncounted],
        "warnings": list(verified.warnings),
    }


def _verified_text(found: dict[str, Any]) -> str:
    label = f"{found['hotfix']}-r{found['revision']}"
    lines = [f"{label} {found['title']} ({found['severity']}), manifest {found['manifest']}"]
    lines += [f"  {fix['id']}: {fix['title']}" for fix in found["fixes"]]
    lines.append(f"built by {', '.join(found['builders'])}")
    lines.append(f"approved by {', '.join(found['approved_by'])} (policy {found['policy']})")
    lines += [f"not counted: {refusal}" for refusal in found["uncounted"]]
    lines += [f"warning: {warning}" for warning in found["warnings"]]
    return "\n".join(lines)
