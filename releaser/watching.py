"""Finding every signature by some keys in what was released: sidecars, release zips, recall lists, whole channels.

Nothing found is believed to be right or wrong: whoever owns the keys knows what they signed. A channel is read as a site
reads it; of its releases only the sidecars are read, so what they hold is not compared with the listed digest.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from patchline.patches import channel, documents
from patchline.patches.envelopes import Envelope, read_sidecar
from patchline.patches.errors import NotFoundError, PatchlineError, SignatureError
from patchline.patches.files import open_regular, read_file
from patchline.patches.keys import PublicKey
from patchline.patches.limits import LIMITS
from patchline.patches.progress import progress
from patchline.patches.provenance import PROVENANCE_TYPE, Provenance
from patchline.patches.recall_list import RecallList
from patchline.patches.recall_statements import RECALL_TYPE, REINSTATEMENT_TYPE, Recall, Reinstatement
from patchline.patches.release_zip import APPROVALS, BUNDLE_ENDING, PROVENANCE, ReleaseZip, is_zip
from patchline.patches.root import Root
from patchline.patches.site.known import Known
from patchline.patches.site.metadata import Reading, read_tree
from patchline.patches.site.sources import Source, opened_source
from patchline.patches.site.tree import Target
from patchline.patches.statements import APPROVAL_TYPE, Approval, statement_type
from patchline.patches.wording import counted
from patchline.releaser.bundle_files import sidecar_path
from patchline.releaser.own_signatures import mark

_ENDINGS = (".jsonl", ".zip", ".json")
_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Found:
    """A signature in a person's name.

    Attributes:
        mark: what it is remembered by.
        words: what was signed.
        place: where it was found.
        genuine: the key did sign it; otherwise somebody only claims so.
    """

    mark: str
    keyid: str
    words: str
    place: str
    genuine: bool

    @property
    def signed(self) -> str:
        """SHA-256 of what was signed."""
        return self.mark.partition(" ")[2]


class Watcher:
    """Looks for signatures by some keys.

    Attributes:
        looked: releases that were read to the end, by the keys looked for; with those of earlier they are left out.
        problems: what could not be read, and why.
    """

    def __init__(self, keys: Iterable[PublicKey], before: frozenset[str] = frozenset()) -> None:
        self._keys = {key.keyid: key for key in keys}
        self._ours = documents.digest("\n".join(sorted(self._keys)).encode())[:16]
        self._before = before
        self.looked: set[str] = set()
        self.problems: list[str] = []

    # Files

    def in_file(self, path: Path) -> Iterator[Found]:
        """Yield what a file holds, the sidecars of a bundle, or everything below a folder.

        Raises:
            PatchlineError: the file that was named cannot be read, or holds nothing of the kind.
        """
        if path.is_dir():
            for below in sorted(path.rglob("*")):
                if below.name.endswith(_ENDINGS) and below.is_file():
                    yield from self._tolerant(below)
        elif path.name.endswith(BUNDLE_ENDING):
            yield from self._beside(path)
        else:
            yield from self._in_file(path)

    def _tolerant(self, path: Path) -> Iterator[Found]:
        try:
            yield from self._in_file(path)
        except PatchlineError as error:
            if path.name.endswith((APPROVALS, PROVENANCE, ".zip")):
                self.problems.append(f"{path}: {error.message}")

    def _beside(self, bundle: Path) -> Iterator[Found]:
        with open_regular(bundle):
            pass
        for ending in (PROVENANCE, APPROVALS):
            path = sidecar_path(bundle, ending)
            try:
                yield from self._in_sidecar(read_file(path, limit=LIMITS.sidecar), str(path))
            except NotFoundError:
                continue

    def _in_file(self, path: Path) -> Iterator[Found]:
        with open_regular(path) as stream:
            start = stream.read(4)
            stream.seek(0)
            if is_zip(start):
                yield from self._in_release(stream, path.stat().st_size, str(path))
                return
        yield from self._in_document(read_file(path, limit=LIMITS.manifest), str(path))

    # Contents

    def _in_release(self, stream: BinaryIO, size: int, place: str) -> Iterator[Found]:
        release = ReleaseZip(stream, size, place)
        for ending in (PROVENANCE, APPROVALS):
            yield from self._in_sidecar(release.sidecar(ending), place)

    def _in_document(self, data: bytes, place: str) -> Iterator[Found]:
        if data.endswith(b"\n"):
            yield from self._in_sidecar(data, place)
            return
        document = documents.decode(data, what=place)
        if isinstance(document, dict) and "recalled" in document:
            for entry in RecallList.parse(data).recalled:
                yield from self._of((*entry.statements, *entry.reinstated), place)
        elif isinstance(document, dict) and "payload" in document:
            yield from self._of([Envelope.from_document(document, place)], place)

    def _in_sidecar(self, data: bytes, place: str) -> Iterator[Found]:
        yield from self._of(read_sidecar(data, place), place)

    def _of(self, envelopes: Iterable[Envelope], place: str) -> Iterator[Found]:
        for envelope in envelopes:
            for keyid, _ in envelope.signatures:
                if keyid in self._keys:
                    words, genuine = words_of(envelope), self._genuine(envelope, keyid)
                    yield Found(mark(keyid, envelope.signed_bytes), keyid, words, place, genuine)

    def _genuine(self, envelope: Envelope, keyid: str) -> bool:
        try:
            return bool(envelope.verified_keys({keyid: self._keys[keyid]}))
        except SignatureError:
            return False

    # Channels

    def in_channel(self, given: str, root: Root | None, now: datetime) -> Iterator[Found]:
        """Yield what the releases and recall lists of a channel or kit hold.

        Args:
            given: address or folder.
            root: one that the person trusts; None for the channel's own first one.
            now: to tell whether the metadata's life is as it should be; expired metadata is read all the same.

        Raises:
            PatchlineError: the channel cannot be read, or is not what its root says.
        """
        with opened_source(given) as source, tempfile.TemporaryDirectory() as cache:
            start = root or _first_root(source)
            tree = read_tree(source, Reading(start, Known(), Path(cache), now, _END_OF_TIME))
            with progress("looking through the releases", len(tree.targets), unit="items") as advance:
                for name, target in sorted(tree.targets.items()):
                    yield from self._in_target(source, name, target)
                    advance(1)

    def _in_target(self, source: Source, name: str, target: Target) -> Iterator[Found]:
        looked = f"{self._ours} {target.sha256}"
        if looked in self._before:
            return
        try:
            if name.startswith(f"{channel.HOTFIXES}/"):
                with source.open(target.file, target.size) as stream:
                    yield from self._in_release(stream, target.size, name)
            elif name.endswith(".json"):
                data = source.read(target.file, LIMITS.manifest)
                yield from self._in_document(data, name)
            self.looked.add(looked)
        except PatchlineError as error:
            self.problems.append(f"{name}: {error.message}")


def _first_root(source: Source) -> Root:
    data = source.read(channel.metadata_file(channel.ROOT, 1), channel.MOST_BYTES[channel.ROOT])
    root = Root.read(documents.decode(data, what="root"))
    root.check_self()
    return root


def words_of(envelope: Envelope) -> str:
    """Return in words what was signed; of what is not understood its type."""
    try:
        kind = statement_type(envelope.payload, "statement")
        return _WORDS[kind](envelope.payload) if kind in _WORDS else f"signed a {kind}"
    except PatchlineError:
        return f"signed {documents.digest(envelope.payload)[:16]}, a {envelope.payload_type}"


def _approval(payload: bytes) -> str:
    found = Approval.parse(payload, "approval")
    scope = "all" if found.scope is None else ", ".join(sorted(found.scope))
    rebuilt = ", rebuilt" if found.reproduced else ""
    urgent = f", as an emergency for {counted(found.emergency, 'hour')}" if found.emergency is not None else ""
    label = f"{found.hotfix}-r{found.revision} of {found.product}"
    return f"approved {label} for {scope}{rebuilt}{urgent}; manifest {found.manifest}, {found.time}"


def _recall(payload: bytes) -> str:
    found = Recall.parse(payload, "recall")
    return f"recalled {found.revision.label} of {found.product}: {found.reason}; {found.time}"


def _reinstatement(payload: bytes) -> str:
    found = Reinstatement.parse(payload, "reinstatement")
    return f"gave {found.revision.label} of {found.product} free again: {found.reason}; {found.time}"


def _provenance(payload: bytes) -> str:
    found = Provenance.parse(payload, "provenance")
    return f"built {found.hotfix}-r{found.revision} of {found.product}; manifest {found.manifest}"


_WORDS: Mapping[str, Callable[[bytes], str]] = {
    APPROVAL_TYPE: _approval,
    RECALL_TYPE: _recall,
    REINSTATEMENT_TYPE: _reinstatement,
    PROVENANCE_TYPE: _provenance,
}
