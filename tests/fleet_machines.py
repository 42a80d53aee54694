"""Customers' machines for a simulated fleet: real folders, keys and bundles, changed by the client's own code.

A machine has one or more *disks*: what a restored backup or a cloned virtual machine holds is another disk of the same
machine, with the same paths, site id and key, as in life.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from patchline.patches import documents
from patchline.patches.errors import PatchlineError
from patchline.patches.plain import create_plain
from patchline.patches.site import changing, creating, inventory
from patchline.patches.site.accepting import keep, offered
from patchline.patches.site.changing import Consent, Context
from patchline.patches.site.disk import Disk
from patchline.patches.site.fetching import fetch
from patchline.patches.site.inventory import Level
from patchline.patches.site.offers import Standing
from patchline.patches.site.report import KEY, make_report
from patchline.patches.site.sources import Source
from patchline.patches.site.state import Site, opened
from patchline.patches.site.view import View


@dataclass
class Machine:
    """One installation of the product.

    Attributes:
        mounted: the name of the disk that is in it now.
    """

    folder: Path
    product: str
    baseline: str
    mounted: str = "first"
    fetched: dict[str, Path] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.folder / "app"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def install(self, files: dict[str, bytes], trust: bytes, listed: bytes, now: datetime) -> None:
        """Lay the release down, make it a site, and make the key with which it signs."""
        self.root.mkdir(parents=True)
        for path, data in files.items():
            (self.root / path).write_bytes(data)
        new = creating.NewSite(self.product, self.baseline, {"app": self.root}, (), trust, listed)
        creating.create(new, self.state, Disk(), now)
        if not (self.state / KEY).exists():
            create_plain(self.state / KEY)

    @contextmanager
    def opened(self) -> Iterator[Site]:
        with opened(self.root, self.state, Disk()) as site:
            yield site

    @property
    def identity(self) -> str:
        with self.opened() as site:
            return site.id

    def fetch(self, source: Source, now: datetime) -> list[str]:
        """Take what is new from the channel; returns the labels."""
        with self.opened() as site:
            found = fetch(site, source, now, None)
        new = [offer.label for offer in found.offers if offer.standing is Standing.NEW]
        self.fetched |= {label: found.paths[label] for label in new if label in found.paths}
        return new

    def apply(self, label: str, now: datetime) -> str | None:
        """Apply what was fetched; returns the error's code where the client refuses."""
        try:
            with self.opened() as site, offered(site, (self.fetched[label],), now, None) as (handed, consent):
                keep(site, handed, now)
                changing.apply(site, handed.bundles, consent, Context(now))
        except PatchlineError as refused:
            return refused.code
        return None

    def rollback(self, hotfix: str, now: datetime) -> None:
        with self.opened() as site:
            changing.rollback(site, hotfix, to_level=False, consent=Consent(), context=Context(now))

    def edit(self, path: str, data: bytes) -> None:
        """What a customer's administrator does at night."""
        (self.root / path).write_bytes(data)

    def level(self) -> Level:
        """What is really there."""
        with self.opened() as site:
            return inventory.site_level(site, site.ledger())

    def report(self, now: datetime) -> bytes:
        """The next report, as the client writes it."""
        with self.opened() as site:
            taken = inventory.take(site, site.ledger(), unfinished=False, check=True)
            envelope = make_report(taken, View.of(site), now)
        return documents.encode(envelope.as_document())

    # Disks

    def copy_disk(self, name: str) -> None:
        """Keep a copy of everything as it is now: a backup, or another machine's disk."""
        for part in self._parts:
            shutil.copytree(part, self._disk(name) / part.name)

    def mount(self, name: str) -> None:
        """Put another disk in; what was in the machine is kept under its own name. Roots stay the folders they are."""
        for part in self._parts:
            _move_all(part, self._disk(self.mounted) / part.name)
            _move_all(self._disk(name) / part.name, part)
        self.mounted = name

    @property
    def _parts(self) -> tuple[Path, Path]:
        return self.root, self.state

    def _disk(self, name: str) -> Path:
        return self.folder / "disks" / name


def _move_all(source: Path, to: Path) -> None:
    to.mkdir(parents=True, exist_ok=True)
    for entry in list(source.iterdir()):
        entry.rename(to / entry.name)
