"""Memory is flat: a bundle with a large payload is built, verified and applied; the peak of our process alone counts."""

from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure
from bench.programs import CustomerSite, Vendor
from bench.timing import Side

LIMIT = 200.0
"""MiB."""


def large_files(folder: Path, total: int, count: int) -> None:
    """Write files that take little space on disk and little time to pack, each of its own content."""
    folder.mkdir(parents=True)
    for number in range(count):
        with (folder / f"file-{number}").open("wb") as file:
            file.write(b"%d\n" % number)
            file.truncate(total // count)


def peaks(vendor: Vendor, folder: Path, total: int) -> dict[str, float]:
    """Return the peak in MiB of build, verify, apply and rollback with `total` bytes of payload."""
    base, head, bundle = folder / "base", folder / "head", folder / "HF-2026-0001-r1.hotfix"
    base.mkdir(parents=True)
    (base / "readme").write_bytes(b"there\n")
    large_files(head, total, 4)
    (head / "readme").write_bytes(b"there\n")
    site = CustomerSite(vendor, folder / "site", folder / "state")
    site.root.mkdir()
    (site.root / "readme").write_bytes(b"there\n")
    site.init("1.0")
    source = ["--base-dir", base, "--head-dir", head, "--source", "zeros", "--contributor", "nobody"]
    named = ["--id", "HF-2026-0001", "--product", vendor.product, "--baseline", "1.0", "--fix", "FIX-1=All of it"]
    found = {"build": _peak(vendor, "patchline", "bundle", "build", *source, *named, "--out", bundle)}
    vendor.sign(bundle)
    found["verify"] = _peak(vendor, "patchline-site", "verify", bundle, *site.place)
    found["apply"] = _peak(vendor, "patchline-site", "apply", bundle, "--yes", *site.place)
    found["rollback"] = _peak(vendor, "patchline-site", "rollback", "HF-2026-0001", "--yes", *site.place)
    return found


def _peak(vendor: Vendor, *words: object) -> float:
    """Return the peak of the largest process: build tries the bundle out in a process of its own."""
    return Side(str(words[0]), [str(word) for word in words], environment=vendor.environment, inside=True).run().peak


def run(vendor: Vendor, folder: Path, total: int) -> Iterator[Figure]:
    """Measure with `total` bytes."""
    for name, peak in peaks(vendor, folder, total).items():
        yield Figure("B5", f"memory of {name}, {total / 2**20:g} MiB of payload", peak, "MiB", LIMIT)
