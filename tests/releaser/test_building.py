import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from patchline.patches.errors import PatchlineError
from patchline.patches.manifest import ABSENT, File, Folder, Link
from patchline.patches.provenance import Provenance
from patchline.releaser.building import FolderOrigin, GitOrigin, Wanted, build
from patchline.releaser.bundle_files import read_bundle
from patchline.releaser.composing import Order
from patchline.releaser.people import read_people
from patchline.releaser.rebuilding import rebuild
from patchline.releaser.recipe import Authored, read_recipe
from tests.repositories import Executable, LinkTo, Repository, Submodule, run_git
from tests.samples import sha256

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("PATCHLINE_HOME", str(tmp_path / "home"))


@pytest.fixture
def repository(tmp_path):
    made = Repository(tmp_path / "product")
    made.commit(
        {
            "bin/run": b"#!/bin/sh\n",
            "conf/app.ini": b"[app]\nport = 1\n",
            "lib/a.py": b"a = 1\n",
            "lib/gone.py": b"gone\n",
            "lib/kind": b"file\n",
            "logo.png": bytes(range(256)),
        },
        tag="1.0",
    )
    made.commit(
        {
            "bin/run": Executable(b"#!/bin/sh\n"),
            "conf/app.ini": b"[app]\nport = 2\n",
            "lib/a.py": b"a = 2\n",
            "lib/gone.py": None,
            "lib/kind": LinkTo(b"a.py"),
            "lib/moved.py": b"gone\n",
            "logo.png": bytes(range(255, -1, -1)),
        },
        "Mend\n\nFixes: BUG-1",
        tag="1.0.1",
        author="ada@example.com",
    )
    return made


def order(**changes):
    values = {"hotfix": "HF-2026-0001", "product": "shop", "baselines": ("1.0",), "fix_titles": {"BUG-1": "Mend it"}}
    return Order(**{**values, **changes})


def wanted(repository, *, base="1.0", head="1.0.1", authored=None, **changes):
    extra = {key: changes.pop(key) for key in ("people", "onto", "allow") if key in changes}
    return Wanted(order(**changes), authored or Authored(), GitOrigin(repository.path, base, head), **extra)


def built(what, tmp_path, name="out.hotfix"):
    return build(what, tmp_path / name, lambda: NOW)


def code_of(action, *arguments, **named):
    with pytest.raises(PatchlineError) as caught:
        action(*arguments, **named)
    return caught.value.code


def refused(what, tmp_path):
    code = code_of(built, what, tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith((".patchline", "out"))]
    return code


def recipe(tmp_path, text):
    path = tmp_path / "hotfix.toml"
    path.write_text(text)
    return read_recipe(path)


def test_states_modes_links_deletions_and_renames_are_carried(repository, tmp_path):
    manifest = built(wanted(repository), tmp_path).manifest
    posts = {entry.path: (entry.pre, entry.post) for entry in manifest.files}
    assert posts["bin/run"] == ((File(sha256(b"#!/bin/sh\n"), 10, False),), File(sha256(b"#!/bin/sh\n"), 10, True))
    assert posts["lib/gone.py"][1] == ABSENT
    assert posts["lib/moved.py"] == ((ABSENT,), File(sha256(b"gone\n"), 5, False))
    assert posts["lib/kind"] == ((File(sha256(b"file\n"), 5, False),), Link("a.py"))
    assert len(posts) == 7
    assert manifest.provenance["base_tag"] == "1.0"
    assert manifest.provenance["head_commit"] == repository.git("rev-parse", "1.0.1")
    assert manifest.severity == "moderate"
    assert manifest.title == "Mend it"


def test_file_that_becomes_a_folder_and_back_is_carried(tmp_path):
    made = Repository(tmp_path / "product")
    made.commit({"x": b"file", "y/in": b"1", "z": b"same"}, tag="1.0")
    made.commit({"x": None, "x/in": b"1", "y/in": None, "y": b"file"}, tag="1.0.1")
    entries = {entry.path: entry for entry in built(wanted(made), tmp_path).manifest.files}
    assert entries["x"].post == Folder()
    assert entries["x/in"].pre == (ABSENT,)
    assert entries["y"].pre == (Folder(),)
    assert entries["y/in"].post == ABSENT


def test_statement_tells_how_it_was_built_and_belongs_to_the_bundle(repository, tmp_path):
    people = tmp_path / "people.toml"
    people.write_text(f'key = "{"k" * 32}"\n[people]\nada = ["ada@example.com"]\n')
    made = built(wanted(repository, people=read_people(people)), tmp_path)
    statement = Provenance.parse((tmp_path / "out.hotfix.statement.json").read_bytes(), "statement")
    bundle = read_bundle(tmp_path / "out.hotfix")
    statement.check_for(bundle.manifest)
    assert statement.containers == {bundle.container} == {made.container}
    assert "git" in json.dumps(statement.record)
    assert "ada" in made.manifest.contributors
    assert len(made.manifest.contributors) == 2
    assert made.warnings == ()


def test_builder_without_people_is_warned_and_nobody_is_named(repository, tmp_path):
    made = built(wanted(repository), tmp_path)
    assert all(name.startswith("unknown:") for name in made.manifest.contributors)
    assert b"ada@example.com" not in (tmp_path / "out.hotfix").read_bytes()
    assert "--people" in made.warnings[0]


def test_config_carries_its_base_and_classes_come_from_the_recipe(repository, tmp_path):
    authored = recipe(tmp_path, '[classes]\nconfig = ["conf/**"]\nasset = ["*.png"]\n')
    manifest = built(wanted(repository, authored=authored), tmp_path).manifest
    classes = {entry.path: entry.file_class for entry in manifest.files}
    assert (classes["conf/app.ini"], classes["logo.png"], classes["lib/a.py"]) == ("config", "asset", "code")
    names = [member.name for member in manifest.payload]
    assert [name for name in names if name.startswith("base/")] == ["base/" + sha256(b"[app]\nport = 1\n")]


def test_same_input_gives_the_same_manifest_and_payload_anywhere(repository, tmp_path):
    first = built(wanted(repository), tmp_path, "one.hotfix")
    clone = tmp_path / "elsewhere"
    run_git("clone", "-q", "--bare", repository.path, clone)
    run_git("repack", "-adfq", "--depth=1", cwd=clone)
    program = (
        "from tests.releaser.test_building import *\nos.umask(0o077)\n"
        f"what = Wanted(order(), Authored(), GitOrigin(Path({str(clone)!r}), 'refs/tags/1.0', '1.0.1'))\n"
        f"print(build(what, Path({str(tmp_path / 'two.hotfix')!r}), lambda: datetime.now(UTC)).record.payload)\n"
    )
    environment = {**os.environ, "TZ": "Pacific/Kiritimati", "LC_ALL": "C", "LANG": "tr_TR.UTF-8", "PYTHONPATH": "."}
    payload = subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
    second = read_bundle(tmp_path / "two.hotfix")
    assert second.manifest.data == first.manifest.data
    assert payload == first.record.payload


# What people write


def test_several_fixes_are_told_apart_by_trailers_recipe_and_options(repository, tmp_path):
    repository.commit({"lib/b.py": b"b\n"}, "More\n\nFixes: BUG-2", tag="1.0.2")
    titles = {"BUG-1": "One", "BUG-2": "Two"}
    what = wanted(repository, head="1.0.2", fix_titles=titles, fix_paths={"BUG-2": ("logo.png",)})
    found = {entry.path: entry.fixes for entry in built(what, tmp_path).manifest.files}
    assert found["lib/b.py"] == found["logo.png"] == ("BUG-2",)
    assert found["lib/a.py"] == ("BUG-1",)


def test_path_that_no_fix_explains_stops_the_build(repository, tmp_path):
    repository.commit({"lib/b.py": b"b\n"}, "Nobody says why", tag="1.0.2")
    what = wanted(repository, head="1.0.2", fix_titles={"BUG-1": "One", "BUG-2": "Two"})
    with pytest.raises(PatchlineError, match=r"app/lib/b\.py") as caught:
        built(what, tmp_path)
    assert caught.value.code == "build.unexplained"


def test_fix_that_touches_nothing_stops_the_build(repository, tmp_path):
    assert (
        refused(wanted(repository, fix_titles={"BUG-1": "One", "BUG-2": "Two"}), tmp_path) == "build.fix-without-path"
    )


def test_pattern_that_matches_nothing_stops_the_build(repository, tmp_path):
    what = wanted(repository, fix_paths={"BUG-1": ("nowhere/**",)})
    assert refused(what, tmp_path) == "build.pattern-unmatched"
    assert refused(wanted(repository, fix_paths={"BUG-9": ("*",)}), tmp_path) == "build.fix-unknown"


def test_options_win_over_the_recipe(repository, tmp_path):
    text = (
        'title = "From recipe"\nseverity = "low"\n[[fixes]]\nid = "BUG-1"\ntitle = "Recipe"\ncve = ["CVE-2026-1234"]\n'
    )
    what = wanted(repository, authored=recipe(tmp_path, text), severity="critical", fix_titles={"BUG-1": "Option"})
    manifest = built(what, tmp_path).manifest
    assert (manifest.title, manifest.severity) == ("From recipe", "critical")
    assert (manifest.fixes[0].title, manifest.fixes[0].cve) == ("Option", ("CVE-2026-1234",))


def test_several_roots_take_their_parts_of_the_tree_and_tell_what_is_left(repository, tmp_path):
    authored = recipe(tmp_path, '[roots]\napp = "lib"\netc = "conf"\n')
    made = built(wanted(repository, authored=authored), tmp_path)
    places = {entry.place for entry in made.manifest.files}
    assert ("etc", "app.ini") in places
    assert ("app", "a.py") in places
    assert made.outside == ("bin/run", "logo.png")
    assert made.manifest.provenance["roots"] == {"app": "lib", "etc": "conf"}
    assert any("outside" in warning for warning in made.warnings)


def test_one_folder_can_be_the_product(repository, tmp_path):
    made = built(wanted(repository, authored=Authored().below("lib")), tmp_path)
    assert {entry.path for entry in made.manifest.files} == {"a.py", "gone.py", "kind", "moved.py"}
    assert rebuild(tmp_path / "out.hotfix", repo=repository.path).reproduced


def test_steps_bring_their_scripts(repository, tmp_path):
    (tmp_path / "restart.sh").write_text("echo restarted\n")
    text = (
        '[[steps]]\nid = "restart"\nphase = "start"\nscript = "restart.sh"\ninterpreter = "/bin/sh"\n'
        '[[steps]]\nid = "alive"\nphase = "health"\nscript = "restart.sh"\ninterpreter = "/bin/sh"\ntimeout_s = 5\n'
    )
    manifest = built(wanted(repository, authored=recipe(tmp_path, text)), tmp_path).manifest
    assert [step.id for step in manifest.steps] == ["restart", "alive"]
    assert manifest.checks == ("alive",)
    assert [member.sha256 for member in manifest.scripts] == [sha256(b"echo restarted\n")]


def test_hotfix_may_have_steps_and_no_files(repository, tmp_path):
    authored = recipe(tmp_path, 'guidance = ["manual:Set cache to 0"]\n')
    manifest = built(wanted(repository, head="1.0", authored=authored), tmp_path).manifest
    assert manifest.files == ()
    assert manifest.guidance == ("manual:Set cache to 0",)


# What cannot be built


def test_empty_range_without_steps_is_refused(repository, tmp_path):
    assert refused(wanted(repository, head="1.0"), tmp_path) == "build.empty"


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({b"lat\xe9n": b"1"}, "build.path-encoding"),
        ({"a\nb": b"1"}, "build.path"),
        ({"-rf": b"1"}, "build.path"),
        ({"dot.": b"1"}, "build.path"),
        ({".patchline/x": b"1"}, "build.path"),
        ({"out": LinkTo(b"../../etc/passwd")}, "build.link"),
        ({"abs": LinkTo(b"/etc/passwd")}, "build.link"),
        ({"bytes": LinkTo(b"\xff")}, "build.link-encoding"),
        ({"module": Submodule(b"1" * 40)}, "git.submodule"),
        ({"big": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"}, "git.lfs-pointer"),
    ],
)
def test_what_no_bundle_can_carry_is_refused_by_name(repository, tmp_path, files, code):
    repository.commit(files, tag="bad")
    assert refused(wanted(repository, head="bad"), tmp_path) == code


def test_names_that_one_platform_cannot_hold_are_refused_for_it_alone(repository, tmp_path):
    repository.commit({"lib/A.py": b"1"}, tag="twin")
    built(wanted(repository, head="twin"), tmp_path, "linux.hotfix")
    windows = recipe(tmp_path, 'platforms = ["linux", "windows"]\n')
    assert refused(wanted(repository, head="twin", authored=windows), tmp_path) == "build.path-twin"
    repository.commit({"lib/A.py": None, "lib/aux.txt": b"1"}, tag="reserved")
    assert refused(wanted(repository, head="reserved", authored=windows), tmp_path) == "build.path"


def test_twin_of_a_file_that_did_not_change_is_found(repository, tmp_path):
    repository.commit({"lib/KEEP": b"1"}, tag="base")
    repository.commit({"lib/keep": b"1"}, tag="twin")
    macos = recipe(tmp_path, 'platforms = ["macos"]\n')
    assert refused(wanted(repository, base="base", head="twin", authored=macos), tmp_path) == "build.path-twin"


def test_twin_in_another_normal_form_is_refused_everywhere(repository, tmp_path):
    repository.commit({"lib/caf\u00e9": b"1"}, tag="base")
    repository.commit({"lib/cafe\u0301": b"1"}, tag="twin")
    assert refused(wanted(repository, base="base", head="twin"), tmp_path) == "build.path-twin"


def test_existing_file_is_never_replaced(repository, tmp_path):
    (tmp_path / "out.hotfix").write_text("mine")
    assert code_of(built, wanted(repository), tmp_path) == "refused.file-exists"
    assert (tmp_path / "out.hotfix").read_text() == "mine"


# Earlier hotfixes


def second(repository, tmp_path, **changes):
    """A first hotfix, and material for a second one on the same files."""
    built(wanted(repository), tmp_path, "first.hotfix")
    repository.commit({"lib/a.py": b"a = 3\n", "lib/b.py": b"b\n"}, "More\n\nFixes: BUG-2", tag="1.0.2")
    changes = {"hotfix": "HF-2026-0002", "fix_titles": {"BUG-2": "Two"}, **changes}
    return wanted(repository, head="1.0.2", onto=(tmp_path / "first.hotfix",), **changes)


def test_state_an_earlier_hotfix_left_is_accepted(repository, tmp_path):
    manifest = built(second(repository, tmp_path), tmp_path).manifest
    entries = {entry.path: entry for entry in manifest.files}
    assert [state.sha256 for state in entries["lib/a.py"].pre] == [sha256(b"a = 1\n"), sha256(b"a = 2\n")]
    assert entries["lib/moved.py"].pre == (ABSENT,)


def test_config_left_by_an_earlier_hotfix_is_carried_as_base(repository, tmp_path):
    authored = recipe(tmp_path, '[classes]\nconfig = ["conf/**"]\n')
    built(wanted(repository, authored=authored), tmp_path, "first.hotfix")
    repository.commit({"conf/app.ini": b"[app]\nport = 3\n"}, tag="1.0.2")
    what = wanted(repository, head="1.0.2", onto=(tmp_path / "first.hotfix",), hotfix="HF-2026-0002")
    made = built(what, tmp_path)
    (entry,) = [entry for entry in made.manifest.files if entry.path == "conf/app.ini"]
    assert entry.file_class == "config"
    names = {member.name for member in read_bundle(made.path).manifest.payload if member.name.startswith("base/")}
    assert names == {"base/" + sha256(b"[app]\nport = %d\n" % number) for number in (1, 2)}


def test_cumulative_contains_earlier_fixes_and_says_so(repository, tmp_path):
    manifest = built(second(repository, tmp_path, kind="cumulative"), tmp_path).manifest
    assert [fix.id for fix in manifest.fixes] == ["BUG-1", "BUG-2"]
    first = read_bundle(tmp_path / "first.hotfix").manifest
    (included,) = manifest.relations.includes
    assert (included.hotfix, included.revision, included.manifest) == ("HF-2026-0001", 1, first.digest)
    assert rebuild(tmp_path / "out.hotfix", repo=repository.path, onto=[tmp_path / "first.hotfix"]).reproduced


def test_cumulative_that_would_lose_a_fix_is_refused(repository, tmp_path):
    what = second(repository, tmp_path, kind="cumulative")
    repository.commit({"logo.png": bytes(range(256))}, "Take back\n\nFixes: BUG-2", tag="1.0.3")
    lost = wanted(repository, head="1.0.3", onto=what.onto, kind="cumulative", fix_titles={"BUG-2": "Two"})
    assert refused(lost, tmp_path / ".") == "build.fix-not-contained"


def test_hotfix_that_takes_an_earlier_one_back_must_say_which_comes_first(repository, tmp_path):
    one_and_two = second(repository, tmp_path)
    built(one_and_two, tmp_path, "second.hotfix")
    repository.commit({"lib/a.py": b"a = 2\n"}, "Take back\n\nFixes: BUG-3", tag="1.0.3")
    onto = (*one_and_two.onto, tmp_path / "second.hotfix")
    changes = {"head": "1.0.3", "hotfix": "HF-2026-0003", "fix_titles": {"BUG-2": "Two"}}
    assert refused(wanted(repository, onto=onto, **changes), tmp_path) == "build.no-order"
    authored = recipe(tmp_path, '[relations]\nrequires = [{hotfix = "HF-2026-0002", revision = 1}]\n')
    assert built(wanted(repository, onto=onto, authored=authored, **changes), tmp_path).manifest.relations.requires


def test_bundle_of_another_product_or_baseline_is_no_earlier_one(repository, tmp_path):
    what = second(repository, tmp_path, product="other")
    assert refused(what, tmp_path) == "build.onto-product"
    assert refused(second_again(what, baselines=("2.0",), product="shop"), tmp_path) == "build.onto-baseline"
    twice = Wanted(order(hotfix="HF-2026-0002"), what.authored, what.origin, onto=what.onto * 2)
    assert refused(twice, tmp_path) == "build.onto-twice"


def second_again(what, **changes):
    return Wanted(order(hotfix="HF-2026-0002", **changes), what.authored, what.origin, onto=what.onto)


def test_base_tag_that_moved_since_an_earlier_hotfix_is_refused(repository, tmp_path, monkeypatch):
    what = second(repository, tmp_path)
    monkeypatch.setenv("PATCHLINE_HOME", str(tmp_path / "another home"))
    repository.git("tag", "-f", "1.0", "1.0.1")
    assert refused(what, tmp_path) == "build.base-moved"


def test_tag_that_moved_since_the_first_build_is_refused(repository, tmp_path):
    built(wanted(repository), tmp_path, "first.hotfix")
    repository.git("tag", "-f", "1.0", "1.0.1")
    assert refused(wanted(repository), tmp_path) == "git.tag-moved"


# Rebuilding


def test_rebuild_from_another_clone_gives_the_same(repository, tmp_path, monkeypatch):
    (tmp_path / "restart.sh").write_text("echo restarted\n")
    text = (
        'notes = "Read me"\nguidance = ["restart-node"]\noptional = ["logo.png"]\n[classes]\nconfig = ["conf/**"]\n'
        '[[fixes]]\nid = "BUG-1"\ntitle = "One"\ncoverage = "full"\n[[fixes]]\nid = "BUG-2"\ntitle = "Two"\n'
        'coverage = "workaround"\nsymptom = "It breaks"\npaths = ["logo.png"]\n'
        '[[relations.conflicts]]\nhotfix = "HF-2026-0007"\n'
        '[[steps]]\nid = "restart"\nphase = "start"\nscript = "restart.sh"\ninterpreter = "/bin/sh"\n'
    )
    built(wanted(repository, authored=recipe(tmp_path, text), fix_titles={}), tmp_path)
    clone = tmp_path / "clone"
    run_git("clone", "-q", repository.path, clone)
    monkeypatch.setenv("PATCHLINE_HOME", str(tmp_path / "approver"))
    found = rebuild(tmp_path / "out.hotfix", repo=clone)
    assert (found.differences, found.unsettled) == ((), ())


def test_rebuild_names_what_differs(repository, tmp_path):
    what = second(repository, tmp_path)
    built(what, tmp_path)
    found = rebuild(tmp_path / "out.hotfix", repo=repository.path)
    assert not found.reproduced
    assert found.differences == ("files app/lib/a.py: pre differ",)
    assert "--onto" in found.unsettled[0]


def test_rebuild_without_the_people_file_says_so(repository, tmp_path):
    people = tmp_path / "people.toml"
    people.write_text(f'key = "{"k" * 32}"\n[people]\nada = ["ada@example.com"]\n')
    built(wanted(repository, people=read_people(people)), tmp_path)
    found = rebuild(tmp_path / "out.hotfix", repo=repository.path)
    assert "people" in found.unsettled[0]
    assert rebuild(tmp_path / "out.hotfix", repo=repository.path, people=read_people(people)).reproduced


def test_rebuild_without_the_tag_says_so(repository, tmp_path):
    built(wanted(repository), tmp_path)
    repository.git("tag", "-d", "1.0")
    found = rebuild(tmp_path / "out.hotfix", repo=repository.path)
    assert not found.reproduced
    assert "base_tag" in found.unsettled[0]


def test_rebuild_from_a_clone_without_the_commits_is_refused(repository, tmp_path):
    built(wanted(repository), tmp_path)
    other = Repository(tmp_path / "other")
    other.commit({"a": b"1"})
    assert code_of(rebuild, tmp_path / "out.hotfix", repo=other.path) == "git.ref-missing"


def test_rebuild_by_the_other_kind_of_source_is_refused(repository, tmp_path):
    built(wanted(repository), tmp_path)
    assert code_of(rebuild, tmp_path / "out.hotfix", folders=(tmp_path, tmp_path)) == "usage.options"


# Folders


def folder(path, files):
    for name, content in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            target.mkdir()
        elif isinstance(content, LinkTo):
            target.symlink_to(content.decode())
        else:
            target.write_bytes(content)
            target.chmod(0o755 if isinstance(content, Executable) else 0o644)
    return path


def of_folders(tmp_path, before, after, **changes):
    base, head = folder(tmp_path / "before", before), folder(tmp_path / "after", after)
    origin = FolderOrigin(base, head, "build 42", ("ada",), **changes)
    return Wanted(order(), Authored(), origin)


def test_folders_are_compared_with_rights_links_and_empty_folders(tmp_path):
    what = of_folders(
        tmp_path,
        {"bin/run": b"x", "same": b"s", "old": None, "link": LinkTo(b"same"), "d/gone": b"1"},
        {"bin/run": Executable(b"x"), "same": b"s", "new": None, "link": LinkTo(b"bin/run")},
    )
    manifest = built(what, tmp_path).manifest
    posts = {entry.path: (entry.pre[0], entry.post) for entry in manifest.files}
    assert posts == {
        "bin/run": (File(sha256(b"x"), 1, False), File(sha256(b"x"), 1, True)),
        "old": (Folder(), ABSENT),
        "new": (ABSENT, Folder()),
        "link": (Link("same"), Link("bin/run")),
        "d/gone": (File(sha256(b"1"), 1, False), ABSENT),
    }
    assert manifest.contributors == ("ada",)
    assert manifest.provenance["source"] == "build 42"
    found = rebuild(tmp_path / "out.hotfix", folders=(tmp_path / "before", tmp_path / "after"))
    assert found.reproduced
    (tmp_path / "before/same").write_bytes(b"other")
    assert not rebuild(tmp_path / "out.hotfix", folders=(tmp_path / "before", tmp_path / "after")).reproduced


def test_folder_that_lost_everything_and_stayed_is_refused(tmp_path):
    assert refused(of_folders(tmp_path, {"d/a": b"1"}, {"d": None}), tmp_path) == "build.folder-emptied"


def test_pipe_in_a_folder_is_refused(tmp_path):
    what = of_folders(tmp_path, {"a": b"1"}, {"a": b"2"})
    os.mkfifo(tmp_path / "after/pipe")
    assert refused(what, tmp_path) == "build.special-file"


def test_setuid_file_is_refused(tmp_path):
    what = of_folders(tmp_path, {"a": b"1"}, {"a": b"2"})
    (tmp_path / "after/a").chmod(0o4755)
    assert refused(what, tmp_path) == "build.special-rights"


def test_bundle_is_not_written_into_its_own_source(tmp_path):
    what = of_folders(tmp_path, {"a": b"1"}, {"a": b"2"})
    assert refused(what, tmp_path / "after") == "build.out-inside"


def test_folders_need_a_contributor(tmp_path):
    what = of_folders(tmp_path, {"a": b"1"}, {"a": b"2"})
    nobody = FolderOrigin(what.origin.base, what.origin.head, "build 42", ())
    assert refused(Wanted(order(), Authored(), nobody), tmp_path) == "build.contributors"


def test_names_that_only_look_odd_are_carried(repository, tmp_path):
    odd = [":colon", "with space", 'quote"d', "na\u00efve/\u00fc", "a:b", "star*", "$HOME", "#x", "~", "..x", ".hidden"]
    repository.commit(dict.fromkeys(odd, b"1"), tag="odd")
    made = built(wanted(repository, base="1.0.1", head="odd"), tmp_path)
    assert {entry.path for entry in made.manifest.files} == set(odd)


def test_partial_and_shallow_and_foreign_sources_give_the_same_manifest(repository, tmp_path):
    first = built(wanted(repository), tmp_path, "one.hotfix").manifest
    repository.git("config", "uploadpack.allowFilter", "true")
    for number, options in enumerate((["--filter=blob:none"], ["--filter=tree:0"], ["--depth=2"], ["--bare"])):
        clone = tmp_path / f"clone-{number}"
        run_git("clone", "-q", *options, f"file://{repository.path}", clone)
        if "--depth=2" in options:
            run_git("fetch", "-q", "--depth=2", "origin", "tag", "1.0", cwd=clone)
        for path in [clone, *clone.rglob("*")] if os.geteuid() == 0 else []:
            os.chown(path, 12345, 12345, follow_symlinks=False)
        what = Wanted(order(), Authored(), GitOrigin(clone, "refs/tags/1.0", "1.0.1"))
        assert built(what, tmp_path, f"{number}.hotfix").manifest.data == first.data


# The scan


KEY = b"-----BEGIN RSA PRIVATE KEY-----\n" + b"MIIEpAIBAAKCAQEA" * 4 + b"\n-----END RSA PRIVATE KEY-----\n"


def test_new_private_key_stops_the_build_and_can_be_allowed(repository, tmp_path):
    repository.commit({"test/key.pem": KEY}, tag="key")
    with pytest.raises(PatchlineError, match=r"private key in app/test/key\.pem") as caught:
        built(wanted(repository, head="key"), tmp_path)
    assert caught.value.code == "build.secret"
    made = built(wanted(repository, head="key", allow={"test/key.pem": "a test key"}), tmp_path)
    assert made.record.scan.allowed == (("app/test/key.pem", "a test key"),)
    assert "a test key" in (tmp_path / "out.hotfix.statement.json").read_text()


def test_key_that_was_there_before_is_no_finding(repository, tmp_path):
    repository.commit({"key.pem": KEY + b"1"}, tag="base")
    repository.commit({"key.pem": KEY + b"2"}, tag="head")
    built(wanted(repository, base="base", head="head"), tmp_path)


def test_listed_name_stops_the_build_wherever_it_stands(repository, tmp_path):
    (tmp_path / "customers.txt").write_text("# customers\nAcme Corp\n")
    authored = recipe(tmp_path, '[scan]\nnames = "customers.txt"\n')
    repository.commit({"lib/note.txt": b"as ACME corp asked\n"}, tag="named")
    assert refused(wanted(repository, head="named", authored=authored), tmp_path) == "build.secret"
    what = wanted(repository, authored=authored, fix_titles={"BUG-1": "Login at Acme Corp"})
    assert refused(what, tmp_path) == "build.secret"
    built(wanted(repository, authored=authored), tmp_path)


def test_memory_stays_flat_for_a_large_file(tmp_path):
    made = Repository(tmp_path / "big")
    made.commit({"big": b"old"}, tag="1.0")
    made.commit({"big": os.urandom(1 << 20) * 32}, tag="1.0.1")
    program = (
        "from tests.releaser.test_building import *\n"
        f"what = Wanted(order(), Authored(), GitOrigin(Path({str(made.path)!r}), '1.0', '1.0.1'))\n"
        f"build(what, Path({str(tmp_path / 'out.hotfix')!r}), lambda: NOW)\n"
        "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')][0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": "."},
        check=True,
        capture_output=True,
        text=True,
    )
    assert int(done.stdout) < 75 * 1024
    assert Path(tmp_path / "out.hotfix").exists()
