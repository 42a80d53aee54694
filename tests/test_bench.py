import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bench import memory
from bench.programs import Vendor
from tests.conftest import NOTHING_MAY_BE_SKIPPED
from tests.repositories import Executable, LinkTo, Repository

ROOT = Path(__file__).parent.parent


def run(*line):
    done = subprocess.run(
        [sys.executable, "-m", *map(str, line)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not NOTHING_MAY_BE_SKIPPED, reason="all benchmarks take minutes; .ci/run runs each of them")
def test_every_benchmark_runs_on_tiny_input(tmp_path):
    run("bench", "--tiny", "--results", tmp_path)
    [result] = tmp_path.glob("*-tiny.json")
    figures = json.loads(result.read_text())["figures"]
    assert {figure["number"] for figure in figures} == {
        "B1",
        "B2",
        "B3",
        "B4",
        "B5",
        "V1",
        "V2",
        "A1",
        "A2",
        "A3",
        "C1",
        "C2",
        "C3",
        "L1",
        "K1",
        "K2",
        "D1",
        "D2",
        "I1",
        "Q3",
        "R1",
        "R2",
        "T3",
        "T8",
        "T9",
        "N1",
        "N2",
        "Q1",
        "Q2",
        "W1",
        "W2",
        "W3",
        "W4",
        "S1",
        "S2",
        "S3",
        "S4",
    }
    assert all(figure["value"] > 0 for figure in figures if figure["unit"] == "x")


def zipped(path, members):
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def test_pairs_come_out_as_head_and_go_back_to_base(tmp_path):
    repository = Repository(tmp_path / "source")
    body = b"\n".join([b"MIIBOgIBAAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8Qu"] * 6)
    key = b"-----BEGIN RSA PRIVATE KEY-----\n%s\n-----END RSA PRIVATE KEY-----\n" % body
    repository.commit({"a": b"1", "gone/b": b"2", "c": LinkTo(b"a")}, tag="v1")
    repository.commit({"a": Executable(b"3"), "gone/b": None, "new/d": b"4", "c": LinkTo(b"new/d")}, tag="v2")
    repository.commit({"test/server.key": key}, tag="v3")
    old, new = (zipped(tmp_path / f"{name}.whl", {"x/y": name, "x/same": "same"}) for name in ("old", "new"))
    lines = [f"git one '{repository.path}' v1 v2", f"git key '{repository.path}' v2 v3"]
    lines += [f"git none '{repository.path}' v3 v3", f"archives wheel '{old}' '{new}'"]
    (tmp_path / "list").write_text("\n".join(lines))
    table = run("bench.pairs", tmp_path / "list", "--out", tmp_path / "table.md")
    results = [line.rstrip(" |").rpartition("| ")[2] for line in table.splitlines()[2:]]
    assert results[0] == results[3] == "exact"
    assert re.match("exact; scan: .*server.key", results[1])
    assert results[2].startswith("refused: build.empty")
    assert (tmp_path / "table.md").read_text() == table


def test_memory_stays_flat_whatever_the_payload(tmp_path):
    vendor = Vendor(tmp_path / "vendor", "demo")
    vendor.settle()
    peaks = memory.peaks(vendor, tmp_path / "large", 256 << 20)
    assert peaks.keys() == {"build", "verify", "apply", "rollback"}
    assert max(peaks.values()) < 120, peaks
