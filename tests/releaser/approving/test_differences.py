import subprocess

import pytest

from patchline.patches.errors import StoreError
from patchline.patches.manifest import Manifest
from patchline.releaser import bundles, hotfixes
from patchline.releaser.approving import images
from patchline.releaser.approving.differences import MOST_LINES, differences, shown
from tests.hotfixes import changed, content
from tests.samples import ABSENT, entry, file_state, link_state, manifest_document, sha256


def told(files, *contents, **changes):
    found = differences(
        Manifest.from_document(manifest_document(files, **changes)), {sha256(one): one for one in contents}
    )
    return found


def one(pre, post, *contents, **changes):
    [found] = told([entry("a", pre, post, **changes)], *contents).files
    return found


def test_lines_are_compared_with_what_surrounds_them():
    before = b"".join(b"%d\n" % number for number in range(20))
    after = before.replace(b"9\n", b"nine\n", 1)
    found = one(file_state(before), file_state(after), before, after)
    assert found.change == "change" and found.note is None
    assert [line for line in found.lines if line[0] in "+-"] == [("-", "9"), ("+", "nine")]
    assert len([line for line in found.lines if line[0] == " "]) == 6


def test_added_and_removed_files_are_shown_whole():
    data = b"one\ntwo"
    added = one(ABSENT, file_state(data), data)
    assert (added.change, [text for sign, text in added.lines if sign == "+"]) == ("add", ["one", "two"])
    removed = one(file_state(data), ABSENT, data)
    assert (removed.change, [text for sign, text in removed.lines if sign == "-"]) == ("remove", ["one", "two"])
    assert one(ABSENT, file_state(b""), b"").lines == ()


@pytest.mark.parametrize(
    ("pre", "post", "contents", "note"),
    [
        (file_state(b"a\0"), file_state(b"b\0"), [b"a\0", b"b\0"], "binary"),
        (file_state(b"\xff"), file_state(b"b"), [b"\xff", b"b"], "binary"),
        (file_state(b"a"), file_state(b"b"), [b"b"], "what was there before is not at hand"),
        (file_state(b"a"), file_state(b"b"), [b"a"], "too large to be shown here"),
        (file_state(b"a"), ABSENT, [], "what was there before is not at hand"),
        (file_state(b"a"), link_state("b"), [b"a"], "no file of text"),
        (ABSENT, file_state(b"x\n" * 1501), [b"x\n" * 1501], "more than are compared here"),
    ],
)
def test_what_is_not_shown_is_said(pre, post, contents, note):
    found = one(pre, post, *contents)
    assert found.lines == () and note in found.note


def test_what_else_changes_is_told_beside():
    found = one([file_state(b"a"), file_state(b"c")], file_state(b"b", True), b"a", b"b", optional=True)
    assert found.facts == ("optional", "accepts 2 states before", "1 B", "becomes executable", "BUG-1")


def test_a_page_has_an_end():
    data = b"x\n" * 1400
    files = [entry(f"f{number:03}", ABSENT, file_state(data)) for number in range(250)]
    found = told(files, data)
    assert (len(found.files), found.more) == (200, 50)
    assert sum(len(file.lines) for file in found.files) <= MOST_LINES
    assert "more than fit here" in found.files[-1].note
    long = b"y" * 1000
    [_, line] = one(ABSENT, file_state(long), long).lines
    assert line[1].endswith("… (1000 characters)")


def test_characters_that_turn_what_is_shown_are_written_out():
    assert shown("safe\u202etxt.exe\x1b[2J\u200b\r") == "safe\\u{202e}txt.exe\\u{1b}[2J\\u{200b}\\u{d}"
    assert shown("a\tb ü 漢") == "a\tb ü 漢"


def repository(folder, before, after):
    """A repository with two commits; returns their trees."""
    who = ["-c", "user.name=W", "-c", "user.email=w@example.com"]
    subprocess.run(["git", "init", "-q", folder], check=True)
    trees = []
    for data in (before, after):
        (folder / "a.txt").write_bytes(data)
        for line in (["add", "."], ["commit", "-q", "-m", "x"]):
            subprocess.run(["git", "-C", folder, *who, *line], check=True)
        told = subprocess.run(["git", "-C", folder, "rev-parse", "HEAD^{tree}"], check=True, capture_output=True)
        trees.append(told.stdout.decode().strip())
    return trees


def read(life, folder, before, after, stated):
    """The images of a bundle that says it was built from a repository in which `before` became `after`."""
    trees = repository(folder, before, after)
    base = {"kind": "git", "repository": "demo", "base_tag": None, "base_commit": "a" * 40, "head_commit": "b" * 40}
    source = {**base, "base_tree": trees[0], "head_tree": trees[1], "commits": ["b" * 40]}
    identifier = life.new()
    life.build(identifier, files=[changed("a.txt", stated, after)], provenance=source)
    with life.register.read() as session:
        kept = bundles.release_set(session, hotfixes.find(session, identifier))
    return images.read(life.register, kept, str(folder), "demo").contents, kept


def test_what_git_has_counts_only_by_its_digest(life, tmp_path):
    life.prepare()
    before, after = content(b"old\n"), content(b"new\n")
    contents, _ = read(life, tmp_path / "honest", before, after, before)
    assert contents[sha256(before)] == before and contents[sha256(after)] == after
    # The same bundle, and a repository that would show something harmless as what was there before.
    contents, _ = read(life, tmp_path / "lying", b"new \n", after, before)
    assert sha256(before) not in contents and contents[sha256(after)] == after


def test_a_bundle_that_was_exchanged_in_the_store_is_not_shown(life, tmp_path):
    life.prepare()
    _, kept = read(life, tmp_path / "repository", b"old\n", b"new\n", content(b"old\n"))
    path = life.register.home / "bundles" / bundles.bundle_place(kept.container)
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(data.replace(b"Mend BUG-1", b"Bend BUG-1"))
    with pytest.raises(StoreError, match="another one than was approved"):
        images.read(life.register, kept, None, "demo")


def test_a_large_bundle_is_left_out_and_that_is_said(life, tmp_path, monkeypatch):
    life.prepare()
    _, kept = read(life, tmp_path / "repository", b"old\n", b"new\n", content(b"old\n"))
    monkeypatch.setattr(images, "LARGEST_BUNDLE", 10)
    found = images.read(life.register, kept, None, "demo")
    assert found.contents == {} and "patchline bundle show" in found.left_out
