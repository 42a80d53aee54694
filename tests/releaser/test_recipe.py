import pytest

from patchline.patches.errors import BuildError, RecipeError
from patchline.releaser.globs import any_matches, matches
from patchline.releaser.people import nobody, read_people
from patchline.releaser.recipe import read_recipe


def refused(tmp_path, text):
    path = tmp_path / "hotfix.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RecipeError) as caught:
        read_recipe(path)
    return caught.value


FIX = '[[fixes]]\nid = "BUG-1"\ntitle = "x"\n'
STEP = '[[steps]]\nid = "a"\nphase = "start"\nscript = "a.sh"\ninterpreter = "/bin/sh"\n'


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("title = \n", "recipe.syntax", "line 1"),
        (b"title = '\xff'", "recipe.encoding", "byte"),
        ("[" * 3000, "recipe.syntax", "hotfix.toml"),
        ('titel = "x"\n', "recipe.unknown-key", "titel"),
        ("title = 1\n", "recipe.type", "title"),
        ('severity = "huge"\n', "recipe.value", "severity"),
        ('kind = "patch"\n', "recipe.value", "kind"),
        ('expires = "soon"\n', "recipe.value", "expires"),
        ('platforms = ["dos"]\n', "recipe.value", "platforms"),
        ('platforms = "linux"\n', "recipe.type", "platforms"),
        ('[roots]\nApp = "x"\n', "recipe.value", "roots.App"),
        ('[roots]\napp = "../x"\n', "recipe.value", "roots.app"),
        ('[roots]\napp = "x"\netc = "x/"\n', "recipe.value", "same folder"),
        ('[classes]\nconf = ["x"]\n', "recipe.unknown-key", "classes.conf"),
        ('[[fixes]]\ntitle = "x"\n', "recipe.missing", "fixes[1].id"),
        (f"{FIX}{FIX}", "recipe.duplicate", "fixes[2].id"),
        (f'{FIX}[[fixes]]\nid = "BUG-2"\ntitel = "y"\n', "recipe.missing", "fixes[2].title"),
        (f'{FIX}coverage = "half"\n', "recipe.value", "fixes[1].coverage"),
        ("[relations]\nneeds = []\n", "recipe.unknown-key", "relations.needs"),
        ('[[relations.requires]]\nhotfix = "HF-1-1"\n', "recipe.missing", "relations.requires[1].revision"),
        ('[[relations.requires]]\nhotfix = "x"\nrevision = 1\n', "recipe.value", "relations.requires[1].hotfix"),
        ('[[relations.includes]]\nhotfix = "HF-1-1"\nrevision = 1\n', "recipe.missing", "includes[1].manifest"),
        (STEP, "recipe.file", "steps[1].script"),
        (STEP.replace("a.sh", "../a.sh"), "recipe.value", "steps[1].script"),
        (STEP.replace("a.sh", "/etc/passwd"), "recipe.value", "steps[1].script"),
        ('[scan]\nnames = "missing.txt"\n', "recipe.file", "scan.names"),
        ("fixes = 1\n", "recipe.type", "fixes"),
        ("[[steps]]\n", "recipe.missing", "steps[1].script"),
    ],
)
def test_mistake_is_told_with_its_place(tmp_path, text, code, place):
    error = refused(tmp_path, text)
    assert error.code == code
    assert place in error.message


def test_steps_have_harmless_defaults(tmp_path):
    (tmp_path / "a.sh").write_text("true\n")
    (tmp_path / "hotfix.toml").write_text(STEP)
    (step,) = read_recipe(tmp_path / "hotfix.toml").steps
    assert (step["root"], step["idempotent"], step["irreversible"], step["on"]) == (False, False, False, "both")


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*.png", "a/b.png", True),
        ("*.png", "b.png", True),
        ("*.png", "b.png.txt", False),
        ("conf/*", "conf/a", True),
        ("conf/*", "conf/a/b", True),
        ("conf/*.ini", "conf/a/b.ini", False),
        ("conf/**/*.ini", "conf/a/b.ini", True),
        ("conf/**/*.ini", "conf/b.ini", True),
        ("**/test", "a/b/test/x", True),
        ("conf", "conf/a", True),
        ("conf", "x/conf/a", True),
        ("/conf", "x/conf/a", False),
        ("conf/", "conf/a", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("a.c", "abc", False),
        ("etc:*.ini", "a.ini", False),
        ("app:*.ini", "a.ini", True),
        ("**", "a/b/c", True),
        ("a[b]", "a[b]", True),
    ],
)
def test_patterns_mean_what_people_expect(pattern, path, expected):
    assert matches(pattern, "app", path) is expected
    assert any_matches(["nothing", pattern], "app", path) is expected


KEY = f'key = "{"s" * 32}"\n'


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("key = ", "build.people-syntax"),
        (f"{KEY}[persons]\n", "build.people-syntax"),
        (KEY, "build.people-syntax"),
        ('key = "short"\n[people]\n', "build.people-key"),
        ("[people]\n", "build.people-key"),
        (f'{KEY}[people]\nAda = ["a@x"]\n', "build.people-person"),
        (f"{KEY}[people]\nada = []\n", "build.people-address"),
        (f'{KEY}[people]\nada = ["A@x"]\n', "build.people-address"),
        (f'{KEY}[people]\nada = ["a@x"]\nben = ["a@x"]\n', "build.people-twice"),
    ],
)
def test_mistake_in_a_people_file_has_its_own_code(tmp_path, text, code):
    path = tmp_path / "people.toml"
    path.write_text(text)
    with pytest.raises(BuildError) as caught:
        read_people(path)
    assert caught.value.code == code


def test_unknown_identities_cannot_be_guessed_without_the_key(tmp_path):
    (tmp_path / "one.toml").write_text(f'{KEY}[people]\nada = ["ada@x", "ada@old.x"]\n')
    (tmp_path / "two.toml").write_text(f'key = "{"t" * 32}"\n[people]\nada = ["ada@x"]\n')
    one, two = read_people(tmp_path / "one.toml"), read_people(tmp_path / "two.toml")
    assert one.identify(["ada@x", "ada@old.x"]) == ["ada"]
    (unknown,) = one.identify(["ben@x"])
    assert unknown.startswith("unknown:")
    assert "ben" not in unknown
    assert one.identify(["ben@x"]) == [unknown] != two.identify(["ben@x"])
    assert nobody("a").identify(["ben@x"]) != nobody("b").identify(["ben@x"])
