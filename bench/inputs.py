"""What is measured on: git repositories made of real packages, from a package index through pip, or given ones.

Made once below `build/bench-inputs`, with fixed dates, so that every run sees the same objects.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import trees

CACHE = Path("build/bench-inputs")
_IDENTITY = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com"} | {
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.com",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


@dataclass(frozen=True)
class Range:
    """Two tags of a repository, and the bytes of the blobs that differ (new side)."""

    name: str
    repository: Path
    base: str
    head: str

    @property
    def changed(self) -> int:
        """Bytes of the blobs of the head that the base has not at the same path."""
        listed = run_git(self.repository, "diff-tree", "-r", "--raw", "--no-renames", "--no-abbrev", *self.ends)
        sides = [line.split() for line in listed.splitlines()]
        wanted = b"\n".join(words[3] for words in sides if words[1] not in (b"000000", b"160000"))
        sizes = run_git(self.repository, "cat-file", "--batch-check=%(objectsize)", given=wanted)
        return sum(int(line) for line in sizes.split())

    @property
    def ends(self) -> tuple[str, str]:
        """Base and head."""
        return self.base, self.head


@dataclass(frozen=True)
class _Packages:
    """Releases that become the tags of one repository; each is a set of wheels in one tree."""

    name: str
    releases: tuple[tuple[str, ...], ...]


SMALL = _Packages("small", (("django==4.2.11",), ("django==4.2.14",), ("django==4.2.16",), ("django==5.0.9",)))
LARGE = _Packages(
    "large",
    (
        ("django==4.2.11", "numpy==1.26.3", "babel==2.14.0"),
        ("django==4.2.16", "numpy==1.26.4", "babel==2.15.0"),
        ("django==5.0.9", "numpy==2.0.2", "babel==2.16.0"),
    ),
)


def made_of(packages: _Packages) -> Range:
    """Return the last two releases of a set of packages, made when they are not there yet."""
    repository = CACHE / packages.name
    tags = [f"r{number}" for number in range(len(packages.releases))]
    if not (repository / "whole").exists():
        shutil.rmtree(repository, ignore_errors=True)
        started(repository)
        for tag, release in zip(tags, packages.releases, strict=True):
            _empty(repository)
            for name in release:
                trees.unpack_over(_wheel(name), repository)
            commit(repository, tag)
        run_git(repository, "gc", "-q")
        (repository / "whole").touch()
    return Range(packages.name, repository, *tags[-2:])


def started(repository: Path) -> None:
    """Start a repository."""
    repository.mkdir(parents=True)
    run_git(repository, "init", "-q")
    (repository / ".git" / "info" / "exclude").write_text("/whole\n")


def commit(repository: Path, tag: str) -> None:
    """Commit everything in the work tree under a tag."""
    dates = _dates(len(run_git(repository, "tag").split()))
    run_git(repository, "add", "-A", "-f")
    run_git(repository, "commit", "-q", "-m", tag, environment=dates)
    run_git(repository, "tag", tag)


def given() -> list[Range]:
    """Return the ranges named by `BENCH_REPOS=PATH@BASE..HEAD,…`."""
    ranges = []
    for word in filter(None, os.environ.get("BENCH_REPOS", "").split(",")):
        path, _, ends = word.partition("@")
        base, _, head = ends.partition("..")
        folder = Path(path)
        ranges.append(Range(folder.parent.name if folder.name == "repo" else folder.name, folder, base, head))
    return ranges


def two_tags(source: Range, folder: Path) -> Range:
    """Return the same two trees in a repository that has two commits and nothing else."""
    borrowing = folder / "borrowing"
    run_git(Path(), "init", "-q", "--bare", str(borrowing))
    objects = run_git(source.repository, "rev-parse", "--path-format=absolute", "--git-path", "objects")
    (borrowing / "objects" / "info" / "alternates").write_bytes(objects)
    parent: list[str] = []
    for name in source.ends:
        tree = run_git(source.repository, "rev-parse", f"{name}^{{tree}}").decode().strip()
        made = run_git(borrowing, "commit-tree", "-m", name, *parent, tree, environment=_dates(0)).decode().strip()
        run_git(borrowing, "tag", name, made)
        parent = ["-p", made]
    whole = folder / "two-tags"
    run_git(Path(), "clone", "-q", "--bare", borrowing.resolve().as_uri(), str(whole))
    return Range(source.name, whole, *source.ends)


def _dates(number: int) -> dict[str, str]:
    when = f"{1_700_000_000 + 60 * number} +0000"
    return {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}


def _empty(repository: Path) -> None:
    for path in repository.iterdir():
        if path.name != ".git":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _wheel(requirement: str) -> Path:
    folder = CACHE / "wheels" / requirement
    if not (found := list(folder.glob("*.whl"))):
        options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--dest", folder]
        subprocess.run([sys.executable, "-m", "pip", "download", *options, requirement], check=True)
        found = list(folder.glob("*.whl"))
    return found[0]


def run_git(
    repository: Path, *arguments: str, given: bytes | None = None, environment: dict[str, str] | None = None
) -> bytes:
    """Run git and return what it wrote."""
    line: Sequence[object] = ["git", "-C", repository, "-c", "safe.directory=*", "-c", "gc.auto=0", *arguments]
    changed = {**os.environ, **_IDENTITY, **(environment or {})}
    return subprocess.run(
        [str(word) for word in line], check=True, capture_output=True, input=given, env=changed
    ).stdout
