"""What was verified of a channel or kit, as values: its tree of metadata, and a look at it. Needs no python-tuf."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from patchline.patches import channel, documents
from patchline.patches.channel import HOTFIXES
from patchline.patches.errors import ChannelError
from patchline.patches.root import Root
from patchline.patches.site.known import Known, Version
from patchline.patches.site.sources import Source
from patchline.patches.site.view import View


@dataclass(frozen=True)
class Target:
    """A target that the metadata lists."""

    name: str
    sha256: str
    size: int

    @property
    def file(self) -> str:
        """Where it lies below the channel or kit."""
        return channel.target_file(self.name, self.sha256)


@dataclass(frozen=True)
class Tree:
    """The verified metadata of a channel or kit.

    Attributes:
        kit: it is a kit.
        roots: roots of the channel that follow the one the site knew.
        versions: of each role, as `Known` takes them.
        expiries: when each role expires.
        targets: everything listed, by name.
        warnings: what has expired and was accepted.
    """

    kit: bool
    roots: tuple[Root, ...]
    versions: Mapping[str, Version]
    expiries: Mapping[str, datetime]
    targets: Mapping[str, Target]
    warnings: tuple[str, ...]

    @property
    def expires(self) -> tuple[datetime, str]:
        """When the first role expires, and which it is."""
        return min((expires, role) for role, expires in self.expiries.items())


@dataclass(frozen=True)
class Look:
    """What a look at a source found.

    Attributes:
        view: what the site believes after it.
        warnings: what a person should know although nothing is refused.
    """

    source: Source
    tree: Tree
    view: View
    warnings: tuple[str, ...]

    def releases(self) -> Mapping[str, Target]:
        """Return the published revisions of the product that are listed, by their targets' names."""
        start = f"{HOTFIXES}/{self.view.trust.product}/"
        return {name: target for name, target in self.tree.targets.items() if name.startswith(start)}


def read_target(source: Source, target: Target, limit: int) -> bytes:
    """Return a small target.

    Raises:
        ChannelError: it is not what the metadata lists.
        SourceError: it cannot be read, or is too large.
    """
    data = source.read(target.file, min(limit, target.size))
    if len(data) != target.size or documents.digest(data) != target.sha256:
        raise ChannelError("target", f"{target.name} is not the {target.size} bytes that the metadata lists")
    return data


def with_known(look: Look, seen: Known) -> Look:
    """Return the look with something more that the site knows after it."""
    return replace(look, view=replace(look.view, known=seen))
