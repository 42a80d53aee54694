import os
import shutil
import subprocess
from pathlib import Path

import pytest

from patchline.patches.errors import GitError
from patchline.releaser.git_store import GitStore
from tests.repositories import ENVIRONMENT, Executable, LinkTo, Repository, run_git

ODD_NAMES = [b"b\nc", b":colon", b"lat\xe9n", b"d/z", b"zz", b'quote"d', "naïve/ü".encode(), b"with space"]


@pytest.fixture
def repository(tmp_path):
    made = Repository(tmp_path / "product")
    made.commit({"a.txt": b"one\n", "lib/b.py": b"old\n", "gone": b"x"}, tag="v1")
    made.commit(
        {"a.txt": b"two\n", "lib/b.py": Executable(b"old\n"), "gone": None, "link": LinkTo(b"a.txt")},
        "Mend it\n\nFixes: BUG-1\nCo-authored-by: Second <Second@Example.com>\n",
        tag="v2",
        author="First@example.com",
    )
    return made


def read_all(store, base="v1", head="v2"):
    """Everything the store offers, as one comparable value."""
    old, new = store.resolve(base), store.resolve(head)
    commits = store.history(old, new).commits
    changes = store.differences(old.tree, new.tree)
    oids = [oid for change in changes.values() for oid in (change[1], change[3]) if oid]
    blobs = {item.oid: b"".join(item.pieces()) for item in store.objects(oids)}
    return old, new, commits, changes, blobs, store.touched(commits)


def code_of(action):
    with pytest.raises(GitError) as caught:
        action()
    return caught.value.code


def expected(repository):
    with GitStore(repository.path) as store:
        return read_all(store)


def test_range_is_read_with_people_and_fixes(repository):
    _, new, (commit,), changes, blobs, touched = expected(repository)
    assert commit.oid == new.commit == repository.git("rev-parse", "v2")
    assert commit.mails == {"first@example.com", "committer@example.com", "second@example.com"}
    assert commit.fixes == {"BUG-1"}
    assert set(changes) == {b"a.txt", b"lib/b.py", b"gone", b"link"} == set(touched[commit.oid])
    assert {b"one\n", b"two\n", b"a.txt", b"x", b"old\n"} == set(blobs.values())


def test_no_path_is_lost_whatever_its_name(tmp_path):
    repository = Repository(tmp_path / "odd")
    repository.commit({"keep": b"1"}, tag="v1")
    repository.commit(dict.fromkeys(ODD_NAMES, b"content"), tag="v2")
    _, _, (commit,), changes, _, touched = expected(repository)
    assert set(changes) == set(ODD_NAMES) == set(touched[commit.oid])


def test_bare_worktree_and_shared_sources_read_the_same(repository, tmp_path):
    bare, tree, shared = tmp_path / "bare.git", tmp_path / "tree", tmp_path / "shared"
    run_git("clone", "-q", "--bare", repository.path, bare)
    repository.git("worktree", "add", "-q", "--detach", str(tree), "v1")
    run_git("clone", "-q", "--shared", repository.path, shared)
    for place in (bare, tree, shared):
        with GitStore(place) as store:
            assert read_all(store) == expected(repository)


def test_bare_copy_without_settings_reads_the_same(repository, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(repository.path / ".git", copy)
    (copy / "config").unlink()
    with GitStore(copy) as store:
        assert read_all(store) == expected(repository)


def test_repository_of_sha256_ids_is_read(tmp_path):
    repository = Repository(tmp_path / "new", algorithm="sha256")
    repository.commit({"a": b"1"}, tag="v1")
    repository.commit({"a": b"2"}, tag="v2")
    _, new, _, changes, blobs, _ = expected(repository)
    assert len(new.commit) == 64
    assert set(blobs.values()) == {b"1", b"2"}
    assert set(changes) == {b"a"}


def test_path_with_colon_quote_and_line_feed_is_read(tmp_path):
    repository = Repository(tmp_path / 'o:d"d\n\\x')
    repository.commit({"a": b"1"}, tag="v1")
    repository.commit({"a": b"2"}, tag="v2")
    assert set(expected(repository)[4].values()) == {b"1", b"2"}


def test_shallow_clone_that_reaches_the_base_reads_the_same(repository, tmp_path):
    repository.commit({"later": b"x"}, tag="v3")
    clone = tmp_path / "shallow"
    run_git("clone", "-q", "--depth=2", f"file://{repository.path}", clone)
    run_git("fetch", "-q", "--depth=2", "origin", "tag", "v2", "tag", "v3", cwd=clone)
    with GitStore(clone) as store, GitStore(repository.path) as full:
        assert read_all(store, "v2", "v3") == read_all(full, "v2", "v3")


def test_shallow_clone_that_ends_within_the_range_is_refused(repository, tmp_path):
    clone = tmp_path / "shallow"
    run_git("init", "-q", clone)
    run_git("fetch", "-q", "--depth=1", f"file://{repository.path}", "tag", "v1", "tag", "v2", cwd=clone)
    with GitStore(clone) as store:
        old, new = store.resolve("v1"), store.resolve("v2")
        assert set(store.differences(old.tree, new.tree)) == set(expected(repository)[3])
        assert code_of(lambda: store.history(old, new)) == "git.shallow-history"


def partial_clone(repository, tmp_path, kept="blob:none"):
    repository.git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "partial"
    run_git("clone", "-q", "--no-checkout", f"--filter={kept}", f"file://{repository.path}", clone)
    assert list((clone / ".git/objects/pack").glob("*.promisor"))
    return clone


@pytest.mark.parametrize("kept", ["blob:none", "tree:0"])
def test_partial_clone_gets_what_it_lacks_in_one_fetch(repository, tmp_path, kept):
    clone = partial_clone(repository, tmp_path, kept)
    before = sorted((clone / ".git/objects").rglob("*"))
    memory = tmp_path / "store"
    with GitStore(clone, memory) as store:
        assert read_all(store) == expected(repository)
    assert sorted((clone / ".git/objects").rglob("*")) == before
    if kept == "blob:none":
        assert len(list(memory.rglob("*.pack"))) == 1
    repository.path.rename(tmp_path / "moved")
    with GitStore(clone, memory) as store:
        assert read_all(store)


def test_partial_clone_whose_origin_is_gone_says_so(repository, tmp_path):
    clone = partial_clone(repository, tmp_path)
    shutil.rmtree(repository.path)
    with GitStore(clone) as store:
        assert code_of(lambda: read_all(store)) == "git.fetch-failed"


@pytest.mark.parametrize("address", ["ext::sh -c touch% MARKER", "http://localhost/x", "-uMARKER"])
def test_partial_clone_of_a_dangerous_address_is_refused(repository, tmp_path, address):
    clone = partial_clone(repository, tmp_path)
    run_git("config", "remote.origin.url", address.replace("MARKER", str(tmp_path / "marker")), cwd=clone)
    with GitStore(clone) as store:
        assert code_of(lambda: read_all(store)) == "git.address"
    assert not (tmp_path / "marker").exists()


def loosen(repository):
    """Turn packs into one file for each object."""
    objects = repository.path / ".git/objects"
    contents = [pack.read_bytes() for pack in (objects / "pack").glob("*.pack")]
    shutil.rmtree(objects / "pack")
    for content in contents:
        run_git("unpack-objects", "-q", cwd=repository.path, given=content)
    return objects


def test_missing_object_that_nobody_owes_is_named(repository):
    oid = repository.git("rev-parse", "v2:a.txt")
    (loosen(repository) / oid[:2] / oid[2:]).unlink()
    with GitStore(repository.path) as store:
        assert code_of(lambda: read_all(store)) == "git.object-missing"


def test_object_that_is_not_what_its_id_says_is_refused(repository):
    wanted, other = repository.git("rev-parse", "v2:a.txt"), repository.git("rev-parse", "v1:a.txt")
    objects = loosen(repository)
    target = objects / wanted[:2] / wanted[2:]
    target.unlink()
    shutil.copy(objects / other[:2] / other[2:], target)
    with GitStore(repository.path) as store:
        assert code_of(lambda: read_all(store)) == "git.object-corrupt"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_repository_of_another_user_is_read(repository):
    want = expected(repository)
    for found in [repository.path, *repository.path.rglob("*")]:
        os.chown(found, 12345, 12345, follow_symlinks=False)
    assert expected(repository) == want


def plant_everything(repository, marker):
    """Plant each way in which a repository's own files can make git run something."""
    script = repository.path / "run.sh"
    script.write_text(f"#!/bin/sh\ntouch {marker}\nexec cat\n")
    script.chmod(0o755)
    settings = {
        "core.fsmonitor": str(script),
        "core.sshCommand": str(script),
        "core.pager": str(script),
        "core.alternateRefsCommand": str(script),
        "core.askPass": str(script),
        "credential.helper": f"!{script}",
        "diff.evil.textconv": str(script),
        "diff.evil.command": str(script),
        "diff.external": str(script),
        "filter.evil.clean": str(script),
        "filter.evil.smudge": str(script),
        "filter.evil.process": str(script),
        "gpg.program": str(script),
        "uploadpack.packObjectsHook": str(script),
        "remote.origin.uploadpack": str(script),
        "remote.origin.promisor": "true",
        "remote.origin.url": f"ext::{script}",
        "extensions.partialClone": "origin",
        "alias.upload-pack": f"!{script}",
        "alias.cat-file": f"!{script}",
    }
    for key, value in settings.items():
        repository.git("config", key, value)
    hooks = repository.path / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for hook in ("post-checkout", "pre-commit", "post-index-change", "reference-transaction", "pre-auto-gc"):
        shutil.copy(script, hooks / hook)
    (repository.path / ".git/info").mkdir(exist_ok=True)
    (repository.path / ".git/info/attributes").write_text("* filter=evil diff=evil\n")


def test_nothing_planted_in_a_source_runs(repository, tmp_path):
    want = expected(repository)
    marker = tmp_path / "marker"
    plant_everything(repository, marker)
    assert expected(repository) == want
    assert not marker.exists()
    # The trap is real: git itself, used as it comes, does spring it.
    subprocess.run(["git", "status"], cwd=repository.path, env=ENVIRONMENT, capture_output=True, check=False)
    assert marker.exists()


def test_source_stays_as_it_was(repository):
    def listing():
        return {path: path.lstat().st_mtime_ns for path in [repository.path, *repository.path.rglob("*")]}

    before = listing()
    expected(repository)
    assert listing() == before


def test_settings_of_the_caller_do_not_leak_in(repository, tmp_path, monkeypatch):
    want = expected(repository)
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert expected(repository) == want


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("--upload-pack=x", "git.ref-option"),
        ("-x", "git.ref-option"),
        ("", "git.ref-malformed"),
        ("a..b", "git.ref-malformed"),
        ("v1:a.txt", "git.ref-malformed"),
        ("HEAD@{1}", "git.ref-malformed"),
        ("v1\nv2", "git.ref-malformed"),
        ("nowhere", "git.ref-missing"),
        ("v1~9", "git.ref-missing"),
        ("0" * 40, "git.ref-missing"),
        ("0123456", "git.ref-missing"),
    ],
)
def test_ref_that_cannot_be_is_refused(repository, written, code):
    with GitStore(repository.path) as store:
        assert code_of(lambda: store.resolve(written)) == code


def test_ref_may_be_written_in_each_usual_form(repository):
    oid = repository.git("rev-parse", "v1")
    repository.git("tag", "-a", "-m", "noted", "noted", "v1")
    repository.git("update-ref", "refs/remotes/origin/topic", "v1")
    note = repository.git("rev-parse", "noted")
    with GitStore(repository.path) as store:
        forms = ["v1", "refs/tags/v1", "tags/v1", "main~1", "HEAD^", oid, oid[:10], "noted", note, "origin/topic"]
        assert {store.resolve(form).commit for form in [*forms, "noted^{}", "v2~1^{commit}"]} == {oid}
        assert store.resolve("noted").tag == "noted"
        assert store.resolve("main~1").ref is None


def test_name_of_a_tag_and_another_branch_is_ambiguous(repository):
    repository.git("branch", "v1", "v2")
    with GitStore(repository.path) as store:
        assert code_of(lambda: store.resolve("v1")) == "git.ref-ambiguous"
        assert store.resolve("refs/tags/v1").tag == "v1"


def test_ref_to_a_file_is_refused(repository):
    repository.git("tag", "content", "v1:a.txt")
    with GitStore(repository.path) as store:
        assert code_of(lambda: store.resolve("content")) == "git.ref-not-commit"


def test_moved_tag_is_refused(repository, tmp_path):
    with GitStore(repository.path, tmp_path / "store") as store:
        store.resolve("v1")
    repository.git("tag", "-f", "v1", "v2")
    with GitStore(repository.path, tmp_path / "store") as store:
        assert code_of(lambda: store.resolve("v1")) == "git.tag-moved"
        assert store.resolve("v2").tag == "v2"


def test_range_written_backwards_is_refused(repository):
    with GitStore(repository.path) as store:
        old, new = store.resolve("v1"), store.resolve("v2")
        assert code_of(lambda: store.history(new, old)) == "git.reversed"
        assert store.history(old, old) == ((), 0)


def test_histories_without_a_common_commit_are_refused(repository):
    repository.commit({"other": b"1"}, branch="island", fresh=True)
    with GitStore(repository.path) as store:
        old, new = store.resolve("v1"), store.resolve("island")
        assert code_of(lambda: store.history(old, new)) == "git.unrelated"


def test_only_commits_of_a_folder_are_asked_for(repository):
    repository.commit({"lib/c": b"1"}, tag="v3")
    with GitStore(repository.path) as store:
        old, new = store.resolve("v1"), store.resolve("v3")
        assert len(store.history(old, new).commits) == 2
        assert [commit.oid for commit in store.history(store.resolve("v2"), new, ["lib"]).commits] == [new.commit]
        assert store.history(store.resolve("v2"), new, ["other"]).commits == ()


@pytest.mark.parametrize("kind", ["missing", "empty", "file"])
def test_what_is_no_repository_is_refused(tmp_path, kind):
    place = tmp_path / "place"
    if kind == "empty":
        place.mkdir()
    elif kind == "file":
        place.write_text("x")
    assert code_of(lambda: GitStore(place)) == "git.not-a-repository"


def test_git_file_that_leads_nowhere_is_refused(tmp_path):
    (tmp_path / ".git").write_text("nonsense")
    assert code_of(lambda: GitStore(tmp_path)) == "git.not-a-repository"
    (tmp_path / ".git").write_text(f"gitdir: {tmp_path}/none\n")
    assert code_of(lambda: GitStore(tmp_path)) == "git.not-a-repository"


def test_damaged_pack_is_refused_with_git_s_words(repository):
    repository.git("repack", "-adq")
    (pack,) = (repository.path / ".git/objects/pack").glob("*.pack")
    data = bytearray(pack.read_bytes())
    data[20:60] = bytes(40)
    pack.chmod(0o644)
    pack.write_bytes(data)
    with GitStore(repository.path) as store:
        assert code_of(lambda: read_all(store)).startswith("git.")


def test_many_and_large_objects_come_in_order(tmp_path):
    repository = Repository(tmp_path / "big")
    files: dict[str | bytes, bytes | None] = {f"f{number:05}": b"%d\n" % number * 50 for number in range(3000)}
    big = os.urandom(9 << 20)
    repository.commit({**files, "big": big}, tag="v1")
    with GitStore(repository.path) as store:
        changes = store.differences(None, store.resolve("v1").tree)
        oids = [changes[path][3] for path in sorted(changes)]
        found = [(item.oid, b"".join(item.pieces())) for item in store.objects(oids)]
    assert [oid for oid, _ in found] == oids
    assert dict(zip(sorted(changes), (data for _, data in found), strict=True))[b"big"] == big


def test_no_process_and_no_file_is_left(repository):
    def children():
        return Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()

    before = children(), len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with GitStore(repository.path) as store:
            old, new = store.resolve("v1"), store.resolve("v2")
            next(store.objects(list({old.tree, new.tree})))
    assert (children(), len(list(Path("/proc/self/fd").iterdir()))) == before


def test_repository_without_commits_has_no_refs(tmp_path):
    with GitStore(Repository(tmp_path / "empty").path) as store:
        assert code_of(lambda: store.resolve("main")) == "git.ref-missing"
        assert code_of(lambda: store.resolve("capabilities")) == "git.ref-missing"


def test_missing_object_of_a_copy_without_settings_is_named(repository, tmp_path):
    oid = repository.git("rev-parse", "v2:a.txt")
    (loosen(repository) / oid[:2] / oid[2:]).unlink()
    shutil.copytree(repository.path / ".git", tmp_path / "copy")
    (tmp_path / "copy/config").unlink()
    with GitStore(tmp_path / "copy") as store:
        assert code_of(lambda: read_all(store)) == "git.object-missing"


def test_what_the_head_takes_back_is_counted(repository):
    repository.commit({"release": b"1"}, "Release", tag="v2-release", branch="release", parent="v2")
    repository.commit({"later": b"1"}, tag="v3")
    with GitStore(repository.path) as store:
        old, released, new = store.resolve("v1"), store.resolve("v2-release"), store.resolve("v3")
        assert store.history(old, new).undone == 0
        history = store.history(released, new)
        assert [commit.oid for commit in history.commits] == [new.commit]
        assert history.undone == 1
