"""A hotfix that is to be merged: its bundle, read whole, and the contents that it leaves at a site."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from patchline.patches.bundle import NullStore
from patchline.patches.manifest import Manifest, Member
from patchline.releaser.bundle_files import BundleFile, read_bundle


@dataclass(frozen=True)
class Side:
    """One of the two hotfixes: its bundle, read whole, with the contents that it leaves."""

    bundle: BundleFile
    contents: Path

    @property
    def manifest(self) -> Manifest:
        """What it says."""
        return self.bundle.manifest

    def open(self, sha256: str) -> IO[bytes]:
        """Open a content that it carries."""
        return (self.contents / sha256).open("rb")


class _Unpacker:
    """Keeps every member of a payload as a file of its digest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, member: Member, chunks: Iterable[bytes]) -> None:
        if member.name.startswith(("files/", "scripts/")):
            with (self._folder / member.sha256).open("wb") as file:
                file.writelines(chunks)
        else:
            NullStore().write(member, chunks)


def read_side(path: Path, folder: Path) -> Side:
    """Read a bundle; its contents go into a folder.

    Raises:
        MalformedError: it is damaged.
    """
    folder.mkdir()
    return Side(read_bundle(path, _Unpacker(folder)), folder)
