import ast
import re
import subprocess
from pathlib import Path

import pytest

from patchline.patches import errors
from patchline.patches.errors import PatchlineError

ROOT = Path(__file__).parent.parent
FOLDERS = ("releaser", "patches", "vault", "web", "migrations")
LOCKS = sorted(path.name for path in ROOT.glob("requirements*.txt"))


def tracked():
    line = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.check_output(line, cwd=ROOT).decode().split("\0")
    return [path for name in names if name and (path := ROOT / name).is_file() and not path.is_symlink()]


def lines_with(pattern, flags=0):
    """Where a pattern stands in the repository's own text, this file apart."""
    found = re.compile(pattern, flags)
    for path in tracked():
        if path == Path(__file__):
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if found.search(line):
                yield f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"


def test_no_package_index_is_named():
    assert not list(lines_with(r"pypi\.org|pythonhosted|npmjs|index-url|find-links\s*=|trusted-host", re.IGNORECASE))


def test_no_path_of_one_machine_is_named():
    assert not list(lines_with(r"(?<![\w.}])/(work|root|tmp/wt)/|/Users/\w"))


def test_nothing_is_marked_as_unfinished():
    assert not list(lines_with(r"\b(TODO|FIXME|XXX|TBD|HACK)\b|lorem ipsum"))


@pytest.mark.parametrize("name", LOCKS)
def test_lock_files_pin_hashes_and_name_no_host(name):
    text = (ROOT / name).read_text()
    assert "http" not in text and "://" not in text and "--index" not in text
    entries = re.split(r"\n(?=\S)", text.strip())
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9-]+==[\w.!+-]+ ", entry), entry[:80]
        assert " --hash=sha256:" in entry, entry[:80]


def families(family=PatchlineError):
    yield family
    for child in family.__subclasses__():
        if child.__module__.startswith("patchline."):
            yield from families(child)


FAMILIES = {family.__name__: family for family in families()}


def sources():
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path, ast.parse(path.read_text())


def constructed(tree):
    """Every `Family(code, …)` in a module, with a pattern of its code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FAMILIES and node.args:
            yield FAMILIES[node.func.id], pattern_of(node.args[0]), node.lineno


def pattern_of(code):
    """A constant fits itself, an f-string any filling, a variable any code."""
    parts = code.values if isinstance(code, ast.JoinedStr) else [code]
    return "".join(re.escape(part.value) if isinstance(part, ast.Constant) else ".+" for part in parts)


def test_every_error_that_is_raised_has_a_code_with_a_hint():
    unknown = [
        f"{path.relative_to(ROOT)}:{line}: {family.family}.{pattern}"
        for path, tree in sources()
        for family, pattern, line in constructed(tree)
        if not any(re.fullmatch(pattern, code) for code in family.hints)
    ]
    assert not unknown, "\n".join(unknown)


def written(tree):
    """Patterns of all texts in a module: a code may be chosen in one place and raised in another."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            pattern = pattern_of(node)
            if pattern.strip(".+"):
                yield pattern


def test_every_code_in_a_table_is_raised_somewhere():
    trees = [tree for path, tree in sources() if path != ROOT / "patches" / "errors.py"]
    texts = [re.compile(pattern) for pattern in {pattern for tree in trees for pattern in written(tree)}]
    codes = [(family, code) for family in FAMILIES.values() for code in family.hints]
    unused = [f"{family.family}.{code}" for family, code in codes if not any(text.fullmatch(code) for text in texts)]
    assert not unused, "\n".join(unused)


def test_every_family_stands_once_in_the_tree_and_has_a_name_of_its_own():
    names = [family.family for family in FAMILIES.values()]
    assert len(set(names)) == len(names)
    for name in FAMILIES:
        assert len(re.findall(rf"\b{name}\b", errors.__doc__)) == 1


def test_migrations_form_one_chain_in_the_order_of_their_names():
    texts = [path.read_text() for path in sorted((ROOT / "migrations" / "versions").glob("v*.py"))]
    found = [re.findall(r'^(?:down_)?revision = "?(\w+)"?$', text, re.MULTILINE) for text in texts]
    assert found == [
        [f"{number:04}", f"{number - 1:04}" if number > 1 else "None"] for number in range(1, len(texts) + 1)
    ]
