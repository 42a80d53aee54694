"""A1, A2: a durable, backed-up, checked apply beside `rsync --backup --fsync`, and the rollback beside our apply.

Both change the same files of a tree that lies on the same disk; ours also verifies signatures and digests, keeps a
journal and a ledger. `sync` before each run, so that nobody pays for the writes of another. The rollbacks come after
all applies: they remove files, and a file system makes new ones more slowly for a while after that.
"""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from itertools import count as count_up
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
    """Places with the same base tree, each a site and a target for rsync; and a bundle to the head tree.

    Every round has a place of its own: ext4 takes long to make a file where many were removed within the last minute.
    """

    def __init__(self, vendor: Vendor, folder: Path, count: int, size: int, rounds: int) -> None:
        self.folder, self.vendor = folder, vendor
        base, head = folder / "base", folder / "head"
        files(base, count, size, 1)
        files(head, count, size, 2)
        self.bundle = folder / "HF-2026-0001-r1.hotfix"
        named = ["--source", "random files", "--contributor", "nobody"]
        vendor.build(["--base-dir", base, "--head-dir", head, *named], "1.0", self.bundle)
        vendor.sign(self.bundle)
        for number in range(rounds + 1):
            for name in ("site", "target"):
                trees.copy(base, folder / str(number) / name)
            self._site(str(number)).init("1.0")

    def _site(self, place: str) -> CustomerSite:
        return CustomerSite(self.vendor, self.folder / place / "site", self.folder / place / "state")

    def change(self, name: str, *arguments: object) -> Side:
        """Return a side that changes the site of the next place in each round."""
        line = [name, *arguments, "--yes", "--json", *self._site(name).place]
        words = ["patchline-site", *(str(word) for word in line)]
        return Side(name, words, self._moving(name), self.vendor.environment, inside=True)

    def rsync(self) -> Side:
        """Return the side that does with the target of the next place what apply does with its site."""
        here = self.folder / "rsync"
        copy = ["rsync", "-a", "-I", "--backup", f"--backup-dir={here / 'backup'}", "--fsync"]
        return Side("rsync", [*copy, f"{self.folder / 'head'}/", f"{here / 'target'}/"], self._moving("rsync"))

    def _moving(self, name: str) -> Callable[[], None]:
        """Return what leads a link from place to place, and writes out what others left to be written."""
        places, link = count_up(), self.folder / name

        def move() -> None:
            link.unlink(missing_ok=True)
            link.symlink_to(str(next(places)))
            os.sync()

        return move


def run(vendor: Vendor, folder: Path, sizes: list[tuple[int, int, float | None]], rounds: int) -> Iterator[Figure]:
    """Measure for each (number of files, bytes of each, goal); the growth is that of the first two."""
    walls = []
    for number, (count, size, goal) in enumerate(sizes):
        course = Course(vendor, folder / str(number), count, size, rounds)
        samples = in_turn([course.change("apply", course.bundle), course.rsync()], rounds)
        samples |= in_turn([course.change("rollback", "HF-2026-0001")], rounds)
        what = f"{count:,} files of {size / 1000:g} kB"
        yield compared("A1", f"apply / rsync, {what}", samples, ("apply", "rsync"), counts="wall", goal=goal)
        yield compared("A2", f"rollback / apply, {what}", samples, ("rollback", "apply"), counts="wall", goal=1.0)
        walls.append((count * size, median(samples["apply"], "cpu")))
        shutil.rmtree(folder / str(number))
    (small, least), (large, most) = walls[0], walls[1]
    yield Figure(
        "A1", f"growth of apply, {large / small:g} times the payload", exponent(least, most, large / small), ""
    )
