"""Where the bundles of revisions are kept: by the digest of the file, in the store that the settings name.

Only the bundle is a file, with the statement of its build beside it until that is signed; what was signed about it stands in the register. A release set is put together from
both when somebody asks for it.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from patchline.patches.errors import StoreError
from patchline.patches.files import write_atomically, write_file
from patchline.patches.limits import LIMITS
from patchline.patches.manifest import Manifest
from patchline.patches.release_zip import APPROVALS, PROVENANCE, RELEASE_LINE, RELEASE_SIGNATURE
from patchline.patches.verify import Sidecars
from patchline.releaser.bundle_files import STATEMENT, BundleFile, sidecar_path
from patchline.releaser.register import Register
from patchline.releaser.stores import Store
from patchline.releaser.tables.hotfixes import Approval, Revision

_CHUNK = 1 << 20


@dataclass(frozen=True)
class ReleaseSet:
    """What the register holds of a revision, apart from the bundle's file: all that goes into its sidecars."""

    label: str
    container: str
    size: int
    manifest: Manifest
    sidecars: Sidecars
    release_line: bytes | None
    release_signature: bytes | None

    @property
    def name(self) -> str:
        """The bundle's file name."""
        return f"{self.label}.hotfix"

    def files(self) -> dict[str, bytes]:
        """Return the sidecars that there are, by the ending of their names."""
        found = {
            PROVENANCE: self.sidecars.provenance,
            APPROVALS: self.sidecars.approvals,
            RELEASE_LINE: self.release_line,
            RELEASE_SIGNATURE: self.release_signature,
        }
        return {ending: data for ending, data in found.items() if data}


def release_set(session: Session, revision: Revision) -> ReleaseSet:
    """Return what the register holds of a revision that was built.

    Raises:
        StoreError: nothing was built.
    """
    if revision.manifest is None or revision.container_sha256 is None or revision.size is None:
        raise StoreError("missing", f"{revision.hotfix}-r{revision.number} has no bundle in the register")
    return ReleaseSet(
        label=f"{revision.hotfix}-r{revision.number}",
        container=revision.container_sha256,
        size=revision.size,
        manifest=Manifest.parse(revision.manifest),
        sidecars=Sidecars(revision.provenance or b"", approvals_of(session, revision)),
        release_line=revision.release_line,
        release_signature=revision.release_signature,
    )


def approvals_of(session: Session, revision: Revision) -> bytes:
    """Return the approvals sidecar of a revision, in the order in which they came."""
    query = select(Approval.envelope).where(Approval.revision == revision.id).order_by(Approval.id)
    return b"".join(session.scalars(query))


def keep(register: Register, bundle: BundleFile) -> int:
    """Put a bundle into the store, unless it is there; return its size. Nothing refers to it yet.

    Raises:
        StoreError: the store does not take it.
    """
    store, size = Store.at(register.bundles), bundle.path.stat().st_size
    if store.size(bundle_place(bundle.container)) != size:
        store.put_file(bundle_place(bundle.container), bundle.path)
    return size


def keep_statement(register: Register, container: str, statement: bytes) -> None:
    """Put the statement of a build beside its bundle, for whoever signs it elsewhere; an empty one is none.

    Raises:
        StoreError: the store does not take it.
    """
    if statement:
        Store.at(register.bundles).put(_statement_name(container), statement)


def fetch(register: Register, kept: ReleaseSet, path: Path) -> None:
    """Write the bundle of a revision to a file, checking its every byte on the way.

    Raises:
        StoreError: the store lost or changed it.
        RefusedError: the file exists.
    """
    with write_atomically(path) as file:
        Store.at(register.bundles).read_into(bundle_place(kept.container), file, kept.size)
        file.seek(0)
        found = hashlib.sha256()
        while chunk := file.read(_CHUNK):
            found.update(chunk)
        if found.hexdigest() != kept.container:
            raise StoreError("damaged", f"the store's file of {kept.label} is another one than was approved")


def save(register: Register, kept: ReleaseSet, folder: Path) -> Path:
    """Write a revision's bundle with its sidecars into a folder; return the bundle's path.

    As long as no builder signed it, the statement that is to be signed comes with it, if it was kept.

    Raises:
        PatchlineError: a file exists, or cannot be written or fetched.
    """
    path = folder / kept.name
    fetch(register, kept, path)
    for ending, data in beside(register, kept).items():
        write_file(sidecar_path(path, ending), data, overwrite=True)
    return path


def beside(register: Register, kept: ReleaseSet) -> dict[str, bytes]:
    """Return what lies beside a revision's bundle, by the ending of the name; see `save`.

    Raises:
        StoreError: the store cannot be read.
    """
    found = kept.files()
    if not kept.sidecars.provenance:
        statement = Store.at(register.bundles).read(_statement_name(kept.container), LIMITS.sidecar)
        found |= {STATEMENT: statement} if statement is not None else {}
    return found


def bundle_place(container: str) -> str:
    """Return what the file of a bundle is called in the store."""
    return f"{container[:2]}/{container}.hotfix"


def _statement_name(container: str) -> str:
    return bundle_place(container) + STATEMENT
