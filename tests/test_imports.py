import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("releaser", "patches", "vault", "web", "migrations")
SERVER = ("alembic", "flask", "git", "hvac", "sqlalchemy")
COMPILED = ("cryptography", "cffi", "zlib_ng")


def loaded_by(script):
    """Names of the top-level modules that a fresh interpreter has loaded after the script."""
    script += "\nimport sys; print()\nprint(*sorted({name.split('.')[0] for name in sys.modules}))"
    return set(subprocess.check_output([sys.executable, "-c", script], text=True, cwd="/").splitlines()[-1].split())


def modules_of(folder):
    paths = (path.relative_to(ROOT) for path in sorted((ROOT / folder).rglob("*.py")))
    return [".".join(("patchline", *path.with_suffix("").parts)).removesuffix(".__init__") for path in paths]


def test_what_a_customer_trusts_loads_no_server_library():
    assert not loaded_by("import patchline.patches.verify") & {*SERVER, "click", "requests"}
    assert not loaded_by(everything_of_the_customer()) & {*SERVER}


def test_vault_library_is_there_for_whoever_wants_it():
    assert "hvac" in loaded_by("import patchline.patches.verify; import hvac")


def test_what_a_customer_trusts_needs_no_server_library_and_nothing_compiled():
    absent = dict.fromkeys((*SERVER, *COMPILED))
    assert "patchline" in loaded_by(f"import sys; sys.modules.update({absent!r})\n{everything_of_the_customer()}")


def everything_of_the_customer():
    return "\n".join(f"import {name}" for name in modules_of("patches"))


@pytest.mark.parametrize(
    "module", ["patchline.releaser.commands.main", "patchline.patches.site.commands"], ids=["patchline", "site"]
)
def test_help_of_the_program_loads_nothing_slow(module):
    script = f"import sys; sys.argv[1:] = ['--help']\nfrom {module} import main\nassert main() == 0"
    assert not loaded_by(script) & {*SERVER, *COMPILED, "tuf", "securesystemslib", "urllib3", "ecdsa"}


@pytest.mark.parametrize("path", [path for folder in FOLDERS for path in (ROOT / folder).rglob("__init__.py")], ids=str)
def test_package_files_say_what_the_folder_is_for_and_do_nothing(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1
