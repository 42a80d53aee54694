import subprocess
import sys
from pathlib import Path

import pytest

from patchline.patches.bundle import Container
from patchline.patches.site import rehearsal
from patchline.patches.trust import Trust
from patchline.releaser import client
from tests import sample_release
from tests.programs import run

SAMPLE = sample_release.FOLDER_OF_SAMPLE


def test_sample_is_what_its_sources_make(tmp_path):
    sample_release.write(tmp_path)
    for path in SAMPLE.iterdir():
        if path.name == "trust.json":
            assert Trust.parse(path.read_bytes()).policy == Trust.parse((tmp_path / path.name).read_bytes()).policy
    manifests = []
    for folder in (SAMPLE, tmp_path):
        with (folder / "bundle.hotfix").open("rb") as file:
            manifests.append(Container(file).manifest)
    assert manifests[0] == manifests[1], "write it anew by: python -m tests.sample_release"
    assert {path.name for path in SAMPLE.iterdir()} == {path.name for path in tmp_path.iterdir()}


def test_everything_works_here(tmp_path):
    findings = {finding.name: finding for finding in rehearsal.rehearse(tmp_path)}
    assert list(findings) == ["python", "signatures", "tampering", "apply and roll back", "killed half-way"]
    assert all(finding.passed for finding in findings.values()), findings
    assert findings["signatures"].detail.startswith("sample approved by ada, cleo; checked by pure")
    assert "9 places changed and changed back" in findings["apply and roll back"].detail


def test_command_reports_and_leaves_nothing_behind(tmp_path):
    shown = run("patchline-site", "self-test", "--folder", tmp_path)
    assert [line.split()[0] for line in shown.out.splitlines()] == ["ok"] * 5
    document = run("patchline-site", "self-test", "--folder", tmp_path, "--json").document
    assert document["passed"] is True and len(document["findings"]) == 5
    assert list(tmp_path.iterdir()) == []


def test_folder_that_others_can_write_in_is_found_unfit(tmp_path):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    shown = run("patchline-site", "self-test", "--folder", folder, expect=10)
    assert "FAILED  apply and roll back: " in shown.out
    assert "FAILED  killed half-way: " in shown.out
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("damage", ["approvals.jsonl", "bundle.hotfix"])
def test_damaged_client_finds_itself_out(tmp_path, damage):
    # The one-file client with one bit of its sample turned.
    path = tmp_path / "client.pyz"
    client.write_client(path)
    sound = (SAMPLE / damage).read_bytes()
    place = path.read_bytes().index(sound)
    data = bytearray(path.read_bytes())
    data[place + len(sound) // 2] ^= 1
    path.write_bytes(data)
    done = subprocess.run([sys.executable, "-I", "-S", path, "self-test"], check=False, capture_output=True, text=True)
    assert done.returncode == 10
    assert "FAILED  signatures: the client's own file is damaged" in done.stdout


def test_sample_counts_nowhere_else():
    trust = Trust.parse(rehearsal.sample("trust.json"))
    assert trust.trial and trust.product == "self-test"
    assert Path(rehearsal.__file__).parent / "sample" == SAMPLE
