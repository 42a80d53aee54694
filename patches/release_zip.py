"""The release zip: one published revision as one file, which any `unzip` opens and `patchline-site` takes directly.

    README.txt                       what it is, and how to check it without patchline
    ID-rN.hotfix                     the bundle
    ID-rN.hotfix.provenance.jsonl    and what else belongs to it, as far as there is any, in the order of `SIDECARS`
    patchline-site.pyz               perhaps the client, with what the release key says about it

Nothing in it is believed for lying here: the bundle and its sidecars prove themselves (`verify`), the client is data
that the installed client checks. There is never a trust file in it. The zip has one form (`stored_zip`), and names
follow from the bundle's alone, so the same files make the same zip.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from patchline.patches import stored_zip
from patchline.patches.errors import ZipError
from patchline.patches.files import open_regular, write_atomically
from patchline.patches.limits import LIMITS, MIB
from patchline.patches.stored_zip import Member, MemberStream, StoredZip

README = "README.txt"
BUNDLE_ENDING = ".hotfix"
PROVENANCE, APPROVALS = ".provenance.jsonl", ".approvals.jsonl"
RELEASE_LINE, RELEASE_SIGNATURE, NOTES = ".sha256", ".sha256.sig", ".md"
SIDECARS: Mapping[str, int] = {
    PROVENANCE: LIMITS.sidecar,
    APPROVALS: LIMITS.sidecar,
    RELEASE_LINE: 1024,
    RELEASE_SIGNATURE: 1024,
    NOTES: LIMITS.sidecar,
}
"""Endings that follow the bundle's name, in their order, and how many bytes each may have."""
CLIENT = "patchline-site.pyz"
CLIENT_FILES: Mapping[str, int] = {CLIENT: 64 * MIB, f"{CLIENT}.sha256": 1024, f"{CLIENT}.sha256.sig": 1024}

_BUNDLE = re.compile(r"([A-Z][A-Z0-9]*(?:-[A-Z0-9]+)+)-r([1-9][0-9]{0,5})\.hotfix")
_README_BYTES = MIB


def write_release(path: Path, readme: str, bundle: Path, client: Path | None = None) -> None:
    """Write the zip of a bundle with the sidecars that lie beside it, replacing an older one.

    Args:
        path: of the zip.
        readme: what stands in it for people.
        bundle: named ID-rN.hotfix.
        client: the one-file client, beside which its `.sha256` and `.sha256.sig` lie.

    Raises:
        ZipError: a name or size that the reader would refuse, or a file that changes meanwhile.
        NotFoundError: the bundle or the client is not there.
    """
    text = readme.encode()
    with ExitStack() as stack, write_atomically(path, overwrite=True) as out:
        members: list[tuple[str, int, stored_zip.Source]] = [(README, len(text), BytesIO(text))]
        for file in [bundle, *_beside(bundle), *_client_files(client)]:
            stream = stack.enter_context(open_regular(file))
            members.append((file.name, os.fstat(stream.fileno()).st_size, stream))
        stored_zip.write_members(out, members)
        ReleaseZip(out, out.tell(), path.name)


def _beside(bundle: Path) -> Iterator[Path]:
    for ending in SIDECARS:
        path = bundle.with_name(bundle.name + ending)
        if path.exists():
            yield path


def _client_files(client: Path | None) -> Iterator[Path]:
    if client is not None:
        yield from (client.with_name(name) for name in CLIENT_FILES)


@dataclass(frozen=True)
class _Parts:
    """The members by what they are."""

    bundle: Member
    sidecars: Mapping[str, Member]
    client: Mapping[str, Member]


class ReleaseZip:
    """A release zip being read.

    Attributes:
        hotfix: which hotfix it is, as the bundle's name says; the manifest decides.
        revision: the same of its revision.
    """

    def __init__(self, stream: BinaryIO, size: int, name: str) -> None:
        """Check the zip's structure, and that it holds one bundle and what belongs to it.

        Args:
            stream: any that can be sought in; stays open as long as members are read.
            size: how many bytes it has.
            name: of the file, for messages.

        Raises:
            ZipError: it is something else.
        """
        self._name = name
        self._zip = StoredZip(stream, size, most_members=2 + len(SIDECARS) + len(CLIENT_FILES), what=name)
        self._parts = self._sort()
        match = _BUNDLE.fullmatch(self._parts.bundle.name)
        if match is None:
            raise ZipError("members", f"{name}: {self._parts.bundle.name} is no name of a bundle")
        self.hotfix, self.revision = match[1], int(match[2])

    def _sort(self) -> _Parts:
        members = list(self._zip.members)
        if len(members) < 2 or members[0].name != README:
            raise ZipError("members", f"{self._name} is no release: it does not begin with {README} and a bundle")
        bundle, others = members[1], members[2:]
        endings = {bundle.name + ending: ending for ending in SIDECARS}
        sidecars = {endings[member.name]: member for member in others if member.name in endings}
        client = {member.name: member for member in others if member.name in CLIENT_FILES}
        in_order = [bundle.name + ending for ending in SIDECARS if ending in sidecars]
        in_order += [name for name in CLIENT_FILES if client]
        if [member.name for member in others] != in_order:
            raise ZipError("members", f"{self._name} holds something else than {bundle.name} and what belongs to it")
        sizes = [(members[0], _README_BYTES), *((sidecars[ending], SIDECARS[ending]) for ending in sidecars)]
        for member, most in [*sizes, *((client[name], CLIENT_FILES[name]) for name in client)]:
            if member.size > most:
                raise ZipError("member-too-large", f"{self._name}: {member.name} has more than {most} bytes")
        return _Parts(bundle, sidecars, client)

    @property
    def readme(self) -> bytes:
        """The text for people, as it stands there."""
        return self._zip.read(self._zip.members[0], _README_BYTES)

    @property
    def bundle_size(self) -> int:
        """How many bytes the bundle has."""
        return self._parts.bundle.size

    def open_bundle(self) -> MemberStream:
        """Return the bundle as a stream; nothing else is read from the zip meanwhile."""
        return self._zip.open(self._parts.bundle)

    def sidecar(self, ending: str) -> bytes:
        """Return what belongs to the bundle under an ending of `SIDECARS`; nothing where it is not there."""
        member = self._parts.sidecars.get(ending)
        return self._zip.read(member, SIDECARS[ending]) if member else b""

    @property
    def has_client(self) -> bool:
        """Whether the client lies in it."""
        return bool(self._parts.client)

    def client_file(self, name: str) -> bytes:
        """Return a file of `CLIENT_FILES`.

        Raises:
            KeyError: it is not in this zip.
        """
        return self._zip.read(self._parts.client[name], CLIENT_FILES[name])


@contextmanager
def open_release(path: Path) -> Iterator[ReleaseZip]:
    """Open a release zip.

    Raises:
        ZipError: it is none, or damaged.
        NotFoundError: it is not there.
    """
    with open_regular(path) as file:
        yield ReleaseZip(file, os.fstat(file.fileno()).st_size, path.name)


def is_zip(start: bytes) -> bool:
    """Tell by its first four bytes whether a file is a zip."""
    return start == stored_zip.MAGIC
