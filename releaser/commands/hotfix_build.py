"""`patchline hotfix build`: the bundle of a revision, built here or elsewhere, into the register."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.errors import NotFoundError, UsageError
from patchline.patches.files import read_file
from patchline.patches.limits import LIMITS
from patchline.patches.release_zip import PROVENANCE
from patchline.patches.terminal import example, json_option, report
from patchline.releaser import bundles, intake
from patchline.releaser.bundle_files import read_bundle
from patchline.releaser.commands.bundle_build import FILE, build_for, build_options, built_document, built_text
from patchline.releaser.commands.hotfix_make import report_revision
from patchline.releaser.commands.options import clock, register_options, the_person, the_register
from patchline.releaser.composing import Order
from patchline.releaser.earlier_hotfixes import published_before
from patchline.releaser.hotfixes import find, label
from patchline.releaser.recipe import Authored
from patchline.releaser.register import Register
from patchline.releaser.tables.catalogue import Baseline, Issue, Product
from patchline.releaser.tables.hotfixes import Hotfix, Revision

_FOLDERS = ("base_dir", "head_dir", "source", "contributors")


@dataclass(frozen=True)
class _Asked:
    """What the register says of a revision that is to be built."""

    label: str
    order: Order
    planned: Authored
    repository: str | None
    tag: str | None


@click.command(
    "build",
    epilog=example(
        "patchline hotfix build HF-2026-0012 --head fix-total --people people.toml",
        "patchline hotfix build HF-2026-0012 --bundle HF-2026-0012-r1.hotfix",
    ),
)
@click.argument("identifier", metavar="ID")
@click.option("--bundle", type=FILE, help="One that was built elsewhere, with its provenance beside it.")
@build_options
@click.option("--out", type=FILE, help="The bundle to write; by default ID-rN.hotfix.")
@register_options
@json_option
def build_command(identifier: str, bundle: Path | None, out: Path | None, **given: Any) -> None:
    """Build the bundle of a hotfix for its baseline, onto what is published for that; or take one built elsewhere.

    Title, kind, severity and fixes are those of the draft, unless options or the recipe say others.
    """
    with the_register() as register:
        if bundle is not None:
            if out is not None or any(given.values()):
                raise UsageError("options", "--bundle was built already; give it alone")
            revision = _take(register, identifier, bundle)
            report_revision(revision, "is built", manifest=revision.manifest_sha256)
            return
        asked = _asked(register, identifier)
        path = out or Path(f"{asked.label}.hotfix")
        with tempfile.TemporaryDirectory(prefix="patchline-onto-") as folder:
            onto = published_before(register, asked.label, Path(folder))
            given |= {**_source(asked, given), "onto": (*given["onto"], *onto)}
            built = build_for(asked.order, path, given, asked.planned)
        revision = _take(register, identifier, path)
    document = {**built_document(built), "state": str(revision.state), "onto": [file.stem for file in onto]}
    report(document, built_text(built))


def _take(register: Register, identifier: str, path: Path) -> Revision:
    """Put a bundle into the store, then into the register."""
    found = read_bundle(path)
    size = bundles.keep(register, found)
    with register.attempt("hotfix.build", identifier, the_person(), clock()) as change:
        return intake.take(change, identifier, found, size, _provenance(found.beside(PROVENANCE)))


def _provenance(path: Path) -> bytes:
    try:
        return read_file(path, limit=LIMITS.sidecar)
    except NotFoundError:
        return b""


def _asked(register: Register, identifier: str) -> _Asked:
    with register.read() as session:
        revision = find(session, identifier)
        hotfix = session.get_one(Hotfix, revision.hotfix)
        baseline = session.get_one(Baseline, (hotfix.product, hotfix.baseline))
        return _Asked(
            label=label(revision),
            order=Order(hotfix.id, hotfix.product, (hotfix.baseline,), revision.number),
            planned=_planned(session, hotfix),
            repository=session.get_one(Product, hotfix.product).repository,
            tag=baseline.tag or baseline.commit_id,
        )


def _planned(session: Session, hotfix: Hotfix) -> Authored:
    """Return what the draft says; a fix has the title and CVEs of the issue of that id, if there is one."""
    issues = {issue.id: issue for issue in session.scalars(select(Issue).where(Issue.id.in_(hotfix.fixes)))}
    titles = {fix: issues[fix].title if fix in issues else hotfix.title for fix in hotfix.fixes}
    cves = {fix: issues[fix].cve if fix in issues else [] for fix in hotfix.fixes}
    fixes = [{"id": fix, "title": titles[fix], "cve": cves[fix], "coverage": "full"} for fix in hotfix.fixes]
    return Authored(title=hotfix.title, kind=hotfix.kind, severity=hotfix.severity, fixes=tuple(fixes))


def _source(asked: _Asked, given: dict[str, Any]) -> dict[str, Any]:
    """Return the git source that the register knows, where no folders are given."""
    if any(given[name] for name in _FOLDERS):
        return {}
    repository = Path(asked.repository) if asked.repository else None
    return {"repo": given["repo"] or repository, "base": given["base"] or asked.tag}
