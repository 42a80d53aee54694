import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from patchline.releaser import client

ROOT = Path(__file__).parent.parent
FOLDERS = ("releaser", "patches", "vault", "web", "migrations")
BARE = "import importlib.util as u; print([n for n in {names!r} if u.find_spec(n)])".format(names=[*FOLDERS, "tests"])


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    # A copy, or what an earlier build left in build/ would be shipped again.
    source = tmp_path_factory.mktemp("source")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    out = tmp_path_factory.mktemp("wheel")
    build = ["pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "-w", out, source]
    subprocess.run([sys.executable, "-m", *build], check=True)
    (made,) = out.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    line = ["pip", "install", "--quiet", "--no-deps", "--no-index", "--target", folder, wheel]
    subprocess.run([sys.executable, "-m", *line], check=True)
    return folder


def test_wheel_holds_every_source_file_under_one_name(wheel):
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    written = {
        f"patchline/{path.relative_to(ROOT)}"
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped == written


def test_wheel_carries_the_licence_and_asks_only_for_what_a_customer_needs(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = archive.read(name).decode()
    assert "License-Expression: Apache-2.0" in metadata
    needed = [line.split()[1] for line in metadata.splitlines() if line.startswith("Requires-Dist") and ";" not in line]
    names = {line.split(">")[0] for line in needed}
    assert names == {"click", "cryptography", "ecdsa", "rfc8785", "securesystemslib", "tuf"}
    assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())


def test_installed_wheel_adds_one_name(site):
    names = {path.name for path in site.iterdir()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"patchline", "bin"}
    assert {path.name for path in (site / "bin").iterdir()} == {"patchline", "patchline-site"}


def test_editable_install_leaks_no_bare_name(tmp_path):
    assert subprocess.check_output([sys.executable, "-c", BARE], cwd=tmp_path, text=True) == "[]\n"


def test_base_install_runs_the_site_program_and_says_what_the_vendors_needs(site, tmp_path):
    # The one-file client stands in for the installed libraries: it holds those of the base install and nothing more.
    libraries = tmp_path / "client.pyz"
    client.write_client(libraries)

    def ran(module, *arguments):
        paths = [str(site), str(libraries)]
        script = f"import sys; sys.path[:0] = {paths!r}; from {module} import main; sys.exit(main())"
        line = [sys.executable, "-I", "-S", "-c", script, *arguments]
        return subprocess.run(line, check=False, capture_output=True, text=True)

    assert ran("patchline.patches.site.commands", "--help").returncode == 0
    assert ran("patchline.releaser.commands.main", "--help").returncode == 0
    refused = ran("patchline.releaser.commands.main", "key", "list")
    assert refused.returncode == 10
    assert refused.stderr == (
        "error: patchline key needs alembic, flask, git, hvac, obstore, psycopg, pydantic_settings, sqlalchemy\n"
        "hint: Install the vendor's programs too: pip install 'patchline[server]'\n"
    )
