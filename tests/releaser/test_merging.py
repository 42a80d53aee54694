"""Scenario 13: two one-offs that collide at a site, and the hotfix that takes the place of both."""

import io
import zipfile

import pytest

from patchline.releaser.archive_merging import merge_archives
from patchline.releaser.bundle_files import read_bundle
from tests import archives
from tests.programs import run
from tests.registers import BACKENDS, make_home
from tests.repositories import Repository
from tests.worlds import Hotfix, World, approved

LINES = [f"line {number}\n" for number in range(60)]
PEOPLE = """\
key = "a secret of at least 32 characters, made up for this test"

[people]
walt = ["author@example.com"]
bob = ["bob@example.com"]
"""


def text(**changes):
    lines = list(LINES)
    for number, line in changes.items():
        lines[int(number[1:])] = f"{line}\n"
    return "".join(lines).encode()


BASE = {"shared.py": text(), "only-a.py": b"a0", "only-b.py": b"b0", "gone.py": b"gone"}
A = {"shared.py": text(l5="A"), "only-a.py": b"a1", "new/a.py": b"new"}
B = {"shared.py": text(l50="B"), "only-b.py": b"b1", "gone.py": None}
BOTH = {"shared.py": text(l5="A", l50="B"), "only-a.py": b"a1", "only-b.py": b"b1", "new/a.py": b"new"}


@pytest.fixture(params=BACKENDS)
def home(request, tmp_path):
    made = make_home(request.param, tmp_path / "home")
    (tmp_path / "people.toml").write_text(PEOPLE)
    (tmp_path / "out").mkdir()
    patchline(made, "product", "add", "demo")
    return made


def patchline(home, *arguments, **more):
    return run("patchline", *arguments, environment={"PATCHLINE_HOME": str(home), "PATCHLINE_PERSON": "bob"}, **more)


@pytest.fixture
def repository(home, tmp_path):
    made = Repository(tmp_path / "demo.git", bare=True)
    base = made.commit(BASE, tag="v1.0")
    made.commit(A, "A\n\nFixes: BUG-1", branch="a", parent=base)
    made.commit(B, "B\n\nFixes: BUG-3", branch="b", parent=base)
    patchline(home, "baseline", "add", "1.0", "--product", "demo", "--repo", made.path, "--tag", "v1.0")
    return made


def carried(home, repository, branch, fix, folder, *more):
    document = patchline(
        home, "hotfix", "carry", branch, "--product", "demo", "--to", "1.0", "--repo", repository.path, "--fix",
        f"{fix}=Mend {fix}", "--people", folder / "people.toml", "--out", folder / "out", "--json", *more,
    ).document  # fmt: skip
    return document["baselines"][0]["hotfix"]


def merge(home, repository, folder, *arguments, **more):
    given = ["--repo", repository.path, "--people", folder / "people.toml", "--out", folder / "out"]
    return patchline(home, "hotfix", "merge", *arguments, *given, **more)


def offer(folder, identifier):
    """Sign a bundle as the vendor's people do, for a site."""
    path = folder / "out" / f"{identifier}-r1.hotfix"
    found = read_bundle(path)
    return Hotfix(approved(found.manifest, path, found.container), path)


def site(folder, name):
    (folder / name).mkdir()
    return World(folder / name, dict(BASE))


def contents(world):
    return {path: found[1] for path, found in world.tree().items() if found[1] is not None}


def test_merge_goes_onto_the_baseline_and_onto_either_and_takes_their_place(home, repository, tmp_path):
    one, other = carried(home, repository, "a", "BUG-1", tmp_path), carried(home, repository, "b", "BUG-3", tmp_path)
    merged = merge(home, repository, tmp_path, one, other, "--json").document["hotfix"]
    a, b, m = (offer(tmp_path, identifier) for identifier in (one, other, merged))
    assert [reference.hotfix for reference in m.manifest.relations.merges] == [one, other]
    assert [reference.manifest for reference in m.manifest.relations.merges] == [a.manifest.digest, b.manifest.digest]
    shared = m.manifest.entries["app", "shared.py"]
    posts = {item.manifest.entries["app", "shared.py"].post for item in (a, b)}
    assert set(shared.pre) == posts | {a.manifest.entries["app", "shared.py"].pre[0]}
    assert shared.fixes == ("BUG-1", "BUG-3") and m.manifest.full_fixes == {"BUG-1", "BUG-3"}
    assert m.manifest.contributors == ("bob", "walt")

    plain = site(tmp_path, "plain")
    plain.apply(m)
    assert contents(plain) == BOTH
    plain.rollback(merged)
    assert contents(plain) == BASE

    for name, before in (("over a", a), ("over b", b)):
        world = site(tmp_path, name)
        world.apply(before)
        earlier = contents(world)
        world.apply(m)
        assert contents(world) == BOTH
        world.rollback(merged)
        assert contents(world) == earlier

    refused = site(tmp_path, "refused")
    refused.apply(a)
    assert refused.refusals(b)
    refused.apply(m)
    assert contents(refused) == BOTH


def test_two_hotfixes_of_one_line_collide_until_a_branch_solves_it(home, repository, tmp_path):
    base = repository.git("rev-parse", "v1.0")
    repository.commit({"shared.py": text(l5="C")}, "C", branch="c", parent=base)
    one, other = carried(home, repository, "a", "BUG-1", tmp_path), carried(home, repository, "c", "BUG-5", tmp_path)
    refused = merge(home, repository, tmp_path, one, other, expect=14)
    assert "collide in shared.py" in refused.err and "--head" in refused.err
    assert patchline(home, "issue", "list", "--json").document == []
    solved = {**A, "shared.py": text(l5="A and C")}
    repository.commit(solved, "Merge", branch="solved", parent=base)
    merged = merge(home, repository, tmp_path, one, other, "--head", "solved", "--json").document["hotfix"]
    world = site(tmp_path, "site")
    world.apply(offer(tmp_path, other))
    world.apply(offer(tmp_path, merged))
    assert contents(world)["shared.py"] == text(l5="A and C")


@pytest.mark.parametrize("arguments", [("HF-2026-0001", "HF-2026-0001"), ("HF-2026-0001", "HF-2026-0009")])
def test_what_cannot_be_merged_is_refused(home, repository, tmp_path, arguments):
    carried(home, repository, "a", "BUG-1", tmp_path)
    refused = merge(home, repository, tmp_path, *arguments, expect=14 if arguments[0] == arguments[1] else 11)
    assert "hint: " in refused.err
    merge(
        home,
        repository,
        tmp_path,
        *arguments,
        "--base-dir",
        tmp_path,
        expect=14 if arguments[0] == arguments[1] else 11,
    )


def test_hotfixes_for_customers_of_whom_none_may_have_both_are_not_merged(home, repository, tmp_path):
    one = carried(home, repository, "a", "BUG-1", tmp_path, "--customer", "acme")
    other = carried(home, repository, "b", "BUG-3", tmp_path, "--customer", "globex")
    assert merge(home, repository, tmp_path, one, other, expect=12).err


# Archives


def members(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def merged_archive(base, one, other):
    out = io.BytesIO()
    conflicts = merge_archives(*(io.BytesIO(data) for data in (base, one, other)), out)
    return conflicts, out.getvalue()


def jar(**changes):
    listed = {"META-INF/MANIFEST.MF": b"Created-By: x\n\n", "a.class": b"a0", "b.class": b"b0", "c.class": b"c0"}
    listed.update({f"{name}.class": data for name, data in changes.items()})
    return archives.zipped({name: data for name, data in listed.items() if data is not None})


def test_jars_are_merged_by_members():
    one, other = jar(a=b"a1", new=b"n"), jar(b=b"b1", c=None)
    conflicts, data = merged_archive(jar(), one, other)
    assert conflicts == []
    assert members(data) == {**members(jar(a=b"a1", b=b"b1", c=None)), "new.class": b"n"}
    assert merged_archive(jar(), one, other)[1] == data


def test_jar_in_a_war_is_merged_too():
    base, one, other = (archives.zipped({"lib/x.jar": jar(**c)}) for c in ({}, {"a": b"a1"}, {"b": b"b1"}))
    conflicts, data = merged_archive(base, one, other)
    assert conflicts == [] and members(members(data)["lib/x.jar"]) == members(jar(a=b"a1", b=b"b1"))


@pytest.mark.parametrize(
    ("one", "other", "named"),
    [
        (jar(a=b"a1"), jar(a=b"a2"), "a.class"),
        (jar(a=b"a1"), jar(a=None), "a.class"),
        (jar(new=b"1"), jar(new=b"2"), "new.class"),
        (jar(a=b"a1"), b"no archive", "(not to be read"),
        (archives.zipped({"META-INF/X.SF": b""}), jar(), "META-INF/X.SF"),
        (jar(a=b"a1"), b"#!/bin/sh\n" + jar(), None),
        (b"#!/bin/bash\n" + jar(), b"#!/bin/sh\n" + jar(), "(what stands before"),
    ],
)
def test_members_that_both_changed_are_named(one, other, named):
    conflicts, data = merged_archive(jar(), one, other)
    if named is None:
        assert conflicts == [] and data.startswith(b"#!/bin/sh\n") and members(data)["a.class"] == b"a1"
    else:
        assert len(conflicts) == 1 and conflicts[0].startswith(named)


# Folders of built files


def lay(folder, files):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if data is not None:
            (folder / name).write_bytes(data)
    return folder


def built(home, folder, identifier, base, head, fix):
    """Build a hotfix from folders and take it into the register."""
    from patchline.releaser import bundles, hotfixes, intake
    from patchline.releaser.register import opened
    from tests.registers import NOW

    path = folder / "out" / f"{identifier}-r1.hotfix"
    patchline(
        home, "bundle", "build", "--base-dir", base, "--head-dir", head, "--source", "the release farm",
        "--contributor", "walt", "--id", identifier, "--product", "demo", "--baseline", "1.0", "--fix", f"{fix}=x",
        "--out", path,
    )  # fmt: skip
    with opened(home) as register:
        found = read_bundle(path)
        size = bundles.keep(register, found)
        with register.change("cleo", NOW) as change:
            hotfixes.new(change, hotfixes.Wanted("demo", "1.0", "x", fixes=(fix,)), identifier)
            intake.take(change, identifier, found, size)


def test_hotfixes_from_folders_are_merged_by_files_and_by_members_of_jars(home, tmp_path):
    base = {"lib/x.jar": jar(), "a.txt": b"a0", "old/gone.txt": b"gone", "b.txt": b"b0"}
    one = {**base, "lib/x.jar": jar(a=b"a1"), "a.txt": b"a1", "new/n.txt": b"n"}
    other = {**base, "lib/x.jar": jar(b=b"b1"), "b.txt": b"b1"}
    del other["old/gone.txt"]
    folders = [lay(tmp_path / name, tree) for name, tree in (("base", base), ("one", one), ("other", other))]
    patchline(home, "baseline", "add", "1.0", "--product", "demo", "--artefacts", folders[0], "--source", "the farm")
    built(home, tmp_path, "HF-A", folders[0], folders[1], "BUG-1")
    built(home, tmp_path, "HF-B", folders[0], folders[2], "BUG-3")
    given = ["HF-A", "HF-B", "--out", tmp_path / "out", "--json"]
    patchline(home, "hotfix", "merge", *given, expect=2)
    patchline(home, "hotfix", "merge", *given, "--base-dir", folders[1], expect=14)
    before = {path: path.stat() for path in folders[0].rglob("*")}
    merged = patchline(home, "hotfix", "merge", *given, "--base-dir", folders[0]).document["hotfix"]
    assert {path: path.stat().st_mtime_ns for path in before} == {p: s.st_mtime_ns for p, s in before.items()}
    worlds = []
    for name, first in (("plain", None), ("over a", "HF-A"), ("over b", "HF-B")):
        (tmp_path / name).mkdir()
        world = World(tmp_path / name, dict(base))
        if first:
            world.apply(offer(tmp_path, first))
        world.apply(offer(tmp_path, merged))
        worlds.append(contents(world))
    assert worlds[0] == worlds[1] == worlds[2]
    assert members(worlds[0].pop("lib/x.jar")) == members(jar(a=b"a1", b=b"b1"))
    assert worlds[0] == {"a.txt": b"a1", "b.txt": b"b1", "new/n.txt": b"n"}
