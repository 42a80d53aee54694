import subprocess

import pytest

from patchline.patches.errors import GitError
from patchline.releaser.git_merging import Identity
from patchline.releaser.git_workshop import GitWorkshop
from patchline.releaser.picking import join, pick, resolved
from patchline.releaser.trees import Roots
from tests.repositories import Repository

CLEO = Identity("Cleo", "cleo@example.com")
LINES = [f"line {number}\n" for number in range(40)]


def text(**changes):
    lines = list(LINES)
    for number, line in changes.items():
        lines[int(number[1:])] = f"{line}\n"
    return "".join(lines).encode()


@pytest.fixture
def repository(tmp_path):
    """Three releases, each changed elsewhere in one file; the fix was made on main, in two commits, after the third."""
    made = Repository(tmp_path / "shop.git", bare=True)
    made.commit({"a.txt": text(), "b.txt": b"b"}, tag="v1")
    made.commit({"a.txt": text(l30="of 2")}, tag="v2")
    made.commit({"a.txt": text(l30="of 2", l5="other")}, tag="v3")
    made.commit(
        {"a.txt": text(l30="of 2", l5="other", l15="mended")}, "Mend it\n\nFixes: BUG-1", author="walt@example.com"
    )
    made.commit({"b.txt": b"mended"}, "Mend the rest", author="walt@example.com")
    return made


@pytest.fixture
def store(repository, tmp_path):
    with GitWorkshop(repository.path, tmp_path / "mirror") as opened:
        yield opened


def content(repository, store, commit, path):
    """Read with git alone, through the objects of source and store."""
    source, own = repository.path / "objects", store._store / "objects"
    environment = {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(source),
        "GIT_OBJECT_DIRECTORY": str(own),
        "PATH": "/usr/bin",
    }
    command = ["git", f"--git-dir={store._store}", "show", commit if path is None else f"{commit}:{path}"]
    return subprocess.run(command, env=environment, check=True, capture_output=True).stdout


def test_fix_is_carried_with_author_and_message_and_says_from_where(repository, store):
    commits = store.sequence("v3..main")
    base = store.resolve("v1")
    found = pick(store, base, commits, CLEO)
    assert found.conflicts == () and found.contained == ()
    assert content(repository, store, found.head.commit, "a.txt") == text(l15="mended")
    assert content(repository, store, found.head.commit, "b.txt") == b"mended"
    subjects = {commit.subject for commit in store.history(base, found.head).commits}
    assert subjects == {"Mend it", "Mend the rest"}
    raw = content(repository, store, found.head.commit + "^", None).decode()
    assert "walt@example.com" in raw and f"(cherry picked from commit {commits[0]})" in raw
    data = store.raw_commit(store.resolve(found.head.commit + "^").commit).decode()
    assert "committer Cleo <cleo@example.com> 17000" in data
    assert data.endswith(f"Fixes: BUG-1\n(cherry picked from commit {commits[0]})\n")


def test_same_fix_carried_twice_is_the_same_commit(repository, store, tmp_path):
    first = pick(store, store.resolve("v1"), store.sequence("v3..main"), CLEO)
    with GitWorkshop(repository.path, tmp_path / "another mirror") as other:
        again = pick(other, other.resolve("v1"), other.sequence("v3..main"), CLEO)
    assert first == again


def test_what_the_baseline_has_already_is_not_carried(repository, store):
    commits = store.sequence("v3..main")
    repository.commit(
        {"a.txt": text(l15="mended")}, branch="backport", parent=repository.git("rev-parse", "v1"), tag="v1.1"
    )
    assert pick(store, store.resolve("main"), commits, CLEO).contained == commits
    with GitWorkshop(repository.path) as anew:
        found = pick(anew, anew.resolve("v1.1"), commits, CLEO)
        assert found.contained == commits[:1] and found.head is not None
        assert pick(anew, found.head, commits[1:], CLEO).contained == commits[1:]


def test_conflict_names_commit_and_files_and_leaves_the_source_as_it_was(repository, store):
    repository.commit({"a.txt": text(l15="otherwise")}, tag="v0", branch="old", fresh=True)
    commits = store.sequence("v3..main")
    before = sorted(repository.path.rglob("*"))
    with GitWorkshop(repository.path) as anew:
        found = pick(anew, anew.resolve("v0"), commits, CLEO)
        assert (found.head, found.stopped_at, found.conflicts) == (None, commits[0], ("a.txt",))
        assert sorted(repository.path.rglob("*")) == before


def test_conflict_outside_of_what_ships_stops_nothing_and_stays_as_the_baseline_has_it(tmp_path):
    made = Repository(tmp_path / "shop.git", bare=True)
    made.commit({"src/a.txt": text(), "CHANGES": b"1\n", "notes/old": b"x"}, tag="v1")
    made.commit({"CHANGES": b"2\n1\n", "notes/old": b"y", "src/b.txt": b"b"}, tag="v2")
    changed = {"src/a.txt": text(l15="mended"), "CHANGES": b"mended\n2\n1\n", "notes/old": None, "notes/new": b"n"}
    made.commit(changed, "Mend", author="walt@example.com")
    with GitWorkshop(made.path, tmp_path / "mirror") as store:
        base, commits = store.resolve("v1"), store.sequence("main")
        stopped = pick(store, base, commits, CLEO)
        assert stopped.conflicts == ("CHANGES", "notes/old")
        found = pick(store, base, commits, CLEO, Roots({"app": "src"}))
        assert found.left == ("CHANGES", "notes/old") and found.conflicts == ()
        assert content(made, store, found.head.commit, "src/a.txt") == text(l15="mended")
        assert content(made, store, found.head.commit, "CHANGES") == b"1\n"
        assert content(made, store, found.head.commit, "notes/old") == b"x"
        message = store.raw_commit(found.head.commit).decode()
        assert "\n\nLeft-as-it-was: CHANGES\nLeft-as-it-was: notes/old\n(cherry picked from commit " in message
        assert pick(store, base, commits, CLEO, Roots({"app": "src", "doc": "notes"})).conflicts == ("notes/old",)


def test_file_renamed_since_is_mended_under_its_old_name(repository, tmp_path):
    made = Repository(tmp_path / "other.git", bare=True)
    made.commit({"old/a.txt": text()}, tag="v1")
    made.commit({"old/a.txt": None, "new/a.txt": text()}, tag="v2")
    made.commit({"new/a.txt": text(l15="mended")}, "Mend")
    with GitWorkshop(made.path, tmp_path / "mirror") as store:
        found = pick(store, store.resolve("v1"), store.sequence("main"), CLEO)
        assert content(made, store, found.head.commit, "old/a.txt") == text(l15="mended")


def test_merges_and_empty_ranges_are_refused(repository, store):
    for written, code in (("main..v3", "git.no-commits"), ("v1", "git.merge-commit"), ("-x", "git.ref-option")):
        with pytest.raises(GitError) as refused:
            store.sequence(written)
        assert refused.value.code == code


def test_branch_that_resolves_must_lie_on_the_baseline(repository, store):
    assert resolved(store, store.resolve("v2"), "main").commit == repository.git("rev-parse", "main")
    for base, written in (("v3", "v1"), ("v2", "v2")):
        with pytest.raises(GitError) as refused:
            resolved(store, store.resolve(base), written)
        assert refused.value.code == "git.not-on-baseline"


def test_two_heads_become_one_that_has_both_as_parents(repository, store):
    base = repository.git("rev-parse", "v1")
    repository.commit({"a.txt": text(l3="A")}, "A", branch="a", parent=base)
    repository.commit({"a.txt": text(l33="B")}, "B", branch="b", parent=base)
    repository.commit({"a.txt": text(l3="C")}, "C", branch="c", parent=base)
    with GitWorkshop(repository.path) as anew:
        heads = [anew.resolve(name) for name in ("a", "b", "c")]
        found = join(anew, anew.resolve("v1"), heads[:2], CLEO, "Merge A and B")
        assert found == join(anew, anew.resolve("v1"), heads[:2], CLEO, "Merge A and B")
        assert anew.commit(found.head).parents == (heads[0].commit, heads[1].commit)
        blob = anew.trees([found.head.tree])[found.head.tree][b"a.txt"][1].hex()
        assert next(anew.objects([blob])).data == text(l3="A", l33="B")
        failed = join(anew, anew.resolve("v1"), heads, CLEO, "Merge")
        assert failed.head is None and failed.conflicts == ("a.txt",) and failed.stopped_at == heads[2].commit


def test_kept_commits_travel_in_one_file(repository, store, tmp_path):
    base = store.resolve("v1")
    found = pick(store, base, store.sequence("v3..main"), CLEO)
    store.keep("HF-2026-0001", found.head.commit)
    store.write_pack(["HF-2026-0001"], [base.commit], tmp_path / "fix.pack")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", repository.path, clone], check=True)
    subprocess.run(
        ["git", "-C", clone, "fetch", "-q", tmp_path / "fix.pack", "refs/patchline/*:refs/heads/*"], check=True
    )
    with GitWorkshop(clone) as theirs:
        assert theirs.resolve("HF-2026-0001").commit == found.head.commit
        assert (
            pick(theirs, theirs.resolve("v1"), theirs.sequence("v3..origin/main"), CLEO).head.commit
            == found.head.commit
        )


def test_partial_clone_fetches_what_a_merge_needs(repository, tmp_path):
    clone = tmp_path / "partial"
    repository.git("config", "uploadpack.allowFilter", "true")
    subprocess.run(
        ["git", "clone", "-q", "--bare", "--filter=blob:none", f"file://{repository.path}", clone], check=True
    )
    with GitWorkshop(clone, tmp_path / "mirror") as store:
        found = pick(store, store.resolve("v1"), store.sequence("v3..main"), CLEO)
        assert found.head is not None and found.conflicts == ()


def test_repository_of_sha256_is_carried_in_as_well(tmp_path):
    made = Repository(tmp_path / "shop.git", bare=True, algorithm="sha256")
    made.commit({"a.txt": text()}, tag="v1")
    made.commit({"a.txt": text(l1="new")}, tag="v2")
    made.commit({"a.txt": text(l1="new", l20="mended")}, "Mend")
    with GitWorkshop(made.path, tmp_path / "mirror") as store:
        found = pick(store, store.resolve("v1"), store.sequence("main"), CLEO)
        assert content(made, store, found.head.commit, "a.txt") == text(l20="mended")
