"""B1 to B5: from two tags to a bundle, beside git's own plumbing, `git archive` and GitPython.

A manifest states the digest of every earlier content too, so what is read is both sides of every change; the floor
reads the same. `git archive` reads and packs the new side alone, without digests.
"""

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

from bench import inputs
from bench.figures import Figure, compared, part
from bench.inputs import Range
from bench.programs import Vendor
from bench.timing import Sample, Samples, Side, exponent, in_turn, median

_START_UP_MATTERS = 9_000_000
"""Below so many changed bytes Python's start decides, and the goals of B1 to B4 do not count."""


def run(vendor: Vendor, folder: Path, ranges: list[Range], rounds: int) -> Iterator[Figure]:
    """Measure each range; the growth is that between the first two."""
    builds = []
    for number, source in enumerate(ranges):
        place = folder / str(number)
        place.mkdir(parents=True)
        changed = source.changed
        samples = in_turn(_sides(vendor, source, place), rounds)
        yield from _figures(f"{source.name}, {changed / 1e6:.1f} MB changed", changed, samples)
        builds.append((changed, _alone(samples["build"])))
        shutil.rmtree(place)
    (small, least), (large, most) = builds[0], builds[1]
    yield Figure(
        "B2", f"growth of build, {large / small:.1f} times the changed bytes", exponent(least, most, large / small), ""
    )


def _figures(what: str, changed: int, samples: Samples) -> Iterator[Figure]:
    counted = changed >= _START_UP_MATTERS
    yield compared(
        "B1",
        f"read and hash / git's plumbing, {what}",
        samples,
        ("read", "floor"),
        goal=1.5 if counted else None,
        start_up=True,
    )
    built = [without_parts(one) for one in samples["build"]]
    yield compared(
        "B2",
        f"build / git archive, {what}",
        {"build": built, "git archive": samples["git archive"]},
        ("build", "git archive"),
        goal=0.8 if counted else None,
        start_up=True,
    )
    for name in ("scan", "simulation"):
        yield Figure("B2", f"{name} apart, {what}", part(samples["build"], name), "cpu s")
    yield compared(
        "B3",
        f"GitPython / read and hash, {what}",
        samples,
        ("read", "GitPython"),
        goal=3.0 if counted else None,
        at_least=True,
    )
    yield compared(
        "B4",
        f"whole history / two tags, {what}",
        samples,
        ("read", "two tags"),
        goal=1.3 if counted else None,
    )
    yield Figure("B5", f"memory of build, {what}", median(samples["build"], "own"), "MiB", 64.0)


def _less(sample: Sample) -> float:
    return sample.cpu - sum(figures["cpu"] for figures in sample.parts.values())


def without_parts(sample: Sample) -> Sample:
    """Return a sample without the CPU of what is printed apart."""
    return Sample(_less(sample), sample.wall, sample.peak, sample.whole - sample.cpu + _less(sample))


def _alone(samples: list[Sample]) -> float:
    return sorted(map(_less, samples))[len(samples) // 2]


def _sides(vendor: Vendor, source: Range, folder: Path) -> list[Side]:
    clone = inputs.two_tags(source, folder)
    repository, out = str(source.repository), folder / "out.hotfix"

    def fresh() -> None:
        for path in folder.glob("out.hotfix*"):
            path.unlink()

    named = ["--id", "HF-2026-0001", "--product", vendor.product, "--baseline", "1.0", "--fix", "FIX-1=All of it"]
    # Tags are remembered by the name of their source, and one product is made of several here.
    ends = ["--repo", repository, "--repository", repository, "--base", source.base, "--head", source.head]
    ends += ["--allow", "**=public"]
    return [
        Side("read", ["read-changes", repository, *source.ends], inside=True),
        Side("floor", _bash(floor(source))),
        Side("two tags", ["read-changes", str(clone.repository), *source.ends], inside=True),
        Side("GitPython", ["gitpython-changes", repository, *source.ends], inside=True),
        Side(
            "build",
            ["patchline", "bundle", "build", *ends, *named, "--out", str(out), "--json"],
            fresh,
            vendor.environment,
            inside=True,
        ),
        Side("git archive", _bash(archive(source, folder / "out.zip"))),
    ]


_FLOOR = """
git -C {repository} diff-tree -r --raw --no-renames --no-abbrev {base} {head} | cut -d' ' -f3,4 | tr ' ' '\\n' \\
| grep -v '^0*$' | git -C {repository} cat-file --batch --buffer | cat > /dev/null
"""
_ARCHIVE = """
git -C {repository} diff-tree -r --no-renames --diff-filter=d --name-only -z {base} {head} \\
| xargs -0 -n 100000 -s 2000000 git -C {repository} archive --format=zip -o {out} {head} --
"""


def floor(source: Range) -> str:
    """Return the script that reads both sides of every change of a range with git alone."""
    return _written(_FLOOR, source)


def archive(source: Range, out: Path) -> str:
    """Return the script that packs the new side of every change of a range with git alone."""
    return _written(_ARCHIVE, source, out)


def _written(script: str, source: Range, out: Path = Path()) -> str:
    words = {"repository": source.repository.resolve(), "base": source.base, "head": source.head, "out": out}
    return script.format(**{name: shlex.quote(str(word)) for name, word in words.items()})


def _bash(script: str) -> list[str]:
    return ["bash", "-o", "pipefail", "-c", script]
