import json

import pytest

from patchline.patches.baselines import BaselineList
from tests.programs import run
from tests.releaser.test_building import KEY, folder, home, repository
from tests.repositories import run_git
from tests.samples import sha256

__all__ = ["home", "repository"]


def build(repository, out, *more, expect=0, base="1.0", head="1.0.1"):
    names = ("--id", "HF-2026-0001", "--product", "shop", "--baseline", "1.0")
    source = ("--repo", repository.path, "--base", base, "--head", head)
    fix = () if "--fix" in more or "--recipe" in more else ("--fix", "BUG-1=Mend it")
    return run("patchline", "bundle", "build", *source, *names, *fix, *more, "--out", out, "--json", expect=expect)


def test_build_reports_what_it_made(repository, tmp_path):
    found = build(repository, tmp_path / "a.hotfix").document
    assert found["manifest"]
    assert found["paths"] == 7
    assert found["simulated"] == 1
    assert "--people" in found["warnings"][0]
    text = run("patchline", "bundle", "show", tmp_path / "a.hotfix").out
    assert found["manifest"] in text
    assert found["fingerprint"] in text


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--repo", "x", "--base", "1"],
        ["--repo", "x", "--base", "1", "--head", "2", "--base-dir", "y"],
        ["--base-dir", "x", "--head-dir", "y", "--source", "z"],
        ["--repo", "x", "--base", "1", "--head", "2", "--subdir", "../x"],
        ["--repo", "x", "--base", "1", "--head", "2", "--fix", "no equals sign"],
    ],
)
def test_options_that_do_not_go_together_are_told(tmp_path, arguments):
    names = ("--id", "HF-2026-0001", "--product", "shop", "--baseline", "1.0", "--out", tmp_path / "o", "--json")
    assert run("patchline", "bundle", "build", *arguments, *names, expect=2).document["error"].startswith("usage.")


@pytest.mark.parametrize(("option", "value"), [("--id", "x"), ("--product", "a/b"), ("--baseline", " 1")])
def test_names_that_cannot_be_are_told(repository, tmp_path, option, value):
    names = {"--id": "HF-2026-0001", "--product": "shop", "--baseline": "1.0", option: value}
    given = [part for pair in names.items() for part in pair]
    source = ("--repo", repository.path, "--base", "1.0", "--head", "1.0.1")
    line = ("patchline", "bundle", "build", *source, *given, "--out", tmp_path / "o", "--json")
    assert run(*line, expect=2).document["error"] == "usage.options"


def test_every_option_reaches_the_manifest(repository, tmp_path):
    repository.commit({"lib/key.pem": KEY, "other": b"1"}, tag="2")
    (tmp_path / "people.toml").write_text(f'key = "{"k" * 32}"\n[people]\nada = ["ada@example.com"]\n')
    (tmp_path / "hotfix.toml").write_text('notes = "Read me"\n')
    more = ("--subdir", "lib", "--revision", "3", "--kind", "cumulative", "--severity", "critical", "--title", "T")
    more += ("--fix", "BUG-1=One", "--fix", "BUG-2=Two", "--fix-paths", "BUG-1=*.py", "--fix-paths", "BUG-2=k*")
    more += ("--fix-paths", "BUG-2=gone.py", "--recipe", tmp_path / "hotfix.toml", "--repository", "shop.git")
    more += ("--people", tmp_path / "people.toml", "--allow", "key.pem=a test key")
    found = build(repository, tmp_path / "a.hotfix", *more, head="2").document
    assert found["allowed"] == [["app/key.pem", "a test key"]]
    assert "other" in found["outside"]
    shown = run("patchline", "bundle", "show", tmp_path / "a.hotfix", "--json").document
    assert (shown["revision"], shown["kind"], shown["severity"], shown["title"]) == (3, "cumulative", "critical", "T")
    assert shown["provenance"]["repository"] == "shop.git"
    assert "ada" in shown["contributors"]
    fixes = {entry["path"]: entry["fixes"] for entry in shown["files"]}
    assert fixes["a.py"] == ["BUG-1"]
    assert fixes["gone.py"] == ["BUG-1", "BUG-2"]
    assert fixes["key.pem"] == ["BUG-2"]


def test_folders_are_built_and_rebuilt(tmp_path):
    folder(tmp_path / "old", {"a": b"1"})
    folder(tmp_path / "new", {"a": b"2"})
    line = ("--base-dir", tmp_path / "old", "--head-dir", tmp_path / "new", "--source", "build 7")
    names = ("--id", "HF-2026-0001", "--product", "shop", "--baseline", "1.0", "--fix", "B=x", "--contributor", "ada")
    run("patchline", "bundle", "build", *line, *names, "--strict-archives", "--out", tmp_path / "a.hotfix")
    again = ("--base-dir", tmp_path / "old", "--head-dir", tmp_path / "new")
    assert run("patchline", "bundle", "rebuild", tmp_path / "a.hotfix", *again, "--json").document["reproduced"] is True


def test_base_files_of_folders_are_the_baseline_list_of_the_site(tmp_path):
    folder(tmp_path / "old", {"a": b"1", "empty": None})
    folder(tmp_path / "new", {"a": b"2", "empty": None})
    names = ("--product", "shop", "--baseline", "1.0")
    listed = run("patchline", "baseline", "files", "--dir", tmp_path / "old", *names, "--out", tmp_path / "l", "--json")
    source = ("--base-dir", tmp_path / "old", "--head-dir", tmp_path / "new", "--source", "s", "--contributor", "ada")
    more = ("--id", "HF-2026-0001", "--fix", "B=x", "--out", tmp_path / "a.hotfix")
    run("patchline", "bundle", "build", *source, *names, *more)
    shown = run("patchline", "bundle", "show", tmp_path / "a.hotfix", "--json").document
    assert shown["provenance"]["base_files"] == listed.document["sha256"]


def test_rebuild_that_differs_says_so_and_fails(repository, tmp_path):
    build(repository, tmp_path / "a.hotfix")
    line = ("patchline", "bundle", "rebuild", tmp_path / "a.hotfix", "--repo", repository.path)
    assert "reproduced: true" in run(*line).out
    repository.git("tag", "-d", "1.0")
    found = run(*line, "--json", expect=14).document
    assert found["reproduced"] is False
    assert "base_tag" in found["not_derived"][0]
    assert run("patchline", "bundle", "rebuild", tmp_path / "a.hotfix", expect=2)


def test_diff_names_what_is_not_the_same(repository, tmp_path):
    build(repository, tmp_path / "a.hotfix")
    build(repository, tmp_path / "b.hotfix", "--severity", "low", "--revision", "2")
    repository.commit({"lib/a.py": b"a = 3\n"}, tag="3")
    build(repository, tmp_path / "c.hotfix", head="3")
    line = ("patchline", "bundle", "diff", tmp_path / "a.hotfix")
    assert run(*line, tmp_path / "a.hotfix").out.strip() == "the manifests are the same"
    found = run(*line, tmp_path / "b.hotfix", "--json").document["differences"]
    assert found == ["revision: 1 → 2", 'severity: "moderate" → "low"']
    assert "files app/lib/a.py: post differ" in run(*line, tmp_path / "c.hotfix").out


def test_show_prints_scripts_in_full_and_no_control_characters(repository, tmp_path):
    (tmp_path / "x.sh").write_bytes(b"echo one\n\x1b[2Jecho two\n")
    (tmp_path / "hotfix.toml").write_text(
        '[[fixes]]\nid = "BUG-1"\ntitle = "x"\n'
        '[[steps]]\nid = "x"\nphase = "start"\nscript = "x.sh"\ninterpreter = "/bin/sh"\nroot = true\n'
    )
    build(repository, tmp_path / "a.hotfix", "--recipe", tmp_path / "hotfix.toml")
    text = run("patchline", "bundle", "show", tmp_path / "a.hotfix").out
    assert "| echo one" in text
    assert "echo two" in text
    assert "root" in text
    assert "\x1b" not in text


def test_recipe_written_from_the_diff_builds_as_it_stands(repository, tmp_path):
    line = ("--repo", repository.path, "--base", "1.0", "--head", "1.0.1", "--out", tmp_path / "hotfix.toml")
    found = run("patchline", "bundle", "recipe", *line, "--json").document
    assert found["fixes"] == ["BUG-1"]
    assert found["paths"] == 7
    build(repository, tmp_path / "a.hotfix", "--recipe", tmp_path / "hotfix.toml")
    shown = run("patchline", "bundle", "show", tmp_path / "a.hotfix", "--json").document
    assert shown["fixes"] == ["BUG-1"]
    assert {entry["path"]: entry["class"] for entry in shown["files"]}["conf/app.ini"] == "config"
    assert run("patchline", "bundle", "recipe", *line, expect=12)


def test_recipe_of_commits_that_name_nothing_builds_as_it_stands(repository, tmp_path):
    repository.commit({'odd "name"\\': b"1"}, 'Say "nothing"\u202e', tag="3")
    line = ("--repo", repository.path, "--base", "1.0.1", "--head", "3", "--out", tmp_path / "hotfix.toml")
    run("patchline", "bundle", "recipe", *line)
    build(repository, tmp_path / "a.hotfix", "--recipe", tmp_path / "hotfix.toml", base="1.0.1", head="3")


def test_baseline_list_of_a_commit_is_that_of_its_folder(repository, tmp_path):
    run_git(
        "-c", f"safe.directory={repository.path}", "worktree", "add", "-q", tmp_path / "x", "1.0.1", cwd=repository.path
    )
    (tmp_path / "x/.git").unlink()
    names = ("--product", "shop", "--baseline", "1.0.1")
    source = ("--repo", repository.path, "--ref", "1.0.1")
    one = run("patchline", "baseline", "files", *source, *names, "--out", tmp_path / "one", "--json").document
    two = run("patchline", "baseline", "files", "--dir", tmp_path / "x", *names, "--out", tmp_path / "two", "--json")
    assert one["sha256"] == two.document["sha256"] == sha256((tmp_path / "one").read_bytes())
    listed = BaselineList.parse((tmp_path / "one").read_bytes())
    assert listed.roots["app"]["bin/run"].executable
    assert listed.roots["app"]["lib/kind"].target == "a.py"
    assert run("patchline", "baseline", "files", *source, *names, "--out", tmp_path / "one", expect=12)
    assert run("patchline", "baseline", "files", *names, "--out", tmp_path / "three", expect=2)


def test_baseline_of_several_roots_follows_the_recipe(repository, tmp_path):
    (tmp_path / "hotfix.toml").write_text('[roots]\napp = "lib"\netc = "conf"\n')
    source = ("--repo", repository.path, "--ref", "1.0", "--recipe", tmp_path / "hotfix.toml")
    run("patchline", "baseline", "files", *source, "--product", "shop", "--baseline", "1.0", "--out", tmp_path / "l")
    listed = BaselineList.parse((tmp_path / "l").read_bytes())
    assert set(listed.roots["app"]) == {"a.py", "gone.py", "kind"}
    assert set(listed.roots["etc"]) == {"app.ini"}


def test_errors_have_a_hint_and_the_exit_code_of_building(repository, tmp_path):
    found = build(repository, tmp_path / "a.hotfix", head="nowhere", expect=14).document
    assert found["error"] == "git.ref-missing"
    assert found["hint"]
    (tmp_path / "not a repository").mkdir()
    line = ("--repo", tmp_path / "not a repository", "--base", "1", "--head", "2", "--out", tmp_path / "r.toml")
    text = run("patchline", "bundle", "recipe", *line, expect=14).err
    assert text.startswith("error: ")
    assert "\nhint: " in text


def test_statement_is_one_line_of_canonical_json(repository, tmp_path):
    build(repository, tmp_path / "a.hotfix")
    data = (tmp_path / "a.hotfix.statement.json").read_bytes()
    assert json.dumps(json.loads(data), separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode() == data
