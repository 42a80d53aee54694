"""Opening what somebody hands to a site: bundle files with their sidecars, verified against its trust."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from patchline.patches.bundle import Container, open_container
from patchline.patches.errors import NotFoundError
from patchline.patches.files import read_file
from patchline.patches.limits import LIMITS
from patchline.patches.trust import Trust
from patchline.patches.verify import Sidecars, VerifiedManifest, verify

PROVENANCE, APPROVALS = ".provenance.jsonl", ".approvals.jsonl"


@contextmanager
def opened_bundles(
    files: Iterable[Path], trust: Trust, now: datetime, stale_until: datetime | None
) -> Iterator[list[tuple[VerifiedManifest, Container]]]:
    """Open each file once and verify what is signed about it; the payloads are still to be read.

    Raises:
        PatchlineError: one of them is no bundle, or is not verified.
    """
    with ExitStack() as stack:
        offered = []
        for path in files:
            container = stack.enter_context(open_container(path))
            verified = verify(container.manifest, read_sidecars(path), trust, now, stale_until=stale_until)
            offered.append((verified, container))
        yield offered


def read_sidecars(path: Path) -> Sidecars:
    """Read the signed statements beside a bundle file; a missing file is empty."""
    return Sidecars(_read_beside(path, PROVENANCE), _read_beside(path, APPROVALS))


def _read_beside(path: Path, ending: str) -> bytes:
    try:
        return read_file(path.with_name(path.name + ending), limit=LIMITS.sidecar)
    except NotFoundError:
        return b""
