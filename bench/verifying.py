"""V1, V2, A3: hashing beside openssl, verifying a bundle beside inflating and hashing it, the start of the client."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.applying import files
from bench.figures import Figure, compared
from bench.inputs import Range
from bench.programs import BIN, Vendor
from bench.timing import Side, exponent, in_turn, median

_LEAST = 1 << 20
"""Below so many bytes nothing but starting is measured."""


def hashing(folder: Path, size: int, rounds: int) -> Iterator[Figure]:
    """Compare the rate of hashing a file with openssl's."""
    files(folder, 1, size, 1)
    path = str(folder / "folder-00" / "file-00000")
    peer = Side("openssl", ["openssl", "dgst", "-sha256", path])
    samples = in_turn([Side("ours", ["hash-file", path], inside=True), peer], rounds)
    yield compared(
        "V1", f"rate of ours / openssl, {size / 1e6:g} MB", samples, ("ours", "openssl"), goal=0.95, at_least=True
    )


def verifying(vendor: Vendor, folder: Path, ranges: list[Range], rounds: int) -> Iterator[Figure]:
    """Compare `verify` with `gzip -dc payload` piped to `openssl dgst`."""
    costs = []
    for number, source in enumerate(ranges):
        bundle = folder / str(number) / "HF-2026-0001-r1.hotfix"
        bundle.parent.mkdir(parents=True)
        ends = ["--repo", source.repository, "--base", source.base, "--head", source.head, "--allow", "**=public"]
        vendor.build(ends, "1.0", bundle)
        vendor.sign(bundle, source.repository)
        subprocess.run(["tar", "-xf", bundle, "-C", bundle.parent, "payload.tar.gz"], check=True)
        payload = bundle.parent / "payload.tar.gz"
        line = ["patchline-site", "verify", str(bundle), "--trust", str(vendor.trust), "--json"]
        pipe = ["bash", "-o", "pipefail", "-c", 'gzip -dc "$0" | openssl dgst -sha256', str(payload)]
        ours = Side("verify", line, environment=vendor.environment, inside=True)
        samples = in_turn([ours, Side("gzip and openssl", pipe)], rounds)
        what = f"verify / gzip -dc, openssl dgst, {source.name}, {payload.stat().st_size / 1e6:.1f} MB packed"
        goal = 1.2 if payload.stat().st_size >= _LEAST else None
        yield compared("V2", what, samples, ("verify", "gzip and openssl"), goal=goal)
        costs.append((payload.stat().st_size, median(samples["verify"], "cpu")))
    (small, least), (large, most) = costs[0], costs[1]
    yield Figure(
        "V2", f"growth of verify, {large / small:.1f} times the payload", exponent(least, most, large / small), ""
    )


def start(rounds: int) -> Iterator[Figure]:
    """Say what the client's start takes beyond Python's own."""
    sides = [
        Side("client", [str(BIN / "patchline-site"), "--version"]),
        Side("python", [sys.executable, "-c", "pass"]),
    ]
    samples = in_turn(sides, rounds)
    more = median(samples["client"], "cpu") - median(samples["python"], "cpu")
    yield Figure("A3", "start of the client beyond Python's", more, "cpu s", 0.3)
