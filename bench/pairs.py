"""Real pairs of releases, from one to the other and back: `python -m bench.pairs LIST [--out TABLE]`.

Each line of LIST names a pair, in words as a shell reads them:

    git NAME REPOSITORY BASE HEAD           two tags of a repository
    folders NAME BASE_FOLDER HEAD_FOLDER    two folders, such as unpacked releases
    archives NAME BASE_FILE HEAD_FILE       two wheels, jars, zips or tars, unpacked here first

For each pair a bundle is built, signed and approved twice, applied at a site that holds the base tree, compared with
exactly the head tree, rolled back, and compared with exactly the base tree. What the product refuses is shown by its
code. The exit code is the number of pairs that came out wrong.
"""

import argparse
import shlex
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench import trees
from bench.programs import CustomerSite, Refused, Vendor


@dataclass(frozen=True)
class Pair:
    """Two trees, as a line of the list names them."""

    kind: str
    name: str
    words: tuple[str, ...]

    @classmethod
    def read(cls, line: str) -> "Pair":
        """Read a line of the list."""
        kind, name, *words = shlex.split(line)
        if kind not in _LAY or len(words) != (3 if kind == "git" else 2):
            raise SystemExit(f"not a pair: {line}")
        return cls(kind, name, tuple(words))

    @property
    def title(self) -> str:
        """Name and ends of the pair."""
        base, head = (Path(word).name for word in self.words[-2:])
        return f"{self.name} {base}..{head}"


@dataclass
class Outcome:
    """What came of a pair."""

    pair: Pair
    files: int = 0
    changed: int = 0
    size: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    verdict: str = "exact"

    def row(self) -> str:
        """Return the outcome as a row of a Markdown table."""
        times = [
            f"{self.seconds[name]:.1f}" if name in self.seconds else ""
            for name in ("build", "sign", "apply", "rollback")
        ]
        cells = [self.pair.title, self.pair.kind, str(self.files), str(self.changed), f"{self.size:,}", *times]
        return f"| {' | '.join([*cells, '; '.join([self.verdict, *self.notes])])} |"


HEADER = (
    "| pair | source | files in tree | changed paths | bundle bytes | build s | sign, approve (git: rebuild) s | apply s | rollback s | result |\n"
    "|---|---|--:|--:|--:|--:|--:|--:|---|"
)


def _lay_git(pair: Pair, folder: Path) -> tuple[int, list[object]]:
    repository, base, head = pair.words
    files = trees.export(Path(repository), base, folder / "base")
    trees.export(Path(repository), head, folder / "head")
    return files, ["--repo", repository, "--base", base, "--head", head]


def _lay_folders(pair: Pair, folder: Path) -> tuple[int, list[object]]:
    for name, source in zip(("base", "head"), pair.words, strict=True):
        trees.copy(Path(source), folder / name)
    return sum(1 for found in trees.scan(folder / "base").values() if found[0] != "folder"), _folders(folder)


def _lay_archives(pair: Pair, folder: Path) -> tuple[int, list[object]]:
    files, _ = (
        trees.unpack(Path(file), folder / name) for name, file in zip(("base", "head"), pair.words, strict=True)
    )
    return files, _folders(folder)


def _folders(folder: Path) -> list[object]:
    named = ["--source", "released files", "--contributor", "upstream"]
    return ["--base-dir", folder / "base", "--head-dir", folder / "head", *named]


_LAY = {"git": _lay_git, "folders": _lay_folders, "archives": _lay_archives}


def run(pair: Pair, vendor: Vendor, folder: Path) -> Outcome:
    """Take a pair through its life."""
    outcome = Outcome(pair)
    try:
        outcome.files, source = _LAY[pair.kind](pair, folder)
        _go(outcome, source, vendor, folder)
    except Refused as refusal:
        outcome.verdict = f"refused: {refusal.code}"
        outcome.notes.append(refusal.message[:200].replace("\n", " "))
    return outcome


def _go(outcome: Outcome, source: list[object], vendor: Vendor, folder: Path) -> None:
    baseline, bundle = "1.0", folder / "HF-2026-0001-r1.hotfix"
    started = time.perf_counter()
    _build(outcome, source, vendor, baseline, bundle)
    outcome.seconds["build"] = time.perf_counter() - started
    outcome.size = bundle.stat().st_size
    started = time.perf_counter()
    vendor.sign(bundle, Path(outcome.pair.words[0]) if outcome.pair.kind == "git" else None)
    outcome.seconds["sign"] = time.perf_counter() - started
    site = CustomerSite(vendor, folder / "site", folder / "state")
    trees.copy(folder / "base", site.root)
    site.init(baseline)
    outcome.changed = len(site.run("plan", bundle)["actions"])
    for name, arguments, expected in (("apply", [bundle], "head"), ("rollback", ["HF-2026-0001"], "base")):
        started = time.perf_counter()
        site.run(name, *arguments, "--yes")
        outcome.seconds[name] = time.perf_counter() - started
        if found := trees.differences(trees.scan(site.root), trees.scan(folder / expected)):
            outcome.verdict = f"WRONG after {name}: {len(found)} paths"
            outcome.notes += found[:5]
            return


def _build(outcome: Outcome, source: list[object], vendor: Vendor, baseline: str, bundle: Path) -> None:
    """Build; what the scan finds in public test material is allowed in a second go, and noted."""
    try:
        vendor.build(source, baseline, bundle)
    except Refused as refusal:
        if refusal.code != "build.secret":
            raise
        outcome.notes.append(f"scan: {refusal.message.split(';')[0]}"[:120])
        vendor.build([*source, "--allow", "**=public test material"], baseline, bundle)


def main() -> int:
    """Run the pairs of a list."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("list", type=Path, help="the pairs, one a line")
    parser.add_argument("--out", type=Path, help="write the table there too")
    options = parser.parse_args()
    lines = [line for line in options.list.read_text().splitlines() if line.strip() and not line.startswith("#")]
    outcomes = []
    print(HEADER)
    with tempfile.TemporaryDirectory() as name:
        vendor = Vendor(Path(name) / "vendor", "pairs")
        vendor.settle()
        for pair in map(Pair.read, lines):
            folder = Path(name) / "pair"
            outcomes.append(run(pair, vendor, folder))
            print(outcomes[-1].row(), flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            if options.out:
                options.out.write_text("\n".join([HEADER, *(outcome.row() for outcome in outcomes)]) + "\n")
    return sum(outcome.verdict.startswith("WRONG") for outcome in outcomes)


if __name__ == "__main__":
    sys.exit(main())
