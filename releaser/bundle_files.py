"""Bundles as files, and what lies beside them: each sidecar is named after its bundle, with its ending added."""

from dataclasses import dataclass
from pathlib import Path

from patchline.patches.bundle import Container, NullStore, Store, inspect, open_container
from patchline.patches.files import open_regular, read_file
from patchline.patches.limits import LIMITS
from patchline.patches.manifest import Manifest
from patchline.patches.release_zip import is_zip, open_release

STATEMENT = ".statement.json"


@dataclass(frozen=True)
class BundleFile:
    """A bundle on disk, read whole: where it lies, its manifest, and the SHA-256 of the file."""

    path: Path
    manifest: Manifest
    container: str

    def beside(self, ending: str) -> Path:
        """Return the path of a sidecar."""
        return sidecar_path(self.path, ending)


def sidecar_path(bundle: Path, ending: str) -> Path:
    """Return where the sidecar of a bundle lies: its name with the ending added."""
    return bundle.with_name(bundle.name + ending)


def read_bundle(path: Path, store: Store | None = None) -> BundleFile:
    """Read and check a whole bundle, except who signed it.

    Raises:
        MalformedError: any byte of it is not as it must be.
        NotFoundError: it is not there.
    """
    with open_container(path) as container:
        found = inspect(container, store or NullStore())
    return BundleFile(path, found.manifest, found.container)


def read_manifest(path: Path) -> Manifest:
    """Read the manifest of a bundle or release zip, whose bundle is checked whole, or one that lies there by itself.

    Raises:
        MalformedError: it is neither.
        NotFoundError: it is not there.
    """
    with open_regular(path) as file:
        start = file.read(4)
    if start.startswith(b"{"):
        return Manifest.parse(read_file(path, limit=LIMITS.manifest))
    if not is_zip(start):
        return read_bundle(path).manifest
    with open_release(path) as release:
        return inspect(Container(release.open_bundle()), NullStore()).manifest
