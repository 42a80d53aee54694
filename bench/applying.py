"""A1, A2: a durable, backed-up, checked apply beside `rsync --backup --fsync`, and the rollback beside our apply.

Both change the same files of a tree that lies on the same disk; ours also verifies signatures and digests, keeps a
journal and a ledger. `sync` before each run, so that nobody pays for the writes of another.
"""

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from bench import trees
from bench.figures import Figure, compared
from bench.programs import CustomerSite, Vendor
from bench.timing import Side, exponent, in_turn, median

_FOLDERS = 20
_PIECE = 1 << 20


def files(folder: Path, count: int, size: int, seed: int) -> None:
    """Write `count` files of `size` random bytes in a few folders."""
    source = random.Random(seed)
    for number in range(count):
        path = folder / f"folder-{number % _FOLDERS:02}" / f"file-{number:05}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for start in range(0, size, _PIECE):
                file.write(source.randbytes(min(_PIECE, size - start)))
        path.chmod(0o644)


class Course:
    """A site and a target for rsync, both with the same base tree, and a bundle to the head tree."""

    def __init__(self, vendor: Vendor, folder: Path, count: int, size: int) -> None:
        self.folder = folder
        base, head = folder / "base", folder / "head"
        files(base, count, size, 1)
        files(head, count, size, 2)
        self.bundle = folder / "HF-2026-0001-r1.hotfix"
        named = ["--source", "random files", "--contributor", "nobody"]
        vendor.build(["--base-dir", base, "--head-dir", head, *named], "1.0", self.bundle)
        vendor.sign(self.bundle)
        self.site = CustomerSite(vendor, folder / "site", folder / "state")
        for target in (self.site.root, folder / "target"):
            trees.copy(base, target)
        self.site.init("1.0")

    def sides(self) -> list[Side]:
        """Return apply, rsync and rollback, which leave everything as it was."""
        environment = self.site.vendor.environment
        place = [str(word) for word in self.site.place]
        backup, target = self.folder / "backup", self.folder / "target"
        copy = ["rsync", "-a", "-I", "--backup", f"--backup-dir={backup}", "--fsync", f"{self.folder / 'head'}/"]

        def empty() -> None:
            shutil.rmtree(backup, ignore_errors=True)
            os.sync()

        apply = ["patchline-site", "apply", str(self.bundle), "--yes", "--json", *place]
        back = ["patchline-site", "rollback", "HF-2026-0001", "--yes", "--json", *place]
        return [
            Side("apply", apply, os.sync, environment, inside=True),
            Side("rsync", [*copy, f"{target}/"], empty),
            Side("rollback", back, os.sync, environment, inside=True),
        ]


def run(vendor: Vendor, folder: Path, sizes: list[tuple[int, int, float | None]], rounds: int) -> Iterator[Figure]:
    """Measure for each (number of files, bytes of each, goal); the growth is that of the first two."""
    walls = []
    for number, (count, size, goal) in enumerate(sizes):
        samples = in_turn(Course(vendor, folder / str(number), count, size).sides(), rounds)
        what = f"{count:,} files of {size / 1000:g} kB"
        yield compared("A1", f"apply / rsync, {what}", samples, ("apply", "rsync"), counts="wall", goal=goal)
        yield compared("A2", f"rollback / apply, {what}", samples, ("rollback", "apply"), counts="wall", goal=1.0)
        walls.append((count * size, median(samples["apply"], "cpu")))
        shutil.rmtree(folder / str(number))
    (small, least), (large, most) = walls[0], walls[1]
    yield Figure(
        "A1", f"growth of apply, {large / small:g} times the payload", exponent(least, most, large / small), ""
    )
