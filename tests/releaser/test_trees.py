import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patchline.patches.errors import BuildError, GitError
from patchline.releaser.folders import FolderTree
from patchline.releaser.git_objects import read_commit, read_tree
from patchline.releaser.git_store import GitStore
from patchline.releaser.trees import GitTree, Roots, compare, compare_commits
from tests.repositories import Executable, LinkTo, Repository

NAMES = st.sampled_from([b"a", b"b", b"a.b", b"ab", b":x", b"n\nl", b"lat\xe9", b"\xc3\xa9"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(b"/".join)
CONTENTS = st.sampled_from([b"", b"1", b"2", Executable(b"1"), LinkTo(b"a"), LinkTo(b"1")])


def without_clashes(files):
    """Drop what lies below something that is no folder."""
    kept = {}
    for path in sorted(files, key=lambda name: name.count(b"/")):
        parts = path.split(b"/")
        if not any(b"/".join(parts[:depth]) in kept for depth in range(1, len(parts))):
            kept[path] = files[path]
    return kept


TREES = st.dictionaries(PATHS, CONTENTS, max_size=8).map(without_clashes)


def kind_of(content):
    return "link" if isinstance(content, LinkTo) else "executable" if isinstance(content, Executable) else "file"


def expected(before, after):
    """Paths of files and links that differ, by comparing the two dictionaries."""
    return {
        path
        for path in before.keys() | after.keys()
        if (path in before) != (path in after)
        or (kind_of(before[path]), bytes(before[path])) != (kind_of(after[path]), bytes(after[path]))
    }


def leaves(differences):
    return {
        item.path
        for item in differences
        if any(node is not None and node.kind != "folder" for node in (item.base, item.head))
    }


def put(folder, files):
    for path, content in files.items():
        target = os.fsencode(folder) + b"/" + path
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if isinstance(content, LinkTo):
            os.symlink(bytes(content), target)
            continue
        with open(target, "wb") as file:
            file.write(content)
        os.chmod(target, 0o755 if isinstance(content, Executable) else 0o644)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(before=TREES, after=TREES)
def test_folders_and_git_give_the_differences_there_are(before, after):
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        repository = Repository(place / "repository")
        repository.commit(before or {"x": None}, tag="old")
        repository.commit({**dict.fromkeys(before), **after}, tag="new")
        with GitStore(repository.path) as store:
            found = compare_commits(store, store.resolve("old").tree, store.resolve("new").tree)
        assert leaves(found) == expected(before, after)
        for side, files in (("before", before), ("after", after)):
            (place / side).mkdir()
            put(place / side, files)
        assert leaves(compare(FolderTree(place / "before"), FolderTree(place / "after"))) == expected(before, after)


def test_only_folders_that_differ_are_read(tmp_path, monkeypatch):
    repository = Repository(tmp_path / "product")
    repository.commit({f"{folder}/{name}": b"1" for folder in "abcdef" for name in "xyz"}, tag="old")
    repository.commit({"c/y": b"2"}, tag="new")
    with GitStore(repository.path) as store:
        read = []
        real = store.trees
        monkeypatch.setattr(store, "trees", lambda oids: read.append(len(oids)) or real(oids))
        compare(GitTree(store, store.resolve("old").tree), GitTree(store, store.resolve("new").tree))
    assert read == [1, 1, 1, 1]


def test_git_and_trees_that_disagree_stop_everything(tmp_path, monkeypatch):
    repository = Repository(tmp_path / "product")
    repository.commit({"a": b"1"}, tag="old")
    repository.commit({"a": b"2"}, tag="new")
    with GitStore(repository.path) as store:
        old, new = store.resolve("old").tree, store.resolve("new").tree
        monkeypatch.setattr(store, "differences", lambda base, head: {})
        with pytest.raises(GitError, match="'a'"):
            compare_commits(store, old, new)


@pytest.mark.parametrize(
    "data",
    [
        b"100644 .git\0" + bytes(20),
        b"100644 .GiT\0" + bytes(20),
        b"100644 ..\0" + bytes(20),
        b"100644 a/b\0" + bytes(20),
        b"100644 a\0" + bytes(20) + b"100644 a\0" + bytes(20),
        b"100600 a\0" + bytes(20),
        b"100644 a\0" + bytes(19),
        b"100644 \0" + bytes(20),
        b"nonsense",
    ],
)
def test_tree_that_git_would_not_check_out_is_refused(data):
    with pytest.raises(GitError) as caught:
        read_tree("0" * 40, data, "sha1")
    assert caught.value.code == "git.tree-malformed"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"tree 1\n\nmessage",
        b"tree 1\nauthor a <a> 1 +0000\ncommitter nobody\n\nx",
        b"tree 1\nauthor a <a> 1 +0000\nauthor b <b> 1 +0000\ncommitter a <a> 1 +0000\n\nx",
    ],
)
def test_commit_that_names_nobody_is_refused(data):
    with pytest.raises(GitError) as caught:
        read_commit("0" * 40, data)
    assert caught.value.code == "git.commit-malformed"


def test_trailers_are_found_wherever_a_squash_left_them():
    message = (
        "Squashed\n\n* one\n\nFixes: BUG-1, BUG-2\nCo-authored-by: B <B@Example.com>\n\n* two\n\nfixes: BUG-3\n\nend"
    )
    data = f"tree 1\nauthor a <A@x> 1 +0000\ncommitter c <c@x> 1 +0000\n\n{message}".encode()
    commit = read_commit("0" * 40, data)
    assert commit.fixes == {"BUG-1", "BUG-2", "BUG-3"}
    assert commit.mails == {"a@x", "c@x", "b@example.com"}


def test_trailer_may_name_another_commit_with_its_subject():
    message = 'Mend\n\nFixes: abc1234 ("a subject, with words")\nFixes: #77\n'
    data = f"tree 1\nauthor a <a@x> 1 +0000\ncommitter c <c@x> 1 +0000\n\n{message}".encode()
    assert {"abc1234", "77"} <= read_commit("0" * 40, data).fixes


def test_commit_in_another_encoding_is_read():
    data = b"tree 1\nauthor \xe4 <a@x> 1 +0000\ncommitter c <c@x> 1 +0000\nencoding latin-1\n\n\xe4\xf6\xfc"
    assert read_commit("0" * 40, data).subject == "äöü"


def test_longest_prefix_decides_the_root():
    roots = Roots({"app": "", "etc": "conf", "data": "conf/data"})
    assert roots.place(b"conf/data/x") == ("data", "x")
    assert roots.place(b"conf/x") == ("etc", "x")
    assert roots.place(b"config/x") == ("app", "config/x")
    assert Roots({"etc": "conf"}).place(b"other") is None


def test_root_that_is_a_file_is_refused():
    with pytest.raises(BuildError) as caught:
        Roots({"app": "", "etc": "conf"}).place(b"conf")
    assert caught.value.code == "build.root-not-folder"


def test_name_beyond_the_roots_may_be_anything():
    assert Roots({"etc": "conf"}).place(b"lat\xe9n") is None
