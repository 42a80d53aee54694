"""I1: what a site says of itself takes no longer the more was done to it."""

from collections.abc import Iterator
from pathlib import Path

from bench.applying import files
from bench.figures import Figure
from bench.programs import CustomerSite, Vendor
from bench.timing import Side, exponent, in_turn, median

_FACTOR = 10


def run(vendor: Vendor, folder: Path, changes: int, rounds: int) -> Iterator[Figure]:
    """Measure `inventory` after so many times apply and rollback, and after ten times as many."""
    base, head, bundle = folder / "base", folder / "head", folder / "HF-2026-0001-r1.hotfix"
    files(base, 20, 2_000, 1)
    files(head, 20, 2_000, 2)
    source = ["--base-dir", base, "--head-dir", head, "--source", "random files", "--contributor", "nobody"]
    vendor.build(source, "1.0", bundle)
    vendor.sign(bundle)
    sides = [_side(vendor, folder, bundle, count) for count in (changes, _FACTOR * changes)]
    samples = in_turn(sides, rounds)
    few, many = (median(samples[side.name], "cpu") for side in sides)
    yield Figure(
        "I1",
        f"growth of inventory, {_FACTOR} times the {changes} changes",
        exponent(few, many, _FACTOR),
        "",
        details={"few cpu s": few, "many cpu s": many},
    )


def _side(vendor: Vendor, folder: Path, bundle: Path, count: int) -> Side:
    site = CustomerSite(vendor, folder / str(count) / "site", folder / str(count) / "state")
    files(site.root, 20, 2_000, 1)
    site.init("1.0")
    environment = vendor.environment
    Side("changes", ["change-often", str(bundle), str(site.root), str(site.state), str(count)], inside=True).run()
    line = ["patchline-site", "inventory", "--json", *map(str, site.place)]
    return Side(f"after {count} changes", line, environment=environment, inside=True)
