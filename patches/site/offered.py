"""Opening what somebody hands to a site, verified by what the site believes.

    ID-rN.hotfix      a bundle, its sidecars beside it
    ID-rN.zip         a release zip, which holds both
    a kit             a folder or a zip of it; its metadata, policy and recalls are taken in first, then come those of
                      its releases that are for this site

Each file is opened once, and what is verified is what will be read.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from patchline.patches.bundle import Container, open_container
from patchline.patches.errors import MalformedError, NotFoundError, PatchlineError
from patchline.patches.files import open_regular, read_file
from patchline.patches.limits import LIMITS
from patchline.patches.progress import WatchedStream, watch
from patchline.patches.release_zip import APPROVALS, PROVENANCE, ReleaseZip, is_zip
from patchline.patches.site.newer_client import hint_at
from patchline.patches.site.offers import Circumstances, Offer, Standing, check_bytes, examine
from patchline.patches.site.roots import is_kit
from patchline.patches.site.sources import Folder, KitZip, Source
from patchline.patches.site.tree import Look
from patchline.patches.site.view import View
from patchline.patches.verify import Sidecars, VerifiedManifest, verify

Bundle = tuple[VerifiedManifest, Container]


@dataclass
class Handed:
    """What was handed over.

    Attributes:
        before: what the site believed.
        view: what it believes after the kits among it were taken in.
        bundles: verified, their payloads still to be read.
        looks: what the kits hold.
        offers: the releases in kits, those that are not for this site too.
        warnings: what a person should know.
    """

    before: View
    view: View
    bundles: list[Bundle] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    offers: list[Offer] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@contextmanager
def handed_over(files: Sequence[Path], view: View, site: Circumstances) -> Iterator[Handed]:
    """Open and verify files: kits first, since they may bring the policy and the recalls by which the rest is judged.

    Raises:
        PatchlineError: one of them is none of these, or is not verified; of a kit, only when nothing in it is of use.
    """
    handed = Handed(view, view)
    with ExitStack() as stack:
        kits = {path: source for path in files if (source := _kit(path)) is not None}
        for source in kits.values():
            _take_in(handed, source, site, stack)
        for path in files:
            if path not in kits:
                container, sidecars = stack.enter_context(opened_package(path))
                handed.bundles.append((_verified(container, sidecars, handed.view, site), container))
        for verified, _ in handed.bundles:
            handed.warnings += verified.warnings
        yield handed


def _verified(container: Container, sidecars: Sidecars, view: View, site: Circumstances) -> VerifiedManifest:
    return verify(
        container.manifest, sidecars, view.trust, site.now, stale_until=site.stale_until, recalls=view.recalls
    )


# One file


@contextmanager
def opened_package(path: Path) -> Iterator[tuple[Container, Sidecars]]:
    """Open a bundle or release zip, with what was signed about it.

    Raises:
        MalformedError: it is neither, or damaged.
        NotFoundError: it is not there.
    """
    if not _is_zip(path):
        with open_container(path) as container:
            yield container, read_sidecars(path)
        return
    with open_regular(path) as stream:
        release = ReleaseZip(stream, os.fstat(stream.fileno()).st_size, path.name)
        yield opened_release(release, path.name)


def opened_release(release: ReleaseZip, name: str) -> tuple[Container, Sidecars]:
    """Return the bundle in a release zip, with what was signed about it."""
    sidecars = Sidecars(release.sidecar(PROVENANCE), release.sidecar(APPROVALS))
    try:
        return Container(WatchedStream(release.open_bundle(), f"reading {name}", release.bundle_size)), sidecars
    except MalformedError as error:
        raise error.about(name) from None


def _is_zip(path: Path) -> bool:
    try:
        with open_regular(path) as stream:
            return is_zip(stream.read(4))
    except MalformedError:
        return False


def read_sidecars(path: Path) -> Sidecars:
    """Read the signed statements beside a bundle file; a missing file is empty."""
    return Sidecars(_read_beside(path, PROVENANCE), _read_beside(path, APPROVALS))


def _read_beside(path: Path, ending: str) -> bytes:
    try:
        return read_file(path.with_name(path.name + ending), limit=LIMITS.sidecar)
    except NotFoundError:
        return b""


# Kits


def _kit(path: Path) -> Source | None:
    """Open a file as a kit; None where it is none."""
    source: Source
    if path.is_dir():
        source = Folder(path)
        return source if is_kit(source) else None
    if not path.is_file() or not _is_zip(path):
        return None
    source = KitZip(path)
    return source if is_kit(source) else None


def _take_in(handed: Handed, source: Source, site: Circumstances, stack: ExitStack) -> None:
    """Take a kit in, and open those of its releases that are for the site."""
    # Only here: what reads a bundle needs no python-tuf.
    from patchline.patches.site.looking import look_at

    with tempfile.TemporaryDirectory() as cache:
        look = look_at(source, handed.view, Path(cache), site.now, site.stale_until)
    offers, look = examine(look, site)
    handed.view, handed.warnings = look.view, [*handed.warnings, *look.warnings]
    handed.looks.append(look)
    for offer in offers:
        if offer.standing is Standing.NEW:
            try:
                handed.bundles.append(_opened_offer(look, offer, site, stack))
            except PatchlineError as error:
                offer = offer.set_aside(error)
        if offer.error is not None and offer.standing is Standing.NEWER_CLIENT:
            offer.error.hint = hint_at(look)
        handed.offers.append(offer)
        if offer.error is not None and offer.standing is not Standing.ABSENT:
            handed.warnings.append(f"{offer.label}: {offer.why}")
    useless = [offer.error for offer in handed.offers if offer.error is not None]
    if not handed.bundles and useless and not any(offer.standing is Standing.APPLIED for offer in offers):
        raise _most_telling(useless)


def _most_telling(errors: Iterable[PatchlineError]) -> PatchlineError:
    """Return the error that says most of why a kit is of no use: not that something is missing in it."""
    return min(errors, key=lambda error: (error.code == "source.missing", -error.exit_code))


def _opened_offer(look: Look, offer: Offer, site: Circumstances, stack: ExitStack) -> Bundle:
    """Open a release of a kit, all of whose bytes are right: a damaged one must not spoil the others."""
    check_bytes(lambda: look.source.open(offer.target.file, offer.target.size), offer, watch().advance)
    stream = stack.enter_context(look.source.open(offer.target.file, offer.target.size))
    container, sidecars = opened_release(ReleaseZip(stream, offer.target.size, offer.label), offer.label)
    return _verified(container, sidecars, look.view, site), container
