import json
import shutil
import subprocess
import sys

import pytest

from tests import vendor
from tests.hotfixes import Life, changed
from tests.programs import run
from tests.registers import NOW

ON_ONE = pytest.mark.parametrize("register", ["sqlite"], indirect=True)
"""For what no database has a part in."""


@pytest.fixture
def life(register, tmp_path):
    (tmp_path / "files").mkdir()
    return Life(register, tmp_path / "files").prepare()


@pytest.fixture
def packed(life, tmp_path):
    """A pack of one of two hotfixes, one of which was recalled, and the checkpoint that an auditor kept."""
    first = life.published(files=[changed("a.txt", b"old\n", b"a1\n")])
    life.published(files=[changed("b.txt", b"b0\n", b"b1\n")])
    kept = tmp_path / "kept.json"
    kept.write_bytes(life.register.checkpoint(NOW).as_bytes())
    life.recall(first, life.recall_file(first, "ada", "ben"))
    pack(life, first, "--out", tmp_path / "pack")
    return tmp_path / "pack", kept, first


def pack(life, *line, expect=0):
    return run("patchline", "audit", "pack", *line, "--home", life.register.home, "--json", expect=expect).document


def verify(folder, *more, expect=0):
    return run("patchline", "audit", "verify", "--pack", folder, *more, "--json", expect=expect).document


def alone(folder, *kept, expect=0):
    """Check it as an auditor without Patchline: Python alone, isolated."""
    line = [sys.executable, "-I", folder / "check.py", *kept]
    done = subprocess.run(line, check=False, capture_output=True, text=True)
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout


def test_pack_of_a_hotfix_is_checked_with_no_server(packed):
    folder, kept, hotfix = packed
    found = verify(folder, "--checkpoint", kept)
    assert found["consistent"] == "outside" and found["readable"] > 5
    [one] = found["revisions"]
    assert (one["label"], one["policy"], one["approvers"]) == (f"{hotfix}-r1", 1, ["ada", "ben"])
    assert verify(folder)["consistent"] == "itself"
    out = alone(folder, kept)
    assert f"{found['readable']} events can be read" in out and "1 of your checkpoints" in out
    assert "compared with no checkpoint" in alone(folder)
    names = {path.name for path in (folder / "revisions" / f"{hotfix}-r1").iterdir()}
    assert {"manifest.json", "provenance.jsonl", "approvals.jsonl", "release.sha256", "recalls.jsonl"} <= names


@ON_ONE
def test_events_about_something_else_stand_in_it_by_their_digest_alone(packed):
    folder, _, hotfix = packed
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()[1:]]
    shown = [json.loads(line["body"])["subject"] for line in lines if "body" in line]
    assert {subject.partition("-r")[0] for subject in shown} == {hotfix}
    assert any("sha256" in line for line in lines)


def edit(line, **changes):
    return json.dumps({**json.loads(line), **changes})


DAMAGES = (
    lambda lines: [*lines[:3], *lines[4:]],
    lambda lines: [lines[0], edit(lines[1], body="{}"), *lines[2:]],
    lambda lines: lines[:-1],
    lambda lines: [*lines, lines[-1]],
    lambda lines: [edit(lines[0], previous="1" * 64), *lines[1:]],
    lambda lines: ["[]", *lines[1:]],
    lambda lines: [],
)


@ON_ONE
def test_pack_in_which_an_event_was_changed_dropped_or_added_is_refused(packed):
    folder, kept, _ = packed
    lines = (folder / "events.jsonl").read_text().splitlines()
    for damage in DAMAGES:
        (folder / "events.jsonl").write_text("".join(f"{line}\n" for line in damage(lines)))
        assert verify(folder, "--checkpoint", kept, expect=21)["error"] == "audit.pack"


@ON_ONE
def test_whole_chain_made_anew_contradicts_the_auditors_checkpoint(packed):
    folder, kept, _ = packed
    document = json.loads(kept.read_bytes())
    kept.write_text(json.dumps({**document, "head": "0" * 64}, sort_keys=True, separators=(",", ":")))
    assert verify(folder, "--checkpoint", kept, expect=21)["error"] == "audit.pack"
    assert "WRONG: event" in alone(folder, kept, expect=1)


@ON_ONE
def test_revision_whose_approvals_were_taken_away_is_told_as_not_approved(packed):
    folder, _, hotfix = packed
    (folder / "revisions" / f"{hotfix}-r1" / "approvals.jsonl").unlink()
    [one] = verify(folder)["revisions"]
    assert one["policy"] is None and "0 of 2 persons" in one["reason"]


@ON_ONE
def test_policy_that_no_root_signed_is_refused(packed):
    folder, _, _ = packed
    document = vendor.policy_envelope(vendor.policy_document(), ()).as_document()
    path = next((folder / "policies").iterdir())
    path.write_text(json.dumps(document, sort_keys=True, separators=(",", ":")))
    assert verify(folder, expect=21)["exit_code"] == 21


def test_pack_of_some_days_holds_what_happened_in_them(life, tmp_path):
    life.published(files=[changed("a.txt", b"old\n", b"a1\n")])
    life.later(days=3)
    second = life.published(files=[changed("b.txt", b"b0\n", b"b1\n")])
    made = pack(life, "--from", "2026-11-25", "--to", "2026-11-25", "--out", tmp_path / "pack")
    assert made["revisions"] == [f"{second}-r1"]
    assert verify(tmp_path / "pack")["readable"] == made["events"]


@pytest.mark.parametrize(
    ("line", "code", "error"),
    [
        (["HF-2026-0099", "--out", "x"], 11, "not-found.event"),
        (["--out", "x"], 2, "usage.options"),
        (["HF-2026-0001", "--from", "2026-11-25", "--out", "x"], 2, "usage.options"),
        (["--from", "yesterday", "--out", "x"], 2, "usage.date"),
        (["--from", "2030-01-01", "--out", "x"], 11, "not-found.event"),
    ],
)
@ON_ONE
def test_pack_of_nothing_is_refused(line, code, error, life, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert pack(life, *line, expect=code)["error"] == error
    assert not (tmp_path / "x").exists()


@ON_ONE
def test_pack_that_lacks_a_part_is_told(packed):
    folder, _, _ = packed
    shutil.move(folder / "events.jsonl", folder / "elsewhere")
    assert verify(folder, expect=21)["error"] == "audit.pack"
