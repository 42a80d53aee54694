"""N1, N2: the index of a baseline full of jars, and one fix carried to many baselines.

N1: `patchline baseline add` of artefacts into an empty register, beside Python's own `zipfile` that inflates and hashes
the same members and keeps nothing. The same again as another baseline costs only what is new: nothing.
N2: `patchline hotfix carry`, merging and the register included, beside the sum of what git alone needs for each of its
bundles: the floor of B1 and `git archive` of what changed. Scan and simulation are printed apart, as in B2.
"""

import os
import random
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import applying, building, inputs
from bench.figures import Figure, compared, part
from bench.inputs import Range
from bench.programs import Vendor
from bench.timing import Side, exponent, in_turn, median
from patchline.releaser.database import Database, sqlite_url
from patchline.releaser.settings import FILE
from patchline.releaser.tables.people import Person, PersonRole, Role

_INDEXED = 60.0
"""Seconds for a baseline of 400 jars."""
_CARRIED = 1.5
_FLOOR_MATTERS = 9_000_000
_CLASS = (600, 5_000)


@dataclass(frozen=True)
class Extent:
    """How much is indexed and carried.

    Attributes:
        jars: numbers of jars, the smaller first.
        members: of each jar.
        baselines: how many the fix is carried to.
        files, size: what the fix changes.
    """

    jars: tuple[int, int]
    members: int
    baselines: int
    files: int
    size: int


TINY = Extent((2, 4), 10, 2, 3, 2_000)
QUICK = Extent((40, 400), 300, 14, 50, 200_000)


class Register:
    """A vendor's home for one benchmark, made anew before each run."""

    def __init__(self, vendor: Vendor, folder: Path) -> None:
        self.home, self._made = folder / "home", folder / "made"
        self.vendor = vendor
        self.environment = {**vendor.environment, "PATCHLINE_HOME": str(self.home), "PATCHLINE_PERSON": "ada"}
        self.home.mkdir(parents=True)
        (self.home / FILE).touch()
        database = Database(sqlite_url(self.home / "register.db"))
        database.upgrade()
        with database.write() as session:
            roles = [PersonRole(role=Role.ENGINEER)]
            session.add(Person(id="ada", name="Ada", added=datetime.now(UTC), roles=roles))
        database.close()

    def run(self, *arguments: object) -> None:
        """Run `patchline` in this home."""
        line = self.vendor.line("patchline", *arguments)
        subprocess.run(line, check=True, capture_output=True, env=self.environment, stdin=subprocess.DEVNULL)

    def keep(self) -> None:
        """Let every run begin as it is now."""
        shutil.copytree(self.home, self._made)

    def anew(self) -> None:
        """Begin again as kept."""
        shutil.rmtree(self.home)
        shutil.copytree(self._made, self.home)
        os.sync()


def run(vendor: Vendor, folder: Path, extent: Extent, rounds: int) -> Iterator[Figure]:
    """Measure both."""
    yield from _index(vendor, folder / "index", extent, rounds)
    yield from _carry(vendor, folder / "carry", extent, rounds)


# N1


def _jars(folder: Path, count: int, members: int) -> int:
    """Write jars of classes that compress as classes do; return how many bytes they inflate to."""
    source, inflated = random.Random(count), 0
    words = [source.randbytes(64) for _ in range(4_000)]
    folder.mkdir(parents=True)
    for number in range(count):
        with zipfile.ZipFile(folder / f"lib-{number}-1.{number}.jar", "w", zipfile.ZIP_DEFLATED) as jar:
            said = f"groupId=org.example\nartifactId=lib-{number}\nversion=1.{number}\n"
            jar.writestr(f"META-INF/maven/org.example/lib-{number}/pom.properties", said)
            for member in range(members):
                data = b"".join(source.choices(words, k=source.randint(*_CLASS) // 64))
                jar.writestr(f"org/example/lib{number}/Class{member}.class", data)
                inflated += len(data)
    return inflated


def _index(vendor: Vendor, folder: Path, extent: Extent, rounds: int) -> Iterator[Figure]:
    taken = []
    for count in extent.jars:
        place = folder / str(count)
        register = Register(vendor, place)
        inflated = _jars(place / "jars", count, extent.members)
        register.run("product", "add", "demo")
        register.keep()
        add = ["patchline", "baseline", "add", "1", "--product", "demo", "--source", "made", "--artefacts"]
        sides = [
            Side("index", [*add, str(place / "jars")], register.anew, register.environment, inside=True),
            Side("zipfile", ["hash-members", str(place / "jars")], inside=True),
        ]
        samples = in_turn(sides, rounds)
        what = f"{count} jars, {count * extent.members:,} members, {inflated / 1e6:.0f} MB inflated"
        yield compared("N1", f"index / zipfile alone, {what}", samples, ("index", "zipfile"))
        goal = _INDEXED if count == QUICK.jars[1] else None
        yield Figure("N1", f"index, {what}", median(samples["index"], "wall"), "s", goal, counts="wall")
        yield Figure("N1", f"memory of index, {what}", median(samples["index"], "own"), "MiB")
        taken.append(median(samples["index"], "cpu"))
        shutil.rmtree(place)
    factor = extent.jars[1] / extent.jars[0]
    yield Figure("N1", f"growth of index, {factor:.0f} times the jars", exponent(*taken, factor), "")


# N2


def _carry(vendor: Vendor, folder: Path, extent: Extent, rounds: int) -> Iterator[Figure]:
    register = Register(vendor, folder)
    repository = _repository(folder / "repository", extent)
    register.run("product", "add", vendor.product, "--repo", repository)
    for number in range(extent.baselines):
        register.run("baseline", "add", number, "--product", vendor.product, "--tag", f"r{number}")
    register.keep()
    out = folder / "out"

    def fresh() -> None:
        register.anew()
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()

    carry = ["hotfix", "carry", "fix", "--product", vendor.product, "--all", "--fix", "FIX-1=All of it"]
    carry += ["--out", str(out), "--allow", "**=made"]
    fresh()
    register.run(*carry)
    ranges = _ranges(register, folder, repository, extent)
    changed = sum(source.changed for source in ranges)
    sides = [
        Side("campaign", ["patchline", *carry], fresh, register.environment, inside=True),
        Side("floor", _floor(ranges, folder / "out.zip")),
    ]
    samples = in_turn(sides, rounds)
    less = [building.without_parts(one) for one in samples["campaign"]]
    what = f"{extent.baselines} baselines, {changed / 1e6:.1f} MB changed"
    goal = _CARRIED if changed >= _FLOOR_MATTERS * extent.baselines else None
    alone = {"campaign": less, "floor": samples["floor"]}
    yield compared("N2", f"campaign / git's plumbing and archive, {what}", alone, ("campaign", "floor"), goal=goal)
    for name in ("scan", "simulation"):
        yield Figure("N2", f"{name} apart, {what}", part(samples["campaign"], name), "cpu s")


def _repository(folder: Path, extent: Extent) -> Path:
    """Make releases that differ in one file, and after the last a fix that changes many."""
    inputs.started(folder)
    applying.files(folder, extent.files, extent.size, 1)
    for number in range(extent.baselines):
        (folder / "VERSION").write_text(f"{number}\n")
        inputs.commit(folder, f"r{number}")
    applying.files(folder, extent.files, extent.size, 2)
    inputs.commit(folder, "fix")
    return folder


def _ranges(register: Register, folder: Path, repository: Path, extent: Extent) -> list[Range]:
    """Return baseline and carried head of each bundle, in a clone that has them all."""
    pack, clone = folder / "commits", folder / "clone"
    year = next((register.home / "mirrors").glob("*/*/refs/patchline/*")).name.split("-")[1]
    register.run("campaign", "commits", f"C-{year}-0001", "--out", pack)
    inputs.run_git(Path(), "clone", "-q", "--bare", str(repository), str(clone))
    inputs.run_git(clone, "fetch", "-q", str(pack), "refs/patchline/*:refs/patchline/*")
    heads = inputs.run_git(clone, "for-each-ref", "--format=%(refname)", "refs/patchline").decode().split()
    pairs = [(head, inputs.run_git(clone, "describe", "--tags", "--abbrev=0", head).decode().strip()) for head in heads]
    if len(pairs) != extent.baselines:
        raise SystemExit(f"{len(pairs)} of {extent.baselines} baselines have a bundle")
    return [Range(base, clone, base, head) for head, base in pairs]


def _floor(ranges: list[Range], out: Path) -> list[str]:
    scripts = [script for source in ranges for script in (building.floor(source), building.archive(source, out))]
    return ["bash", "-o", "pipefail", "-ec", "\n".join(scripts)]
