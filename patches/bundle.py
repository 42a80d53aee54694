"""The bundle file: written at once, opened once, believed only when every byte of it was checked.

    format            the number 1 and a line feed
    manifest.json     canonical JSON; its SHA-256 is the identity of the revision
    payload.tar.gz    base/<sha256>, files/<sha256>, scripts/<sha256> in order of bytes, then README.txt

- A container is read front to back, once, and hashed on the way; nothing is ever read again, so nothing can be
  exchanged between check and use.
- Which members there are, and their digests and sizes, follows from the manifest alone.
- `stage` is the only maker of a `VerifiedBundle`. It needs what `verify` made, and it returns only after every
  member's digest, the ends of both archives and the container's digest were right. A store may hold whole members
  before that; they count for nothing until it returns.
- `inspect` checks the same except who signed it, for people who look at bundles or rebuild them; no site uses it.
"""

import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import InitVar, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from patchline.patches import archive
from patchline.patches.compression import GzipReader, GzipWriter
from patchline.patches.errors import (
    BuildError,
    BundleError,
    DocumentError,
    MalformedError,
    VerificationError,
)
from patchline.patches.files import open_regular, os_failure, write_atomically
from patchline.patches.limits import LIMITS
from patchline.patches.manifest import Manifest, Member
from patchline.patches.progress import WatchedStream

if TYPE_CHECKING:
    from patchline.patches.verify import VerifiedManifest

FORMAT = b"1\n"
PAYLOAD = "payload.tar.gz"
README = "README.txt"
_MEMBERS = ("format", "manifest.json", PAYLOAD)

Source = Callable[[Member], Iterable[bytes]]
"""Gives the content of a payload member in pieces."""


class Store(Protocol):
    """Where the members of a payload go."""

    def write(self, member: Member, chunks: Iterable[bytes]) -> None:
        """Take one member. The chunks end with an error when the content is not what the member says."""
        ...


class NullStore:
    """Keeps nothing; for checking alone."""

    def write(self, member: Member, chunks: Iterable[bytes]) -> None:
        """Read the member to its end."""
        for _ in chunks:
            pass


_STAGED = object()


@dataclass(frozen=True)
class VerifiedBundle:
    """A verified manifest whose every payload member was checked into a store. Only `stage` makes one."""

    verified: "VerifiedManifest"
    container: str
    """SHA-256 of the file it came from."""
    maker: InitVar[object]

    def __post_init__(self, maker: object) -> None:
        if maker is not _STAGED:
            raise TypeError("only stage makes a VerifiedBundle")

    @property
    def manifest(self) -> Manifest:
        """The manifest that people signed."""
        return self.verified.manifest


@dataclass(frozen=True)
class InspectedBundle:
    """A whole bundle of which nobody knows who made it: for looking at, never for applying."""

    manifest: Manifest
    container: str
    """SHA-256 of the file."""


# Writing


@dataclass(frozen=True)
class Written:
    """Digests of a bundle that was written, for its provenance."""

    container: str
    """SHA-256 of the file."""
    payload: str
    """SHA-256 of the payload's tar before compression: the same wherever the manifest is the same."""


def write(path: Path, manifest: Manifest, source: Source, *, overwrite: bool = False) -> Written:
    """Write a bundle, whole or not at all.

    Args:
        path: the name of the file.
        manifest: says which members there must be.
        source: asked once for each of `manifest.payload`, in that order.
        overwrite: whether a file of that name may be replaced.

    Raises:
        BuildError: the source gave other bytes than the manifest states.
        PatchlineError: the file cannot be written.
    """
    with write_atomically(path, overwrite=overwrite) as file:
        writer = archive.TarWriter(file)
        writer.add("format", len(FORMAT), [FORMAT])
        writer.add("manifest.json", len(manifest.data), [manifest.data])
        payload = archive.add_unmeasured(writer, file, PAYLOAD, lambda stream: _write_payload(stream, manifest, source))
        writer.close()
        return Written(_digest_of(file), payload)


def _write_payload(stream: archive.Writable, manifest: Manifest, source: Source) -> str:
    packed = _HashedGzip(stream)
    writer = archive.TarWriter(packed)
    for member in manifest.payload:
        writer.add(member.name, member.size, _as_stated(member, source(member)))
    readme = manifest.readme()
    writer.add(README, len(readme), [readme])
    writer.close()
    return packed.close()


class _HashedGzip:
    """Compresses what is written to it, and hashes it before."""

    def __init__(self, stream: archive.Writable) -> None:
        self._packed = GzipWriter(stream)
        self._hash = hashlib.sha256()

    def write(self, data: bytes, /) -> None:
        """Take all bytes."""
        self._hash.update(data)
        self._packed.write(data)

    def close(self) -> str:
        """Write the rest; returns the SHA-256 of what was compressed."""
        self._packed.close()
        return self._hash.hexdigest()


def _digest_of(file: BinaryIO) -> str:
    """Return the SHA-256 of a whole file; its bytes are still in the system's cache."""
    file.seek(0)
    digest = hashlib.sha256()
    while piece := file.read(archive.CHUNK):
        digest.update(piece)
    return digest.hexdigest()


def _as_stated(member: Member, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Pass on what a source gives, which must end as the manifest says."""
    digest = hashlib.sha256()
    size = 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        if size > member.size:
            break
        yield chunk
    if size != member.size or digest.hexdigest() != member.sha256:
        raise BuildError("source-changed", f"the source of {member.name} is not what the manifest states")


# Reading


class Container:
    """A bundle file being read: its manifest is at hand, its payload still to come.

    Attributes:
        manifest: the bytes of `manifest.json`, of which nothing is known yet.
    """

    def __init__(self, stream: archive.Readable) -> None:
        """Read `format` and `manifest.json`; `stream` is any binary stream, a pipe included.

        Raises:
            BundleError: it is something else than a bundle, or one of another format.
            ArchiveError: it is damaged.
        """
        self._stream = _HashedStream(stream)
        _check_kind(self._stream.peek(archive.BLOCK))
        self._members = archive.read_members(self._stream, _MEMBERS, what="the bundle")
        _check_format(next(self._members))
        self.manifest = _read_manifest(next(self._members))

    def read_payload(self, manifest: Manifest, store: Store) -> str:
        """Read the rest of the file, checking everything against a manifest; works once.

        Returns:
            The SHA-256 of the whole file.

        Raises:
            BundleError: payload and manifest disagree.
            ArchiveError: the container or the payload is not packed as it must be.
        """
        if manifest.data != self.manifest:
            raise BundleError("other-manifest", f"the bundle holds another manifest than {manifest.label}")
        packed = next(self._members, None)
        if packed is None:
            raise RuntimeError("a container is read once; open it again")
        _read_payload(packed, manifest, store)
        next(self._members, None)  # no member is left: this reads to the end of the file
        return self._stream.digest()


@contextmanager
def open_container(path: Path) -> Iterator[Container]:
    """Open a bundle file.

    Raises:
        BundleError: it is a folder, a pipe, empty or something else than a bundle.
        PatchlineError: it is not there or cannot be read.
    """
    try:
        file = open_regular(path)
    except MalformedError:
        raise _not_a_bundle(f"{path} is not a regular file") from None
    with file:
        watched = WatchedStream(file, f"reading {path.name}", os.fstat(file.fileno()).st_size)
        try:
            container = Container(watched)
        except MalformedError as error:
            raise error.about(path.name) from None
        yield container


def stage(verified: "VerifiedManifest", container: Container, store: Store) -> VerifiedBundle:
    """Bring a verified manifest's payload into a store.

    Raises:
        BundleError: payload and manifest disagree.
        ArchiveError: the container or the payload is not packed as it must be.
        VerificationError: the provenance does not name this container.
    """
    # Only here: whoever builds or looks at bundles needs nothing of trust and its libraries.
    from patchline.patches.verify import VerifiedManifest

    if not isinstance(verified, VerifiedManifest):
        raise TypeError("only what verify made can be staged")
    digest = container.read_payload(verified.manifest, store)
    if digest not in verified.containers:
        raise VerificationError(
            "container", f"the provenance of {verified.manifest.label} does not name this file (sha256 {digest})"
        )
    return VerifiedBundle(verified, digest, _STAGED)


def inspect(container: Container, store: Store) -> InspectedBundle:
    """Check a whole bundle except who signed it.

    Raises:
        MalformedError: any byte of it is not as it must be.
    """
    manifest = Manifest.parse(container.manifest)
    return InspectedBundle(manifest, container.read_payload(manifest, store))


class _HashedStream:
    """Passes bytes on and hashes all that were passed on."""

    def __init__(self, stream: archive.Readable) -> None:
        self._stream = stream
        self._ahead = b""
        self._hash = hashlib.sha256()

    def peek(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only at the end, without passing them on."""
        while len(self._ahead) < size and (piece := self._read(size - len(self._ahead))):
            self._ahead += piece
        return self._ahead[:size]

    def read(self, size: int, /) -> bytes:
        """Return 1 to `size` bytes, or none at the end."""
        if self._ahead:
            piece, self._ahead = self._ahead[:size], self._ahead[size:]
        else:
            piece = self._read(size)
        self._hash.update(piece)
        return piece

    def digest(self) -> str:
        """Return the SHA-256 of what was passed on, in hexadecimal."""
        return self._hash.hexdigest()

    def _read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except OSError as error:
            raise os_failure(error) from None


def _not_a_bundle(message: str) -> BundleError:
    return BundleError("not-a-bundle", message)


_KINDS = (
    (b"PK", "a zip archive"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ", "an xz file"),
    (b"{", "a JSON document"),
    (b"-----BEGIN", "a PEM file"),
)


def _check_kind(start: bytes) -> None:
    """Say what a file is that was never a bundle; a damaged bundle is left to the archive reader."""
    if not start:
        raise _not_a_bundle("the file is empty")
    if start.partition(b"\0")[0].decode("latin-1") in _MEMBERS:
        return
    for magic, words in _KINDS:
        if start.startswith(magic):
            raise _not_a_bundle(f"this is {words}, not a bundle")
    tar = start[257:262] == b"ustar"
    raise _not_a_bundle("this is a tar archive, but not a bundle" if tar else "this is not a bundle")


def _check_format(member: archive.OpenMember) -> None:
    text = member.read(32)
    if text == FORMAT and member.size == len(FORMAT):
        return
    if member.size <= 8 and text.endswith(b"\n") and text[:-1].isdigit():
        raise BundleError("format", f"the bundle has format {text[:-1].decode()}; this program knows 1")
    raise BundleError("format-number", "the bundle's member format holds no format number")


def _read_manifest(member: archive.OpenMember) -> bytes:
    if member.size > LIMITS.manifest:
        raise DocumentError("too-large", f"manifest has {member.size} bytes, more than {LIMITS.manifest}")
    gathered = io.BytesIO()  # gives its content away without a second copy
    for chunk in member.chunks():
        gathered.write(chunk)
    return gathered.getvalue()


def _read_payload(packed: archive.OpenMember, manifest: Manifest, store: Store) -> None:
    readme = manifest.readme()
    expected = (*manifest.payload, Member(README, hashlib.sha256(readme).hexdigest(), len(readme)))
    limit = archive.archive_size(member.size for member in expected)
    unpacked = GzipReader(packed, limit, what=PAYLOAD)
    names: Sequence[str] = [member.name for member in expected]
    found = archive.read_members(unpacked, names, what=PAYLOAD)
    # The manifest's side comes first: when it is exhausted, zip asks `found` once more, which reads to the very end.
    for member, content in zip(expected, found, strict=True):
        if content.size != member.size:
            raise BundleError("member-size", f"{member.name} has {content.size} bytes, not the {member.size} declared")
        chunks = _checked(member, content)
        (NullStore() if member.name == README else store).write(member, chunks)
        if next(chunks, None) is not None:
            raise TypeError(f"the store did not read {member.name} to its end")


def _checked(member: Member, content: archive.OpenMember) -> Iterator[bytes]:
    """Pass on content that ends with an error when it is not what the manifest says."""
    digest = hashlib.sha256()
    for chunk in content.chunks():
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != member.sha256:
        code = "readme" if member.name == README else "member-digest"
        raise BundleError(code, f"the content of {member.name} is not what the manifest says")
