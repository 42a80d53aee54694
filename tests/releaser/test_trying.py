import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from patchline.patches.errors import TrialError
from patchline.releaser.acting import Person
from patchline.releaser.checkout import write_tree
from patchline.releaser.git_store import GitStore
from patchline.releaser.narration import Narrator
from patchline.releaser.trial import picture
from patchline.releaser.trying import product_of
from tests.programs import BIN, process, run
from tests.repositories import Executable, LinkTo, Repository, Submodule

CHANGED = {
    "lib/a.py": b"a = 2\n",
    "lib/b.py": None,
    "lib/deep/new.py": b"new\n",
    "bin/run": Executable(b"#!/bin/sh\necho 2\n"),
    "current": LinkTo(b"lib/a.py"),
}


@pytest.fixture
def repository(tmp_path):
    made = Repository(tmp_path / "stranger's repo")
    made.commit({"lib/a.py": b"a = 1\n", "lib/b.py": b"b\n", "bin/run": b"#!/bin/sh\n", "kept": b"x"}, tag="v1.0")
    made.commit(CHANGED, tag="v1.1")
    return made


def everything_in(folder):
    """Every byte and time of a folder, so that nothing can be written into it unnoticed."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else None
        found[path.relative_to(folder)] = status.st_mode, status.st_mtime_ns, content
    return found


def test_repository_goes_through_everything_and_is_only_read(repository, tmp_path, monkeypatch):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    before = everything_in(repository.path)
    tried = process(
        *("patchline", "try", "--repo", repository.path, "--base", "v1.0", "--head", "v1.1"),
        environment={"TMPDIR": str(temporary)},
    )
    assert everything_in(repository.path) == before
    assert list(temporary.iterdir()) == []
    assert "identical to v1.1" in tried.out and "Nothing of it is left" in tried.out
    for told in (
        "bob$ patchline bundle build --repo",
        "ben$ patchline bundle approve",
        "    Killed",
        "→ identical to v1.0",
    ):
        assert told in tried.err
    assert "Traceback" not in tried.err


def test_json_tells_every_command_and_keep_leaves_the_folder(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    key = b"-----BEGIN PRIVATE KEY-----\n" + b"QUJD" * 16
    repository.commit({"tests/key.pem": key}, tag="v1.2")
    allow = ("--allow", "tests/key.pem=made for tests")
    line = ("--repo", repository.path, "--base", "v1.0", "--head", "v1.2", *allow, "--keep", "--json")
    tried = process("patchline", "try", *line)
    found = tried.document
    assert found["applied"] == found["rolled_back"] == "identical"
    assert found["recovered"] in ("v1.0", "v1.2")
    assert 0 < found["killed"]["changed"] <= found["killed"]["paths"] == len(CHANGED) + 1
    killed = [step for step in found["commands"] if step["exit_code"] == -signal.SIGKILL]
    assert [step["command"].split()[:2] for step in killed] == [["patchline-site", "apply"]]
    kept = tmp_path / found["folder"]
    assert (kept / "trial" / "shared" / "HF-TRY-1-r1.hotfix.approvals.jsonl").read_text().count("\n") == 2
    assert kept.name in tried.err
    shutil.rmtree(kept)


@pytest.mark.parametrize(
    ("base", "head", "code", "exit_code"),
    [
        ("v0.9", "v1.1", "git.ref-missing", 14),
        ("v1.1", "v1.1", "trial.command", 14),
        ("v1.1", "v1.0", "trial.command", 14),
    ],
)
def test_what_cannot_be_tried_is_one_clear_error(repository, base, head, code, exit_code):
    failed = run(
        *("patchline", "try", "--repo", repository.path, "--base", base, "--head", head, "--json"), expect=exit_code
    )
    assert failed.document["error"] == code
    assert failed.document["hint"]


def test_folder_that_is_no_repository_is_refused(tmp_path):
    failed = run("patchline", "try", "--repo", tmp_path, "--base", "a", "--head", "b", expect=14)
    assert failed.err.startswith("error: ") and "hint: " in failed.err


def test_interrupted_trial_leaves_nothing_behind(repository, tmp_path):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    line = [BIN / "patchline", "try", "--repo", repository.path, "--base", "v1.0", "--head", "v1.1"]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        deadline = time.monotonic() + 60
        while not list(temporary.glob("*/trial/shared/*.pem")):
            assert time.monotonic() < deadline and started.poll() is None
            time.sleep(0.05)
        started.send_signal(signal.SIGINT)
        _, told = started.communicate(timeout=60)
    assert started.returncode == 130
    assert "error: stopped by SIGINT" in told and "Traceback" not in told
    assert list(temporary.iterdir()) == []


def test_tree_is_written_as_the_repository_holds_it(tmp_path):
    made = Repository(tmp_path / "repo")
    content = {
        ".gitattributes": b"* text eol=crlf export-ignore\n",
        "text": b"one\ntwo\n",
        "same": b"one\ntwo\n",
        "link": LinkTo(b"one\ntwo\n"),
        "run": Executable(b"one\ntwo\n"),
        "module": Submodule(b"a" * 40),
        b"odd \xff\n": b"odd",
        "big": bytes(9 << 20),
    }
    made.commit(content, tag="v1")
    with GitStore(made.path) as store:
        write_tree(store, store.resolve("v1"), tmp_path / "tree")
    there = tmp_path / "tree"
    assert (there / "text").read_bytes() == (there / "run").read_bytes() == b"one\ntwo\n"
    assert os.readlink(there / "link") == "one\ntwo\n"
    assert [os.access(there / name, os.X_OK) for name in ("text", "run")] == [False, True]
    assert (there / "big").stat().st_size == 9 << 20
    assert list((there / "module").iterdir()) == []
    assert len(picture(there)) == len(content)


@pytest.mark.parametrize(
    ("folder", "product"), [("shop.git", "shop"), ("my shop!", "my-shop"), ("…", "product"), ("-x-", "x")]
)
def test_product_is_named_after_the_repository(tmp_path, folder, product):
    assert product_of(tmp_path / folder) == product


def test_command_that_fails_is_told_with_its_error_and_exit_code(tmp_path):
    told = []
    person = Person("ada", tmp_path / "ada", tmp_path, Narrator(told.append))
    with pytest.raises(TrialError) as caught:
        person.run("patchline", "bundle", "show", tmp_path / "shared" / "none.hotfix")
    assert caught.value.exit_code == 11
    assert caught.value.message.startswith("`patchline bundle show` of ada ended with 11: ")
    assert told[0].endswith("$\x1b[0m patchline bundle show ../shared/none.hotfix")


def test_person_inherits_no_settings_of_who_runs_the_story(tmp_path, monkeypatch):
    monkeypatch.setenv("PATCHLINE_KEYS", "/elsewhere")
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    person = Person("ada", tmp_path / "ada", tmp_path, Narrator(lambda text: None))
    shown = person.run(sys.executable, "-c", "import os; print(sorted(os.environ), os.environ['HOME'])").out
    assert "PATCHLINE" not in shown and "GIT_DIR" not in shown
    assert str(tmp_path / "ada") in shown
