"""Taking a built bundle into a revision: what it is must be what the register asked for."""

from sqlalchemy import delete
from sqlalchemy.orm import Session

from patchline.patches.errors import BuildError, RefusedError
from patchline.patches.manifest import Manifest
from patchline.releaser.bundle_files import BundleFile
from patchline.releaser.fleet.folding import learned
from patchline.releaser.hotfixes import label, locked, move
from patchline.releaser.register import Change
from patchline.releaser.states import Action, State
from patchline.releaser.tables.catalogue import Baseline
from patchline.releaser.tables.hotfixes import Hotfix, Revision, RevisionCve, RevisionFile, RevisionFix


def take(change: Change, identifier: str, bundle: BundleFile, size: int, provenance: bytes = b"") -> Revision:
    """Make a bundle the bytes of a revision, in place of what was built before.

    Args:
        change: under way.
        identifier: of the hotfix or revision.
        bundle: read whole, and kept in the store by now.
        size: of its file.
        provenance: the sidecar, if it was signed already; judged when the revision is submitted.

    Raises:
        RefusedError: the bundle is for something else, or its bytes belong to another revision.
        BuildError: its base is not the baseline's.
        StateError: the revision was submitted.
    """
    revision = locked(change, identifier)
    hotfix = change.session.get_one(Hotfix, revision.hotfix)
    manifest = bundle.manifest
    check_asked_for(change.session, hotfix, revision, manifest)
    revision.manifest_sha256, revision.manifest = manifest.digest, manifest.data
    revision.container_sha256, revision.size = bundle.container, size
    revision.provenance = provenance or None
    revision.notes = manifest.notes
    # What people read of it in lists is what will be signed.
    hotfix.kind, hotfix.severity, hotfix.title = manifest.kind, manifest.severity, manifest.title
    index(change.session, revision, manifest)
    learned(change.session, revision.id, manifest.digest)
    facts = {"manifest": manifest.digest, "container": bundle.container}
    move(change, revision, Action.BUILD, State.BUILT, facts=facts)
    return revision


def check_asked_for(session: Session, hotfix: Hotfix, revision: Revision, manifest: Manifest) -> None:
    """Refuse a manifest that is not of this very revision of this hotfix for its baseline.

    Raises:
        RefusedError: it is for something else.
        BuildError: its base is not the baseline's.
    """
    pairs = (
        ("hotfix", manifest.hotfix, hotfix.id),
        ("revision", manifest.revision, revision.number),
        ("product", manifest.target.product, hotfix.product),
        ("baseline", " and ".join(manifest.target.baselines), hotfix.baseline),
    )
    wrong = [f"its {what} is {found}, not {wanted}" for what, found, wanted in pairs if found != wanted]
    if wrong:
        raise RefusedError("other-bundle", f"the bundle is not for {label(revision)}: {'; '.join(wrong)}")
    baseline = session.get_one(Baseline, (hotfix.product, hotfix.baseline))
    base = manifest.provenance.get("base_commit")
    if baseline.commit_id is not None and base is not None and base != baseline.commit_id:
        raise BuildError("base-moved", f"the bundle was built from {base}; {baseline.label} is {baseline.commit_id}")


def index(session: Session, revision: Revision, manifest: Manifest) -> None:
    """Write down which fixes a manifest lists and which paths it changes, so that they are found."""
    for table in (RevisionFix, RevisionCve, RevisionFile):
        session.execute(delete(table).where(table.revision == revision.id))
    for fix in manifest.fixes:
        session.add(RevisionFix(revision=revision.id, fix=fix.id, coverage=fix.coverage))
        session.add_all(RevisionCve(revision=revision.id, fix=fix.id, cve=cve) for cve in set(fix.cve))
    session.add_all(RevisionFile(revision=revision.id, root=entry.root, path=entry.path) for entry in manifest.files)
    session.flush()
