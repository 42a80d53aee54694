"""Building a revision of the register: what it says of it, where its sources lie, and how the bundle comes in."""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.errors import NotFoundError
from patchline.patches.files import read_file
from patchline.patches.limits import LIMITS
from patchline.patches.release_zip import PROVENANCE
from patchline.releaser import bundles, intake
from patchline.releaser.bundle_files import STATEMENT, read_bundle
from patchline.releaser.composing import Order
from patchline.releaser.hotfixes import find, label, locked
from patchline.releaser.recipe import Authored
from patchline.releaser.register import Register
from patchline.releaser.tables.catalogue import Baseline, Issue, Product
from patchline.releaser.tables.hotfixes import Hotfix, Revision


@dataclass(frozen=True)
class Planned:
    """What the register says of a revision that is to be built.

    Attributes:
        authored: what the draft says.
        repository: of the product.
        base: tag or commit of the baseline, None where it has none.
    """

    label: str
    order: Order
    authored: Authored
    repository: Path | None
    base: str | None


def planned(session: Session, identifier: str) -> Planned:
    """Return what the register says of a revision.

    Raises:
        NotFoundError: there is none.
    """
    revision = find(session, identifier)
    hotfix = session.get_one(Hotfix, revision.hotfix)
    baseline = session.get_one(Baseline, (hotfix.product, hotfix.baseline))
    repository = session.get_one(Product, hotfix.product).repository
    return Planned(
        label=label(revision),
        order=Order(hotfix.id, hotfix.product, (hotfix.baseline,), revision.number),
        authored=_drafted(session, hotfix),
        repository=Path(repository) if repository else None,
        base=baseline.tag or baseline.commit_id,
    )


def _drafted(session: Session, hotfix: Hotfix) -> Authored:
    """Return what the draft says; a fix has the title and CVEs of the issue of that id, if there is one."""
    issues = {issue.id: issue for issue in session.scalars(select(Issue).where(Issue.id.in_(hotfix.fixes)))}
    titles = {fix: issues[fix].title if fix in issues else hotfix.title for fix in hotfix.fixes}
    cves = {fix: issues[fix].cve if fix in issues else [] for fix in hotfix.fixes}
    fixes = [{"id": fix, "title": titles[fix], "cve": cves[fix], "coverage": "full"} for fix in hotfix.fixes]
    return Authored(title=hotfix.title, kind=hotfix.kind, severity=hotfix.severity, fixes=tuple(fixes))


def filled(authored: Authored, draft: Authored, *, fixes_named: bool = False) -> Authored:
    """Return a recipe with what the draft says where the recipe is silent.

    Args:
        authored: the recipe.
        draft: the draft.
        fixes_named: options name fixes, so those of the draft do not count.
    """
    return replace(
        authored,
        title=authored.title or draft.title,
        kind=authored.kind or draft.kind,
        severity=authored.severity or draft.severity,
        fixes=authored.fixes if fixes_named else authored.fixes or draft.fixes,
    )


def take(register: Register, identifier: str, path: Path, by: str, now: datetime, *, anew: bool = True) -> Revision:
    """Put a bundle, with what lies beside it, into the store, then into the register.

    Args:
        register: the register.
        identifier: of the hotfix or revision.
        path: the bundle.
        by: who does it.
        now: the time of it.
        anew: also when the revision has the same manifest already; otherwise it stays as it is, signed or submitted.

    Raises:
        PatchlineError: as `intake.take` says, or a file is damaged or the store does not take it.
    """
    found = read_bundle(path)
    size = bundles.keep(register, found)
    bundles.keep_statement(register, found.container, _beside(found.beside(STATEMENT)))
    with register.attempt("hotfix.build", identifier, by, now) as change:
        revision = locked(change, identifier)
        if anew or revision.manifest_sha256 != found.manifest.digest:
            intake.take(change, identifier, found, size, _beside(found.beside(PROVENANCE)))
        return revision


def _beside(path: Path) -> bytes:
    try:
        return read_file(path, limit=LIMITS.sidecar)
    except NotFoundError:
        return b""
