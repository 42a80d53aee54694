"""Release zips of the channel, taken back out of it: the register's only memory of what it has lost."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from patchline.patches import bundle
from patchline.patches.channel import HotfixName, target_file
from patchline.patches.documents import digest
from patchline.patches.errors import PatchlineError, StoreError
from patchline.patches.release_zip import ReleaseZip, open_release
from patchline.releaser.bundle_files import BundleFile, read_bundle
from patchline.releaser.published import ListedTarget
from patchline.releaser.stores import CHUNK, Store


@contextmanager
def open_published(store: Store, name: HotfixName, listed: ListedTarget) -> Iterator[tuple[ReleaseZip, BundleFile]]:
    """Open a published zip, and its bundle, every byte of which was checked.

    Raises:
        StoreError: it is gone, or another one than was published.
        MalformedError: it holds no bundle.
    """
    with tempfile.TemporaryDirectory(prefix="patchline-published-") as folder:
        path = Path(folder) / "release.zip"
        with path.open("wb") as file:
            store.read_into(listed.file, file, listed.size)
        _check_digest(path, listed)
        with open_release(path) as release:
            yield release, _bundle(release, Path(folder) / f"{name.hotfix}-r{name.revision}.hotfix")


def _check_digest(path: Path, listed: ListedTarget) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != listed.sha256:
        raise StoreError("damaged", f"the channel's file of {listed.name} is another one than was published")


def _bundle(release: ReleaseZip, path: Path) -> BundleFile:
    source = release.open_bundle()
    with path.open("wb") as file:
        while chunk := source.read(CHUNK):
            file.write(chunk)
    return read_bundle(path)


def zip_of_recalled(store: Store, name: HotfixName, manifest: str) -> ListedTarget:
    """Return the zip of a recalled revision. No list names it any more; it is known by its manifest.

    Raises:
        StoreError: it is gone.
    """
    folder, _, ending = target_file(name.target, "").rpartition("/")
    for path in store.names(f"{folder}/"):
        sha256, _, rest = path.rpartition("/")[2].partition(".")
        found = ListedTarget(name.target, sha256, store.size(path) or 0)
        if f".{rest}" == ending and _holds(store, found, manifest):
            return found
    raise StoreError("missing", f"the channel's store has no zip of {name.hotfix}-r{name.revision} any more")


def _holds(store: Store, found: ListedTarget, manifest: str) -> bool:
    with suppress(PatchlineError), store.reader(found.file) as stream:
        container = bundle.Container(ReleaseZip(stream, found.size, found.name).open_bundle())
        return digest(container.manifest) == manifest
    return False
