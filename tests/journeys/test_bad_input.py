"""What people get wrong at the command line: one clear error with a hint, an exit code, and the same as one document."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.patches.site.test_commands import BASE, Customer, write_trust
from tests.programs import BIN, run
from tests.repositories import LinkTo, Repository, Submodule
from tests.worlds import put, take

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12\n"


@dataclass
class Table:
    """What lies on the table: a repository to build from, a site, and a folder for everything else."""

    folder: Path
    repository: Repository
    site: Customer

    def file(self, name: str, content: bytes | str) -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def build(self, base="1.0", head="main", *more, out="made.hotfix", repo=None, **given):
        named = {"id": "HF-2026-0001", "product": "shop", "baseline": "1.0", "fix": "BUG-1=Mended", **given}
        options = [f"--{name}={value}" for name, value in named.items()]
        where = ("--repo", repo or self.repository.path, "--base", base, "--head", head, "--out", self.folder / out)
        return ["patchline", "bundle", "build", *where, *options, *more]

    def commit(self, files, base="1.0"):
        self.repository.commit(files)
        return self.build(base)

    def at_site(self, *line):
        return ["patchline-site", *line, "--root", self.site.root]


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.setenv("PATCHLINE_STATE", str(tmp_path / "state"))
    repository = Repository(tmp_path / "repository")
    repository.commit({"a.py": b"a = 1\n", "b.py": b"b\n"}, tag="1.0")
    repository.commit({"a.py": b"a = 2\n"})
    root, files = tmp_path / "app", tmp_path / "files.json"
    put(root, BASE)
    files.write_bytes(b"")
    trust = write_trust(tmp_path / "demo.trust")
    return Table(tmp_path, repository, Customer(tmp_path, root, tmp_path / "demo.trust", trust.fingerprint))


@pytest.fixture
def made_site(table):
    line = ("--root", table.site.root, "--product", "demo", "--baseline", "1.0", "--trust", table.site.trust)
    run("patchline-site", "init", *line, "--fingerprint", table.site.fingerprint)
    return table


def moved_tag(table):
    run(*table.build(out="first.hotfix"))
    table.repository.git("tag", "-f", "1.0", "main")
    table.repository.commit({"a.py": b"a = 3\n"})
    return table.build()


def twice(table):
    run(*table.build())
    return table.build()


BUILDS: dict[str, tuple[str, int, Callable[[Table], list]]] = {
    "missing ref": ("git.ref-missing", 14, lambda t: t.build("0.9")),
    "ref that looks like an option": ("git.ref-option", 14, lambda t: t.build(head="--output=x")),
    "no repository": ("git.not-a-repository", 14, lambda t: t.build(repo=t.folder)),
    "repository that is not there": ("git.not-a-repository", 14, lambda t: t.build(repo=t.folder / "none")),
    "empty range": ("build.empty", 14, lambda t: t.build(head="1.0")),
    "turned round": ("git.reversed", 14, lambda t: t.build("main", "1.0")),
    "moved tag": ("git.tag-moved", 14, moved_tag),
    "submodule": ("git.submodule", 14, lambda t: t.commit({"lib": Submodule(b"a" * 40)})),
    "LFS pointer": ("git.lfs-pointer", 14, lambda t: t.commit({"big.bin": LFS})),
    "link that leads out": ("build.link", 14, lambda t: t.commit({"out": LinkTo(b"../../etc/passwd")})),
    "name with a line feed": ("build.path", 14, lambda t: t.commit({"a\nb": b""})),
    "name that is not UTF-8": ("build.path-encoding", 14, lambda t: t.commit({b"\xff": b""})),
    "bundle that is there": ("refused.file-exists", 12, twice),
    "folder that is not there": ("build.folder", 14, lambda t: t.build(out="none/made.hotfix")),
    "no permission": ("refused.permission", 12, lambda t: t.build(out="/sys/made.hotfix")),
    "option that is missing": ("usage.options", 2, lambda t: ["patchline", "bundle", "build", "--repo", ".", *t.build()[9:]]),
    "option that does not exist": ("usage.command-line", 2, lambda t: t.build("1.0", "main", "--colour")),
    "id in lower case": ("usage.options", 2, lambda t: t.build(id="hf-1")),
    "fix without a title": ("usage.command-line", 2, lambda t: t.build(fix="BUG-1")),
    "no fix": ("build.title", 14, lambda t: [word for word in t.build() if not str(word).startswith("--fix")]),
    "recipe that is not TOML": ("recipe.syntax", 14, lambda t: t.build(recipe=t.file("hotfix.toml", "title = "))),
    "recipe with an unknown key": ("recipe.unknown-key", 14, lambda t: t.build(recipe=t.file("h.toml", "titel = 'x'"))),
    "people file that is none": ("build.people-key", 14, lambda t: t.build(people=t.file("people.toml", "[people]"))),
    "secret in what is new": ("build.secret", 14, lambda t: t.commit({"key.pem": b"-----BEGIN PRIVATE KEY-----\n" + b"QUJD" * 16})),
    "bundle that is text": ("bundle.not-a-bundle", 20, lambda t: ["patchline", "bundle", "show", t.file("x.hotfix", "hello")]),
    "key that is not there": ("not-found.key", 11, lambda t: ["patchline", "key", "public", "nobody"]),
    "key's name that is a path": ("usage.key-name", 2, lambda t: ["patchline", "key", "new", "../ada"]),
    "trust file that is text": ("document.syntax", 20, lambda t: ["patchline", "trust", "show", t.file("x.trust", "hello")]),
}  # fmt: skip

SITE: dict[str, tuple[str, int, Callable[[Table], list]]] = {
    "text": ("bundle.not-a-bundle", 20, lambda t: t.at_site("apply", t.file("x.hotfix", "hello"))),
    "empty file": ("bundle.not-a-bundle", 20, lambda t: t.at_site("verify", t.file("x.hotfix", ""))),
    "folder": ("bundle.not-a-bundle", 20, lambda t: t.at_site("verify", t.folder)),
    "file that is not there": ("not-found.file", 11, lambda t: t.at_site("apply", t.folder / "none.hotfix")),
    "other product": ("trust.other-product", 21, lambda t: t.at_site("apply", bundle_for(t, product="other"))),
    "other baseline": ("relation.baseline", 22, lambda t: t.at_site("plan", bundle_for(t, baselines=["9.9"]))),
    "nothing to roll back": ("not-found.hotfix", 11, lambda t: t.at_site("rollback", "HF-2026-0001")),
    "rollback to nowhere": ("not-found.level", 11, lambda t: t.at_site("rollback", "--to", "7.0")),
    "rollback of nothing": ("usage.options", 2, lambda t: t.at_site("rollback")),
    "second init": ("installation.exists", 23, lambda t: init_line(t)),
    "no site": ("installation.root-unknown", 23, lambda t: ["patchline-site", "inventory", "--root", t.folder]),
    "date that is none": ("usage.date", 2, lambda t: t.at_site("plan", "x", "--accept-stale-until", "soon")),
}  # fmt: skip


def bundle_for(table, **target):
    wanted = {"product": "demo", "baselines": ["1.0"], "platforms": ["linux"], "requires_products": [], **target}
    return table.site.bundle(target=wanted)


def init_line(table):
    named = ("--root", table.site.root, "--product", "demo", "--baseline", "1.0", "--trust", table.site.trust)
    return ["patchline-site", "init", *named, "--fingerprint", table.site.fingerprint]


@pytest.mark.parametrize("wrong", BUILDS)
def test_vendor_is_told_what_is_wrong(table, wrong):
    code, exit_code, line = BUILDS[wrong]
    must_be_told(line(table), code, exit_code)
    assert not (table.folder / "made.hotfix.statement.json").exists() or wrong == "bundle that is there"
    assert not list(table.folder.glob(".patchline-*"))


@pytest.mark.parametrize("wrong", SITE)
def test_customer_is_told_what_is_wrong_and_nothing_changes(made_site, wrong):
    code, exit_code, line = SITE[wrong]
    arguments = line(made_site)
    before = take(made_site.site.root)
    must_be_told(arguments, code, exit_code)
    assert take(made_site.site.root) == before


def must_be_told(line, code, exit_code):
    """The error for people, then the same as one document on stdout."""
    program, *arguments = line
    told = run(program, *arguments, expect=exit_code, passphrase="open sesame")
    errors = [text for text in told.err.splitlines() if text.startswith("error: ")]
    hints = [text for text in told.err.splitlines() if text.startswith("hint: ")]
    assert len(errors) == len(hints) == 1 and len(hints[0]) > 12
    assert "Traceback" not in told.err
    document = run(program, *arguments, "--json", expect=exit_code, passphrase="open sesame").document
    assert document["error"] == code, document
    assert document["exit_code"] == exit_code
    assert document["message"] and errors[0].endswith(document["message"].splitlines()[0])
    assert hints[0] == f"hint: {document['hint']}"


def test_control_c_ends_in_order_and_leaves_nothing(tmp_path):
    reading, writing = os.pipe()
    environment = {**os.environ, "PATCHLINE_KEYS": str(tmp_path)}
    line = [BIN / "patchline", "key", "new", "ada", "--passphrase-fd", str(reading), "--json"]
    with subprocess.Popen(line, env=environment, pass_fds=[reading], stdout=subprocess.PIPE) as started:
        wait_until_it_reads(started.pid)
        started.send_signal(signal.SIGINT)
        out, _ = started.communicate(timeout=30)
    os.close(writing)
    os.close(reading)
    assert started.returncode == 130
    assert json.loads(out)["error"] == "patchline.stopped"
    assert list(tmp_path.iterdir()) == []


def wait_until_it_reads(process):
    deadline = time.monotonic() + 30
    while "pipe" not in (where := Path(f"/proc/{process}/wchan").read_text()):
        assert time.monotonic() < deadline, where
        time.sleep(0.02)
