"""The contents that a bundle changes: what it brings, from its own bytes; what was there before, proved by its digest.

What comes out of git counts only where its SHA-256 is that of a state which the manifest accepts: git alone shows
nothing.
"""

import hashlib
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from patchline.patches.bundle import NullStore
from patchline.patches.errors import PatchlineError
from patchline.patches.limits import MIB
from patchline.patches.manifest import File, Manifest, Member
from patchline.releaser import bundles
from patchline.releaser.bundle_files import read_bundle
from patchline.releaser.bundles import ReleaseSet
from patchline.releaser.git_store import GitStore
from patchline.releaser.home import mirror_folder
from patchline.releaser.register import Register

LARGEST_BUNDLE = 64 * MIB
LARGEST = 256 << 10
MOST = 16 * MIB
_MOST_OBJECTS = 2000


@dataclass
class Images:
    """Contents by SHA-256.

    Attributes:
        left_out: why the bundle was not read, None where it was.
    """

    contents: dict[str, bytes] = field(default_factory=dict)
    left_out: str | None = None
    _held: int = 0

    def write(self, member: Member, chunks: Iterable[bytes]) -> None:
        """Take a member of the bundle's payload, unless it is large or there is much already."""
        if member.size > LARGEST or self._held + member.size > MOST:
            NullStore().write(member, chunks)
            return
        self.keep(member.sha256, b"".join(chunks))

    def keep(self, sha256: str, data: bytes) -> None:
        """Take a content."""
        if sha256 not in self.contents:
            self.contents[sha256] = data
            self._held += len(data)


def read(register: Register, kept: ReleaseSet, repository: str | None, product: str) -> Images:
    """Return the contents that a revision brings and replaces, within bounds.

    Args:
        register: whose store holds the bundle.
        kept: of the revision.
        repository: where the product's source lies, if it does.
        product: whose.

    Raises:
        StoreError: the bundle is lost, or another one than was submitted.
        MalformedError: it is not as it must be.
    """
    images = Images()
    if kept.size > LARGEST_BUNDLE:
        images.left_out = "the bundle is too large to be shown here: look at it with patchline bundle show"
        return images
    with tempfile.TemporaryDirectory(prefix="patchline-review-") as folder:
        path = Path(folder) / kept.name
        bundles.fetch(register, kept, path)
        read_bundle(path, images)
    if repository is not None:
        _add_earlier(images, kept.manifest, Path(repository), mirror_folder(product, register.home))
    return images


def _add_earlier(images: Images, manifest: Manifest, repository: Path, mirror: Path | None) -> None:
    """Add what git has of the states before; a source that is not at hand is no matter."""
    wanted = _wanted(images, manifest)
    if manifest.provenance["kind"] != "git" or not wanted:
        return
    try:
        with GitStore(repository, mirror) as git:
            changes = git.differences(manifest.provenance["base_tree"], manifest.provenance["head_tree"])
            oids = [change[1] for change in changes.values() if change[0] in _FILE_MODES][:_MOST_OBJECTS]
            for found in git.objects(list(dict.fromkeys(oids))):
                if found.data is not None and found.size in wanted:
                    sha256 = hashlib.sha256(found.data).hexdigest()
                    if sha256 in wanted[found.size]:
                        images.keep(sha256, found.data)
    except (PatchlineError, OSError):
        return


_FILE_MODES = (0o100644, 0o100755)


def _wanted(images: Images, manifest: Manifest) -> dict[int, set[str]]:
    """Return the digests of the earlier contents that are not there yet, by their size."""
    wanted: dict[int, set[str]] = {}
    for entry in manifest.files:
        for state in entry.pre:
            if isinstance(state, File) and state.size <= LARGEST and state.sha256 not in images.contents:
                wanted.setdefault(state.size, set()).add(state.sha256)
    return wanted
