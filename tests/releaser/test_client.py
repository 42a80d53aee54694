import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import pytest

from patchline.patches.errors import BuildError
from patchline.releaser import client
from tests.channel_worlds import Shop
from tests.servers import serving

# Every Python that pyenv or the system has, new enough or too old; this one at least.
PLACES = (Path("/usr/bin").glob("python3.1[1-9]"), Path.home().glob(".pyenv/versions/3.1[1-9]*/bin/python3"))
PYTHONS = sorted({os.path.realpath(python) for python in (sys.executable, *PLACES[0], *PLACES[1])})
TOO_OLD = sorted(set(Path.home().glob(".pyenv/versions/[23].*")) - set(Path.home().glob(".pyenv/versions/3.1[1-9]*")))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("client") / "patchline-site.pyz"
    client.write_client(path)
    return path


def started(python, *arguments):
    done = subprocess.run([python, "-I", "-S", *arguments], check=False, capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    return done


def test_same_sources_give_the_same_bytes_under_any_umask_and_zone(made, tmp_path):
    out = tmp_path / "again.pyz"
    line = [sys.executable, "-m", "patchline.releaser.client", out]
    environment = {**os.environ, "TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    printed = subprocess.check_output(line, umask=0o077, env=environment, text=True)
    assert out.read_bytes() == made.read_bytes()
    assert printed == f"{hashlib.sha256(made.read_bytes()).hexdigest()}  {out}\n"


@pytest.mark.parametrize("python", PYTHONS)
def test_it_starts_without_any_installed_package(made, python):
    assert "patchline-site, version " + metadata.version("patchline") in started(python, made, "--version").stdout
    assert "Usage: patchline-site" in started(python, made, "--help").stdout


@pytest.mark.parametrize("python", PYTHONS)
def test_every_module_of_ours_can_be_imported_from_it_with_warnings_as_errors(made, python):
    with zipfile.ZipFile(made) as archive:
        names = [name for name in archive.namelist() if name.startswith("patchline/patches/") and name.endswith(".py")]
    modules = sorted(name.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for name in names)
    assert "patchline.patches.site.commands" in modules and "patchline.patches.manifest" in modules
    script = (
        f"import sys, importlib; sys.path.insert(0, {str(made)!r})\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "import tuf.ngclient\n"
        "assert not {'cryptography', 'cffi'} & set(sys.modules)\n"
        f"assert sys.modules['tuf'].__file__.startswith({str(made)!r})\n"
    )
    started(python, "-W", "error", "-c", script)


@pytest.mark.parametrize("python", PYTHONS)
def test_it_verifies_applies_and_rolls_back_on_every_python(made, python):
    shown = started(python, "-W", "error", made, "self-test").stdout.splitlines()
    assert [line.split()[0] for line in shown] == ["ok"] * 5
    assert "checked by pure" in shown[1] and "cryptography" not in shown[1]


def test_too_old_python_is_told_so(made):
    with zipfile.ZipFile(made) as archive:
        main = archive.read("__main__.py").decode()
    pretend = f"import sys; sys.version_info = (3, 10, 13); exec({main!r})"
    lines = [[sys.executable, "-c", pretend], *([version / "bin" / "python", made] for version in TOO_OLD)]
    for line in lines:
        done = subprocess.run(line, check=False, capture_output=True, text=True)
        assert done.returncode == 10, line
        assert done.stderr.startswith("error: patchline-site needs Python 3.11 or later\nhint: this is ")


def test_it_is_executable_and_holds_sorted_names_one_time_and_licences(made):
    assert os.access(made, os.X_OK)
    with zipfile.ZipFile(made) as archive:
        entries = archive.infolist()
    names = [entry.filename for entry in entries]
    assert names == sorted(names) and len(set(names)) == len(names)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert not [name for name in names if name.endswith((".so", ".pyc"))]
    for library in client.LIBRARIES:
        assert any(name.startswith(f"{library}-") and "licen" in name.lower() for name in names), library


def test_library_changed_after_installation_is_refused(tmp_path, monkeypatch):
    distribution = metadata.distribution("six")
    for file in distribution.files:
        if ".dist-info" in str(file) or file.name == "six.py":
            (tmp_path / file).parent.mkdir(exist_ok=True)
            shutil.copy(distribution.locate_file(file), tmp_path / file)
    (tmp_path / "six.py").write_text("print('changed')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BuildError) as caught:
        client.write_client(tmp_path / "client.pyz")
    assert caught.value.message == "six was changed after it was installed: six.py"
    assert not (tmp_path / "client.pyz").exists()


def test_missing_library_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(client, "LIBRARIES", ("no-such-library",))
    with pytest.raises(BuildError, match="no-such-library is not installed"):
        client.write_client(tmp_path / "client.pyz")


def test_what_reads_a_bundle_loads_no_network_client(made):
    script = (
        f"import sys; sys.path.insert(0, {str(made)!r})\n"
        "for name in ('look', 'verify', 'change'): __import__('patchline.patches.site.command_' + name)\n"
        "assert not {'urllib3', 'tuf.ngclient', 'http.client'} & set(sys.modules)\n"
    )
    started(sys.executable, "-c", script)


@pytest.mark.parametrize("python", PYTHONS)
def test_it_fetches_from_a_web_server_and_a_kit_without_any_installed_package(made, python, tmp_path):
    shop = Shop(tmp_path, now=datetime.now(UTC).replace(microsecond=0))
    shop.publish(shop.hotfix())
    where = ("--root", shop.world.root, "--state", shop.world.state)
    with serving(shop.channel.folder) as server:
        found = json.loads(started(python, made, "fetch", "--from", server.url, *where, "--json").stdout)
    assert [offer["standing"] for offer in found["offers"]] == ["new"]
    kit = shop.channel.kit(tmp_path / "kit")
    for command in (["fetch", "--from", kit], ["plan", kit], ["apply", kit]):
        started(python, "-W", "error", made, *command, *where)
    assert shop.level() == "1.0+HF-2026-0001-r1"
