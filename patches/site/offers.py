"""Which published revisions are for a site: told from their manifests, after these were verified.

- A release zip is looked into where it lies: the manifest stands at its front, what was signed about it at its end.
- The name under which it is published must be the manifest's.
- The highest revision that is for this site stands for its hotfix; lower ones are not looked into.
- A release that cannot be used is set aside with the reason; it stands in nobody's way.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import BinaryIO

from patchline.patches.bundle import Container
from patchline.patches.channel import HotfixName
from patchline.patches.errors import (
    ChannelError,
    ManifestError,
    PatchlineError,
    RecalledError,
    VerificationError,
)
from patchline.patches.manifest import Manifest, Reference
from patchline.patches.progress import Advance, Readable, progress
from patchline.patches.release_zip import APPROVALS, PROVENANCE, ReleaseZip
from patchline.patches.site.emergencies import Emergencies, hours_of
from patchline.patches.site.known import Listed
from patchline.patches.site.survey import PLATFORMS
from patchline.patches.site.tree import Look, Target, with_known
from patchline.patches.verify import Sidecars, VerifiedManifest, verify

_CHUNK = 1 << 20
GONE_OFF = frozenset({"source.unreachable", "source.slow", "source.cut"})
"""The source itself is gone: no release is at fault."""
REFUSED = frozenset({"source.unauthorized", "source.forbidden"})
"""The source has it, and does not hand it out to this site, or not now."""


class Standing(StrEnum):
    """What a published revision is to a site."""

    NEW = "new"
    APPLIED = "applied"
    ELSEWHERE = "elsewhere"
    SUPERSEDED = "superseded"
    ABSENT = "absent"
    RECALLED = "recalled"
    NEWER_CLIENT = "newer-client"
    UNRATIFIED = "unratified"
    SET_ASIDE = "set-aside"


@dataclass(frozen=True)
class Offer:
    """A published revision, and what it is to the site.

    Attributes:
        name: what it is by the target's name; None for a name that says nothing.
        verified: its manifest, once it was verified.
        error: why it cannot be used.
        why: the same for people, or why it is for others.
    """

    target: Target
    name: HotfixName | None
    standing: Standing
    verified: VerifiedManifest | None = None
    error: PatchlineError | None = None
    why: str = ""

    @property
    def label(self) -> str:
        """Hotfix and revision, as its name says."""
        return f"{self.name.hotfix}-r{self.name.revision}" if self.name else self.target.name

    def set_aside(self, error: PatchlineError) -> "Offer":
        """Return the offer after something was found wrong with it."""
        return replace(self, standing=Standing.SET_ASIDE, error=error, why=error.message)


@dataclass(frozen=True)
class Circumstances:
    """What decides which revisions are for a site.

    Attributes:
        baseline: None for somebody who has no site.
        applied: digests of the manifests that are in force there.
        every_revision: lower revisions of one that is for the site are looked at too.
    """

    baseline: str | None
    applied: frozenset[str]
    now: datetime
    stale_until: datetime | None = None
    every_revision: bool = False
    platforms: frozenset[str] = PLATFORMS


def examine(look: Look, site: Circumstances) -> tuple[list[Offer], Look]:
    """Tell of each published revision of the product what it is to the site.

    Returns:
        The offers, lower revisions of one that is offered left out; and the look with what is known now.

    Raises:
        SourceError: the source went away.
    """
    examiner = _Examiner(look, site)
    offers = _without_superseded(list(examiner.offers()))
    seen = look.view.known.with_hotfixes(examiner.listed)
    seen = seen.with_manifests((one.verified.manifest.digest for one in offers if one.verified), site.now)
    return offers, with_known(look, seen)


class _Examiner:
    def __init__(self, look: Look, site: Circumstances) -> None:
        self._look, self._site = look, site
        self._before: Mapping[str, Listed] = look.view.known.hotfixes
        self.listed: dict[str, Listed] = {}

    def offers(self) -> Iterator[Offer]:
        """Yield one offer for each revision that is looked at."""
        named: list[tuple[HotfixName, Target]] = []
        for target in self._look.releases().values():
            try:
                named.append((HotfixName.read(target.name), target))
            except ChannelError as error:
                yield Offer(target, None, Standing.SET_ASIDE).set_aside(error)
        named.sort(key=lambda pair: (pair[0].hotfix, -pair[0].revision))
        with progress("looking through the releases", len(named), unit="items") as advance:
            for _, group in groupby(named, key=lambda pair: pair[0].hotfix):
                yield from self._of_one_hotfix(group, advance)

    def _of_one_hotfix(self, group: Iterable[tuple[HotfixName, Target]], advance: Advance) -> Iterator[Offer]:
        """Yield offers from the highest revision on, up to the one that is for this site."""
        settled = False
        for name, target in group:
            advance(1)
            if settled:
                self._remember(target)
                continue
            offer = self._offer(name, target)
            settled = offer.standing in (Standing.NEW, Standing.APPLIED) and not self._site.every_revision
            yield offer

    def _remember(self, target: Target, manifest: str | None = None, elsewhere: str | None = None) -> None:
        before = self._before.get(target.name)
        if before is not None and before.sha256 == target.sha256:
            manifest, elsewhere = manifest or before.manifest, elsewhere or before.elsewhere
        self.listed[target.name] = Listed(target.sha256, target.size, manifest, elsewhere)

    def _offer(self, name: HotfixName, target: Target) -> Offer:
        self._remember(target)
        known = self.listed[target.name]
        if known.elsewhere is not None:
            return Offer(target, name, Standing.ELSEWHERE, why=known.elsewhere)
        if known.manifest in self._site.applied:
            return Offer(target, name, Standing.APPLIED)
        try:
            verified = self._verified(name, target)
        except PatchlineError as error:
            if error.code in GONE_OFF:
                raise
            return self._refused(Offer(target, name, _STANDINGS.get(error.code, Standing.SET_ASIDE)), error)
        manifest = verified.manifest
        elsewhere = self._elsewhere(manifest)
        self._remember(target, manifest.digest, elsewhere)
        if elsewhere is not None:
            return Offer(target, name, Standing.ELSEWHERE, verified, why=elsewhere)
        if manifest.digest in self._site.applied:
            return Offer(target, name, Standing.APPLIED, verified)
        overdue = Emergencies(first_seen=self._look.view.known.first_seen).overdue(
            hours_of([verified]), [manifest], self._site.now
        )
        if overdue:
            return Offer(target, name, Standing.UNRATIFIED, verified, overdue[0], overdue[0].message)
        return Offer(target, name, Standing.NEW, verified)

    def _refused(self, offer: Offer, error: PatchlineError) -> Offer:
        if offer.standing is Standing.ELSEWHERE:
            self._remember(offer.target, elsewhere="it is approved for other customers")
        if isinstance(error, RecalledError):
            offer = replace(offer, standing=Standing.RECALLED)
        if isinstance(error, ManifestError) and error.code == "manifest.client":
            offer = replace(offer, standing=Standing.NEWER_CLIENT)
        return replace(offer, error=error, why=error.message)

    def _verified(self, name: HotfixName, target: Target) -> VerifiedManifest:
        with self._look.source.open(target.file, target.size) as stream:
            release = ReleaseZip(stream, target.size, f"{name.hotfix}-r{name.revision}.zip")
            sidecars = Sidecars(release.sidecar(PROVENANCE), release.sidecar(APPROVALS))
            manifest = Container(release.open_bundle()).manifest
        view = self._look.view
        verified = verify(
            manifest,
            sidecars,
            view.trust,
            self._site.now,
            stale_until=self._site.stale_until,
            recalls=view.recalls,
        )
        check_name(name, verified.manifest)
        return verified

    def _elsewhere(self, manifest: Manifest) -> str | None:
        target = manifest.target
        if self._site.baseline is not None and self._site.baseline not in target.baselines:
            return f"it is for baseline {' or '.join(target.baselines)}"
        if self._site.platforms.isdisjoint(target.platforms):
            return f"it is for {' or '.join(target.platforms)}"
        return None


_STANDINGS = {"source.missing": Standing.ABSENT, "approval.scope": Standing.ELSEWHERE}


def check_name(name: HotfixName, manifest: Manifest) -> None:
    """Refuse a release that is published under another name than its manifest has.

    Raises:
        ChannelError: it is.
    """
    there = HotfixName(manifest.target.product, manifest.hotfix, manifest.revision)
    if there != name:
        raise ChannelError("target-manifest", f"{name.target} holds {manifest.label} of {there.product}")


def check_bytes(open_zip: Callable[[], BinaryIO], offer: Offer, advance: Advance) -> None:
    """Check that a release zip is what the metadata lists, and its bundle what the builders named.

    Raises:
        ChannelError, VerificationError: it is not.
    """
    if offer.verified is None:
        raise TypeError("only a verified release can be checked")
    with ThreadPoolExecutor(2) as pool:
        whole, bundle = pool.submit(_digest_of_zip, open_zip, advance), pool.submit(_digest_of_bundle, open_zip, offer)
    if whole.result() != offer.target.sha256:
        raise ChannelError("target", f"{offer.target.name} is not what the metadata lists")
    if bundle.result() not in offer.verified.containers:
        raise VerificationError("container", f"the provenance of {offer.label} does not name the bundle in its release")


def _digest_of_zip(open_zip: Callable[[], BinaryIO], advance: Advance) -> str:
    with open_zip() as stream:
        return _digest_of(stream, advance)


def _digest_of_bundle(open_zip: Callable[[], BinaryIO], offer: Offer) -> str:
    with open_zip() as stream:
        return _digest_of(ReleaseZip(stream, offer.target.size, offer.label).open_bundle(), lambda _: None)


def _digest_of(stream: Readable, advance: Advance) -> str:
    found = hashlib.sha256()
    while piece := stream.read(_CHUNK):
        found.update(piece)
        advance(len(piece))
    return found.hexdigest()


def _without_superseded(offers: list[Offer]) -> list[Offer]:
    """Mark what another new one takes the place of, so that one command applies what is left."""
    new = [one.verified.manifest for one in offers if one.standing is Standing.NEW and one.verified]
    return [_superseded(one, new) if one.standing is Standing.NEW else one for one in offers]


def _superseded(offer: Offer, new: Iterable[Manifest]) -> Offer:
    for other in new:
        relations = other.relations
        named = (*relations.supersedes, *relations.includes, *relations.merges)
        if offer.name and any(_names(reference, offer.name) for reference in named):
            return replace(offer, standing=Standing.SUPERSEDED, why=f"{other.label} takes its place")
    return offer


def _names(reference: Reference, name: HotfixName) -> bool:
    return reference.hotfix == name.hotfix and (reference.revision is None or name.revision <= reference.revision)
